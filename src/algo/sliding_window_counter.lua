-- The twin of sliding_window_counter.hpp. p[i], p[i + 1]: u, the slice in us, and n, slices to a
-- window. State: start of the current window, the time used, the current and the previous count.
-- Value: 3, the start in 7 bytes of us, both counts in 4.

local function counter_read(value, now, window)
  local start = now - now % window
  if not value then return start, now, 0, 0 end
  if #value ~= 16 then return nil end
  local kind, charged, current, previous = struct.unpack('>BI7I4I4', value)
  if kind ~= 3 or charged % window ~= 0 then return nil end
  if charged < start - window then return start, now, 0, 0 end
  if charged < start then return start, now, 0, current end
  return charged, charged == start and now or charged, current, previous
end

local function counter_left(start, at, current, previous, limit, window, i)
  local used = current
  if previous > 0 then
    local slices = p[i + 1]
    local weighed = previous * math.ceil((window - (at - start)) / p[i])
    if 2 * weighed >= slices then used = used + math.ceil(weighed / slices) end
  end
  return used < limit and limit - used or 0
end

local function counter_write(key, now, start, current, previous, window)
  return store(key, struct.pack('>BI7I4I4', 3, start, current, previous), start + 2 * window, now)
end

-- How far into a window the weight of `previous` units first is at most `allowed`.
local function counter_elapsed(previous, allowed, window, i)
  if previous == 0 then return 0 end
  local slice, slices = p[i], p[i + 1]
  local weighed = allowed == 0 and math.floor((slices - 1) / 2) or allowed * slices
  local covered = math.min(math.floor(weighed / previous), slices) * slice
  return window - math.min(covered, window)
end

local function counter_admits_at(start, current, previous, cost, limit, window, i)
  if current + cost <= limit then
    return start + counter_elapsed(previous, limit - current - cost, window, i)
  end
  return start + window + counter_elapsed(current, limit - cost, window, i)
end

local function counter_inspect(now, start, at, current, previous, limit, window, i, asked)
  local left = counter_left(start, at, current, previous, limit, window, i)
  local reset, retry = 0, 0
  if left < limit then
    if current ~= 0 then
      reset = start + window + counter_elapsed(current, 0, window, i) - now
    else
      reset = start + counter_elapsed(previous, 0, window, i) - now
    end
  end
  if asked > left then
    retry = counter_admits_at(start, current, previous, asked, limit, window, i) - now
  end
  return left, reset, retry,
         counter_admits_at(start, current + left, previous, 1, limit, window, i) - now
end
