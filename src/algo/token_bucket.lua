-- The twin of token_bucket.hpp. Numbers of ticks would leave the 53 bits that a double holds, so
-- each is a pair (us, ticks of 1/5040 us). p[i..]: T, C and c x T, as pairs.
-- State: the TAT. Value: 1, us in 7 bytes, ticks in 2.

local function bucket_read(value, now)
  if not value then return now, 0 end
  if #value ~= 10 then return nil end
  local kind, us, ticks = struct.unpack('>BI7I2', value)
  if kind ~= 1 or ticks >= 5040 then return nil end
  if us < now then return now, 0 end
  return us, ticks
end

-- The TAT between now and now + C, and the room up to there.
local function bucket_room(now, us, ticks, i)
  local room_us, room_ticks = now + p[i + 2] - us, p[i + 3] - ticks
  if room_ticks < 0 then room_us, room_ticks = room_us - 1, room_ticks + 5040 end
  if room_us < 0 then return now + p[i + 2], p[i + 3], 0, 0 end
  return us, ticks, room_us, room_ticks
end

local function bucket_admits(now, us, ticks, i)
  local cut_us, cut_ticks, room_us, room_ticks = bucket_room(now, us, ticks, i)
  local cost_us, cost_ticks = p[i + 4], p[i + 5]
  if cost_us > room_us or (cost_us == room_us and cost_ticks > room_ticks) then return false end
  cut_us, cut_ticks = cut_us + cost_us, cut_ticks + cost_ticks
  if cut_ticks >= 5040 then cut_us, cut_ticks = cut_us + 1, cut_ticks - 5040 end
  return true, cut_us, cut_ticks
end

local function bucket_write(key, now, us, ticks)
  return store(key, struct.pack('>BI7I2', 1, us, ticks), us + 1, now)
end

-- remaining, reset, retry and more_after, in us; asked: the cost that was not admitted, else 0.
local function bucket_inspect(now, us, ticks, i, asked)
  local room_us, room_ticks
  us, ticks, room_us, room_ticks = bucket_room(now, us, ticks, i)
  local unit_us, unit_ticks = p[i], p[i + 1]
  -- The quotient of doubles is at most one off.
  local units = math.floor((room_us * 5040 + room_ticks) / (unit_us * 5040 + unit_ticks))
  local used_ticks = units * unit_ticks
  local carried = math.floor(used_ticks / 5040)
  local rest_us = room_us - units * unit_us - carried
  local rest_ticks = room_ticks - (used_ticks - carried * 5040)
  if rest_ticks < 0 then rest_us, rest_ticks = rest_us - 1, rest_ticks + 5040 end
  if rest_us < 0 then
    units, rest_us, rest_ticks = units - 1, rest_us + unit_us, rest_ticks + unit_ticks
    if rest_ticks >= 5040 then rest_us, rest_ticks = rest_us + 1, rest_ticks - 5040 end
  elseif rest_us > unit_us or (rest_us == unit_us and rest_ticks >= unit_ticks) then
    units, rest_us, rest_ticks = units + 1, rest_us - unit_us, rest_ticks - unit_ticks
    if rest_ticks < 0 then rest_us, rest_ticks = rest_us - 1, rest_ticks + 5040 end
  end
  local retry = 0
  if asked > 0 then
    local cost_us, cost_ticks = p[i + 4], p[i + 5]
    retry = cost_us - room_us
    if cost_ticks > room_ticks then retry = retry + 1 end
  end
  local more = unit_us - rest_us
  if unit_ticks > rest_ticks then more = more + 1 end
  local reset = us - now
  if ticks > 0 then reset = reset + 1 end
  return units, reset, retry, more
end
