-- The twin of token_bucket.hpp. Numbers of ticks would leave the 53 bits that a double holds, so
-- each is a pair (us, ticks of 1/5040 us). p[i + 4..]: T, C and c x T, as pairs.
-- State: the TAT. Value: 1, us in 7 bytes, ticks in 2.

local function bucket(i, n, cost)
  local us, ticks, value = now, 0, held[n]
  if value then
    if #value ~= 10 then return nil end
    local kind, tat_us, tat_ticks = struct.unpack('>BI7I2', value)
    if kind ~= 1 or tat_ticks >= 5040 then return nil end
    if tat_us >= now then us, ticks = tat_us, tat_ticks end
  end
  -- The TAT is between now and now + C. The room: from there to now + C.
  local room_us, room_ticks = now + p[i + 6] - us, p[i + 7] - ticks
  if room_ticks < 0 then room_us, room_ticks = room_us - 1, room_ticks + 5040 end
  if room_us < 0 then us, ticks, room_us, room_ticks = now + p[i + 6], p[i + 7], 0, 0 end

  local refused, stored = 0
  if cost > 0 then
    local cost_us, cost_ticks = p[i + 8], p[i + 9]
    if cost_us < room_us or cost_us == room_us and cost_ticks <= room_ticks then
      us, ticks = us + cost_us, ticks + cost_ticks
      if ticks >= 5040 then us, ticks = us + 1, ticks - 5040 end
      room_us, room_ticks = room_us - cost_us, room_ticks - cost_ticks
      if room_ticks < 0 then room_us, room_ticks = room_us - 1, room_ticks + 5040 end
      stored = struct.pack('>BI7I2', 1, us, ticks)
    else
      refused = 1 + cost_us - room_us
      if cost_ticks > room_ticks then refused = refused + 1 end
    end
  end

  -- The units that the room holds, and the rest. The quotient of doubles is at most one off.
  local unit_us, unit_ticks = p[i + 4], p[i + 5]
  local units = (room_us * 5040 + room_ticks) / (unit_us * 5040 + unit_ticks)
  units = units - units % 1
  local used_ticks = units * unit_ticks
  local over = used_ticks % 5040
  local rest_us, rest_ticks = room_us - units * unit_us - (used_ticks - over) / 5040, room_ticks - over
  if rest_ticks < 0 then rest_us, rest_ticks = rest_us - 1, rest_ticks + 5040 end
  if rest_us < 0 then
    units, rest_us, rest_ticks = units - 1, rest_us + unit_us, rest_ticks + unit_ticks
    if rest_ticks >= 5040 then rest_us, rest_ticks = rest_us + 1, rest_ticks - 5040 end
  elseif rest_us > unit_us or rest_us == unit_us and rest_ticks >= unit_ticks then
    units, rest_us, rest_ticks = units + 1, rest_us - unit_us, rest_ticks - unit_ticks
    if rest_ticks < 0 then rest_us, rest_ticks = rest_us - 1, rest_ticks + 5040 end
  end
  local more, reset = unit_us - rest_us, us - now
  if unit_ticks > rest_ticks then more = more + 1 end
  if ticks > 0 then reset = reset + 1 end
  return units, reset, refused, more, stored, us + 1
end
