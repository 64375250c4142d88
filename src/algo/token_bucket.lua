-- The twin of token_bucket.hpp. Numbers of ticks would leave the 53 bits that a double holds, so
-- each is a pair (us, ticks of 1/5040 us), and only their signs are asked for as one number.
-- p[i + 4..]: T, C and c x T, as pairs. State: the TAT. Value: us in 7 bytes, ticks in 2.

local function bucket(i, n, cost)
  local us, ticks, value = now, 0, held[n]
  if value then
    if #value ~= 9 then return nil end
    local tat_us, tat_ticks = struct.unpack('>I7I2', value)
    if tat_ticks >= 5040 then return nil end
    if tat_us >= now then us, ticks = tat_us, tat_ticks end
  end
  -- The room from the TAT to now + C, which the TAT does not exceed.
  local room_us, room_ticks = now + p[i + 6] - us, p[i + 7] - ticks
  if room_us * 5040 + room_ticks < 0 then
    us, ticks, room_us, room_ticks = now + p[i + 6], p[i + 7], 0, 0
  end

  local refused, stored = 0
  if cost > 0 then
    local cost_us, cost_ticks = p[i + 8], p[i + 9]
    local left_us, left_ticks = room_us - cost_us, room_ticks - cost_ticks
    if left_us * 5040 + left_ticks >= 0 then
      us, ticks, room_us, room_ticks = us + cost_us, ticks + cost_ticks, left_us, left_ticks
      if ticks >= 5040 then us, ticks = us + 1, ticks - 5040 end
      stored = struct.pack('>I7I2', us, ticks)
    else
      refused = 1 - left_us + math.ceil(-left_ticks / 5040)
    end
  end

  -- The units that the room holds; the quotient of doubles may be one too few, never one too many.
  -- And what the room lacks of one unit more.
  local unit_us, unit_ticks = p[i + 4], p[i + 5]
  local units = (room_us * 5040 + room_ticks) / (unit_us * 5040 + unit_ticks) - 0.000001
  units = units - units % 1
  local lack_us, lack_ticks = (units + 1) * unit_us - room_us, (units + 1) * unit_ticks - room_ticks
  if lack_us * 5040 + lack_ticks <= 0 then
    units, lack_us, lack_ticks = units + 1, lack_us + unit_us, lack_ticks + unit_ticks
  end
  local reset = us - now
  if ticks > 0 then reset = reset + 1 end
  return units, reset, refused, lack_us + math.ceil(lack_ticks / 5040), stored, us + 1
end
