-- The log of sliding_window: a list of the times of admissions, in us, one for each unit, the oldest
-- first. The twin of store/memory/ring.hpp. Read: how many there are, how many of the first are out
-- of the window, and the time used, which is not before the newest.

local function log_read(key, now, window)
  local newest = redis.pcall('LINDEX', key, -1)
  if not newest then return 0, 0, now, 0 end
  if type(newest) == 'table' then return nil end
  newest = tonumber(newest)
  if not newest then return nil end
  local at = newest > now and newest or now
  local size, gone = redis.call('LLEN', key), 0
  if newest <= at - window then return size, size, at, newest end
  local step = 1
  while gone < size do
    local oldest = redis.call('LRANGE', key, gone, gone + step - 1)
    for n = 1, #oldest do
      if tonumber(oldest[n]) > at - window then return size, gone, at, newest end
      gone = gone + 1
    end
    step = step < 256 and step * 4 or step
  end
  return size, gone, at, newest
end

-- The time of the n-th stamp from the oldest that is still in the window, counted from 0.
local function log_stamp(key, gone, n)
  return tonumber(redis.call('LINDEX', key, gone + n))
end

local function log_left(size, gone, limit)
  local left = limit - (size - gone)
  return left > 0 and left or 0
end

local function log_write(key, now, at, gone, cost, window)
  if gone > 0 then redis.call('LPOP', key, gone) end
  local stamp = string.format('%.0f', at)
  while cost > 0 do
    local stamps = {}
    for n = 1, math.min(cost, 1000) do stamps[n] = stamp end
    redis.call('RPUSH', key, unpack(stamps))
    cost = cost - #stamps
  end
  redis.call('PEXPIRE', key, life(at + window, now))
end

local function log_inspect(key, now, size, gone, at, newest, limit, window, asked)
  local count = size - gone
  local left = limit - count
  if left == limit then return left, 0, 0, at + window - now end
  -- The oldest that matters to a limit that was lowered is not the first.
  local skipped = left < 0 and -left or 0
  if left < 0 then left = 0 end
  local retry = 0
  if asked > left then
    retry = log_stamp(key, gone, skipped + asked - 1 - left) + window - now
  end
  local more = log_stamp(key, gone, skipped) + window - now
  return left, math.max(newest + window - now, 0), math.max(retry, 0), math.max(more, 0)
end

-- The same once `cost` was taken at `at`, from what was there before.
local function log_inspect_taken(key, now, size, gone, at, limit, window, cost)
  local left = limit - (size - gone)
  local own = at + window - now
  local more = left == limit and own or log_stamp(key, gone, 0) + window - now
  return left - cost, own, 0, math.max(more, 0)
end
