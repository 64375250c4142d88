-- The log of sliding_window: the times of admissions, one for each unit, the oldest first. The twin
-- of store/memory/ring.hpp.
--
-- Value: stamps of 7 bytes of us, then a tail of 16: the oldest stamp that was in the window when
-- this was written, the number of stamps before it, which are gone, that of all, and 5. So one look
-- at the end says all that a decision needs, and one write there is an admission. What is gone is
-- dropped when it is the larger part.

local function log_stamps(key, first, count)
  local at = string.format('%d', 7 * first)
  return redis.call('GETRANGE', key, at, string.format('%d', 7 * (first + count) - 1))
end

-- How many stamps are not later than `cut`, of which there are at least `gone`, and the first that
-- is. The last one is.
local function log_oldest(key, gone, cut)
  local step = 4
  while true do
    local stamps = log_stamps(key, gone, step)
    for at = 1, 7 * step, 7 do
      local stamp = struct.unpack('>I7', stamps, at)
      if stamp > cut then return gone, stamp end
      gone = gone + 1
    end
    step = step < 256 and step * 4 or step
  end
end

local function log(i, n, cost)
  local key, window = KEYS[n], p[i + 3]
  local size, gone, newest, oldest, kind = 0, 0, now, now
  local ending = redis.pcall('GETRANGE', key, '-23', '-1')
  held[n] = ending ~= ''
  if held[n] then
    if #ending ~= 23 then return nil end
    newest, oldest, gone, size, kind = struct.unpack('>I7I7I4I4B', ending)
    if kind ~= 5 or gone >= size or oldest > newest then return nil end
  end
  -- Time does not go back behind an admission.
  local at = newest > now and newest or now
  if newest <= at - window then
    gone = size
  elseif oldest <= at - window then
    gone, oldest = log_oldest(key, gone + 1, at - window)
  end
  local live = size - gone
  local left = p[i + 2] - live

  if cost > 0 and cost <= left then
    local stamps = string.rep(struct.pack('>I7', at), cost)
    local offset
    if live == 0 then oldest = at end
    if live > 0 and gone <= live then
      offset = string.format('%d', 7 * size)
    else
      if live > 0 then stamps = log_stamps(key, gone, live) .. stamps end
      gone, size = 0, live
    end
    local value = stamps .. struct.pack('>I7I4I4B', oldest, gone, size + cost, 5)
    return left - cost, at + window - now, 0, oldest + window - now, value, at + window, offset
  end
  if live == 0 then return left, 0, 0, at + window - now end
  -- How long the m-th of those in the window still counts, from 0. To a limit that was lowered the
  -- first do not matter.
  local function counts_for(m)
    local stamp = m == 0 and oldest or struct.unpack('>I7', log_stamps(key, gone + m, 1))
    return stamp + window - now
  end
  local skipped = 0
  if left < 0 then left, skipped = 0, -left end
  local refused = cost > left and 1 + counts_for(skipped + cost - 1 - left) or 0
  return left, newest + window - now, refused, counts_for(skipped)
end
