-- The twin of fixed_window.hpp. State: end of the window that is charged, and its count.
-- Value: 2, the end in 7 bytes of us, the count in 4.

local function fixed_read(value, now, window)
  local ends = now - now % window + window
  if not value then return ends, 0 end
  if #value ~= 12 then return nil end
  local kind, charged, count = struct.unpack('>BI7I4', value)
  if kind ~= 2 or charged % window ~= 0 then return nil end
  if charged >= ends then return charged, count end
  return ends, 0
end

local function fixed_write(key, now, ends, count)
  return store(key, struct.pack('>BI7I4', 2, ends, count), ends, now)
end

local function fixed_inspect(now, ends, count, limit, asked)
  local left = limit - count
  if left < 0 then left = 0 end
  local wait = ends - now
  return left, count == 0 and 0 or wait, asked > left and wait or 0, wait
end
