-- The twin of sliding_window_counter.hpp. p[i + 4..]: u, the slice in us, and n, slices to a
-- window. State: start of the current window, the current and the previous count. Value: the start
-- in 7 bytes of us, both counts in 4.

-- How far into a window the weight of `previous` units first is at most `allowed`.
local function counter_elapsed(i, previous, allowed)
  if previous == 0 then return 0 end
  local window, slice, slices = p[i + 3], p[i + 4], p[i + 5]
  local weighed = allowed == 0 and math.floor((slices - 1) / 2) or allowed * slices
  local covered = math.min(math.floor(weighed / previous), slices) * slice
  return window - math.min(covered, window)
end

local function counter_admits_at(i, start, current, previous, cost)
  local allowed = p[i + 2] - cost
  if current <= allowed then return start + counter_elapsed(i, previous, allowed - current) end
  return start + p[i + 3] + counter_elapsed(i, current, allowed)
end

local function counter(i, n, cost)
  local value, limit, window = held[n], p[i + 2], p[i + 3]
  local elapsed = now % window
  local start, current, previous = now - elapsed, 0, 0
  if value then
    if #value ~= 15 then return nil end
    local charged, counted, before = struct.unpack('>I7I4I4', value)
    if charged % window ~= 0 then return nil end
    if charged >= start then
      -- A window that has not begun is one at its beginning.
      if charged > start then start, elapsed = charged, 0 end
      current, previous = counted, before
    elseif charged == start - window then
      previous = counted
    end
  end
  local left = limit - current
  if previous > 0 then
    local slices = p[i + 5]
    local weighed = previous * math.ceil((window - elapsed) / p[i + 4])
    if 2 * weighed >= slices then left = left - math.ceil(weighed / slices) end
  end
  if left < 0 then left = 0 end

  -- A key with a count of this window lives as long as it should.
  local ends, offset = start + 2 * window
  if current > 0 then ends, offset = nil, '0' end
  local refused, stored = 0
  if cost > left then
    refused = 1 + counter_admits_at(i, start, current, previous, cost) - now
  elseif cost > 0 then
    current, left = current + cost, left - cost
    stored = struct.pack('>I7I4I4', start, current, previous)
  end
  local reset = 0
  if current > 0 then
    reset = start + window + counter_elapsed(i, current, 0) - now
  elseif left < limit then
    reset = start + counter_elapsed(i, previous, 0) - now
  end
  return left, reset, refused, counter_admits_at(i, start, current + left, previous, 1) - now,
         stored, ends, offset
end
