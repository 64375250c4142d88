local p = cmsgpack.unpack(ARGV[1])
local out, o = {}, 0
local now
if ARGV[2] == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
else
  now = tonumber(ARGV[2])
end

-- How long a key has to live, in ms: until its state equals never-seen, and a second more. Where
-- times are handed in, nobody knows how they pass: a day more, and whoever hands them in cleans up.
local more = ARGV[2] == '' and 1000 or 86400000
local function life(until_us, at)
  return math.ceil((until_us - at) / 1000) + more
end
