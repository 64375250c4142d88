-- What the scripts share. ARGV[1]: what is asked, in MessagePack. ARGV[2]: a time in us, or empty:
-- then Redis's. What p says of a charge begins at p[i]: p[i + 1] is the cost, p[i + 2] the limit,
-- p[i + 3] the window in us, and p[i + 4] to p[i + 9] are the algorithm's, 0 where it has no more.
--
-- An algorithm is a function of i, the number of the charge's key, and the cost that it is asked
-- for, which may be 0. It answers with what remains, the us until the whole allowance is back, 0 if
-- the cost is admitted, else 1 and the us until it would be, and the us until one more is left: all
-- that as it is once the cost is taken. Then, if that has to be written, what store() is to be
-- told. Nil: there is a stranger's value.
local p = {cmsgpack.unpack(ARGV[1])}
local now = tonumber(ARGV[2])

-- A key lives until its state equals never-seen, and a second more. Where times are handed in,
-- nobody knows how they pass: a day more, and whoever hands them in cleans up.
local more_us = 86400000000
if not now then
  local time = redis.call('TIME')
  now, more_us = time[1] * 1000000 + time[2], 1000000
end
local until_to_life_us = more_us - now + 999

-- What keys hold, by their numbers. False: nothing, or what is no string.
local held

-- Writes a value, from a place in the old one on or in place of all of it, of which the state
-- equals never-seen at a time; without a time the key lives on as it does. False: there is a value
-- of somebody else, of another type; it stays as it is.
local function store(n, value, until_us, offset)
  local key = KEYS[n]
  local life_ms = until_us and string.format('%d', (until_us + until_to_life_us) / 1000)
  if offset then
    redis.call('SETRANGE', key, offset, value)
    if life_ms then redis.call('PEXPIRE', key, life_ms) end
  elseif held[n] then
    redis.call('PSETEX', key, life_ms, value)
  else
    local old = redis.pcall('SET', key, value, 'PX', life_ms, 'GET')
    if old then
      if type(old) == 'table' and string.find(old.err, 'WRONGTYPE', 1, true) then return false end
      redis.call('SET', key, value, 'PX', life_ms)  -- fails as it did, if it did
    end
  end
  return true
end
