local p = cmsgpack.unpack(ARGV[1])
local out, o = {}, 0
local now
if ARGV[2] == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
else
  now = tonumber(ARGV[2])
end

-- How long a key has to live, in ms: until its state equals never-seen, and a second more.
local function life(until_us, at)
  return math.ceil((until_us - at) / 1000) + 1000
end
