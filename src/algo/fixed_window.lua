-- The twin of fixed_window.hpp. State: end of the window that is charged, and its count.
-- Value: the end in 7 bytes of us, the count in 4.

local function fixed(i, n, cost)
  local value, window = held[n], p[i + 3]
  local ends, count = now - now % window + window, 0
  if value then
    if #value ~= 11 then return nil end
    local charged, counted = struct.unpack('>I7I4', value)
    if charged % window ~= 0 then return nil end
    if charged >= ends then ends, count = charged, counted end
  end
  local left = p[i + 2] - count
  if left < 0 then left = 0 end
  local wait = ends - now
  if cost > left then return left, count == 0 and 0 or wait, 1 + wait, wait end
  if cost == 0 then return left, count == 0 and 0 or wait, 0, wait end
  value = struct.pack('>I7I4', ends, count + cost)
  -- A key with a count of this window lives as long as it should.
  if count > 0 then return left - cost, wait, 0, wait, value, nil, '0' end
  return left - cost, wait, 0, wait, value, ends
end
