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

-- What strings hold, all read at once and kept up to date: one client may be in several requests.
-- False: nothing, or what is no string.
local held = {}
do
  local values = redis.call('MGET', unpack(KEYS))
  for n = 1, #KEYS do held[KEYS[n]] = values[n] end
end

-- Stores a state. False: there is a value of somebody else, of another type, which MGET passes over;
-- it stays as it is.
local function store(key, value, until_us, at)
  if not held[key] then
    local old = redis.pcall('SET', key, value, 'PX', life(until_us, at), 'GET')
    if not old then
      held[key] = value
      return true
    end
    if type(old) ~= 'table' or string.find(old.err, 'WRONGTYPE', 1, true) then return false end
  end
  redis.call('SET', key, value, 'PX', life(until_us, at))  -- fails as it did, if it did
  held[key] = value
  return true
end
