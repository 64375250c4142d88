-- Decides requests, one after the other. Everything is packed into ARGV[1], a flat list of numbers
-- (see checks.cpp, which writes it); ARGV[2] is a time in us, or empty: then Redis's own.
--
-- Answers a flat list: for each request how it went (0 decided, 1 locked out, 2 not decided), the us
-- that a cooldown lasts, and for each charge whether it was admitted, remaining, reset, retry and
-- more_after. A request that is not decided has its error instead of the us, and no charges.

local function wrong(key)
  return 'WRONGTYPE ' .. key .. ' holds what is no state of this limit'
end

local FIXED, COUNTER, BUCKET, LOG = 0, 1, 2, 3
local STRIDE = 11

-- Of one request, by charge: what was read, and what would be written.
local s1, s2, s3, s4, ok, n1, n2 = {}, {}, {}, {}, {}, {}, {}

-- Reads the state of a charge and decides. False: it is a stranger's.
local function look(c, key, i)
  local algorithm, limit, window, cost = p[i], p[i + 1], p[i + 2], p[i + 3]
  if algorithm == LOG then
    local size, gone, at, newest = log_read(key, now, window)
    if not size then return false end
    s1[c], s2[c], s3[c], s4[c] = size, gone, at, newest
    ok[c] = cost <= log_left(size, gone, limit)
    return true
  end
  local value = held[key]
  if algorithm == COUNTER then
    local start, at, current, previous = counter_read(value, now, window)
    if not start then return false end
    s1[c], s2[c], s3[c], s4[c] = start, at, current, previous
    ok[c] = cost <= counter_left(start, at, current, previous, limit, window, i + 4)
  elseif algorithm == BUCKET then
    local us, ticks = bucket_read(value, now)
    if not us then return false end
    s1[c], s2[c] = us, ticks
    ok[c], n1[c], n2[c] = bucket_admits(now, us, ticks, i + 4)
  else
    local ends, count = fixed_read(value, now, window)
    if not ends then return false end
    s1[c], s2[c] = ends, count
    ok[c] = cost == 0 or count + cost <= limit
  end
  if cost == 0 then ok[c] = true end
  return true
end

-- Takes what was decided, and answers. False: there is a stranger's value.
local function take(c, key, i)
  local algorithm, limit, window, cost = p[i], p[i + 1], p[i + 2], p[i + 3]
  out[o + 1] = 1
  if algorithm == COUNTER then
    s3[c] = s3[c] + cost
    if not counter_write(key, now, s1[c], s3[c], s4[c], window) then return false end
    out[o + 2], out[o + 3], out[o + 4], out[o + 5] =
      counter_inspect(now, s1[c], s2[c], s3[c], s4[c], limit, window, i + 4, 0)
  elseif algorithm == BUCKET then
    if not bucket_write(key, now, n1[c], n2[c]) then return false end
    out[o + 2], out[o + 3], out[o + 4], out[o + 5] = bucket_inspect(now, n1[c], n2[c], i + 4, 0)
  elseif algorithm == FIXED then
    s2[c] = s2[c] + cost
    if not fixed_write(key, now, s1[c], s2[c]) then return false end
    out[o + 2], out[o + 3], out[o + 4], out[o + 5] = fixed_inspect(now, s1[c], s2[c], limit, 0)
  else
    out[o + 2], out[o + 3], out[o + 4], out[o + 5] =
      log_inspect_taken(key, now, s1[c], s2[c], s3[c], limit, window, cost)
    log_write(key, now, s3[c], s2[c], cost, window)
  end
  o = o + 5
  return true
end

-- Answers how a charge stands that takes nothing.
local function tell(c, key, i, asked)
  local algorithm, limit, window = p[i], p[i + 1], p[i + 2]
  out[o + 1] = ok[c] and 1 or 0
  if ok[c] then asked = 0 end
  if algorithm == COUNTER then
    out[o + 2], out[o + 3], out[o + 4], out[o + 5] =
      counter_inspect(now, s1[c], s2[c], s3[c], s4[c], limit, window, i + 4, asked)
  elseif algorithm == BUCKET then
    out[o + 2], out[o + 3], out[o + 4], out[o + 5] = bucket_inspect(now, s1[c], s2[c], i + 4, asked)
  elseif algorithm == FIXED then
    out[o + 2], out[o + 3], out[o + 4], out[o + 5] = fixed_inspect(now, s1[c], s2[c], limit, asked)
  else
    out[o + 2], out[o + 3], out[o + 4], out[o + 5] =
      log_inspect(key, now, s1[c], s2[c], s3[c], s4[c], limit, window, asked)
  end
  o = o + 5
end

-- One group, all or nothing: charges first to last of a request, of which charge 1 stands at p[at]
-- and has the key KEYS[key + 1]. Nil: the key of a stranger. Else whether it was admitted.
local function decide(first, last, at, key, looks_only)
  local admitted, takes = true, false
  for c = first, last do
    local i = at + (c - 1) * STRIDE
    if looks_only then p[i + 3] = 0 end
    if p[i + 3] > 0 then takes = true end
    if not look(c, KEYS[key + c], i) then
      out[o + 1] = wrong(KEYS[key + c])
      return nil
    end
    admitted = admitted and ok[c]
  end
  for c = first, last do
    local i = at + (c - 1) * STRIDE
    if admitted and takes and p[i + 3] > 0 then
      if not take(c, KEYS[key + c], i) then
        out[o + 1] = wrong(KEYS[key + c])
        return nil
      end
    else
      tell(c, KEYS[key + c], i, p[i + 3])
    end
  end
  return admitted
end

-- A time, as penalties keep them. Nil: a stranger's.
local function time_at(key)
  local value = held[key]
  if not value then return 0, 0 end
  if #value ~= 12 then return nil end
  local kind, us, count = struct.unpack('>BI7I4', value)
  if kind ~= 4 then return nil end
  return us, count
end

local function set_time(key, us, count)
  return store(key, struct.pack('>BI7I4', 4, us, count), us, now)
end

-- A rejection by one window: the us that a cooldown lasts which it has started, or 0.
local function violation(window, mark, at, cooldown_key, count_key)
  local marked = time_at(mark)
  if not marked or marked > now then return 0 end
  local ends, count = time_at(count_key)
  if not ends then return 0 end
  if not set_time(mark, now + window, 0) then return 0 end
  local detection, threshold, steps = p[at], p[at + 1], p[at + 2]
  if ends <= now then
    ends, count = now + detection, 1
  elseif ends > now + detection then
    return 0
  elseif count < threshold + steps - 1 then
    count = count + 1
  end
  set_time(count_key, ends, count)
  if count < threshold then return 0 end
  local step = math.min(count - threshold, steps - 1)
  local cooldown = math.min(p[at + 3 + step] * window, 31622400000000)
  local till = math.max(time_at(cooldown_key) or 0, now + cooldown)
  set_time(cooldown_key, till, 0)
  return till - now
end

-- The requests.
local at, key = 2, 0
for _ = 1, p[1] do
  local enforced, charges, penalties = p[at], p[at + 1], p[at + 2]
  at = at + 3
  local settings = at
  if penalties > 0 then at = at + 3 + p[at + 2] end
  local head = o + 1
  out[head], out[head + 1] = 0, 0
  o = head + 1
  local refused = false
  local failed = false
  if penalties > 0 then
    local till = time_at(KEYS[key + 1])
    if not till or not time_at(KEYS[key + 2]) then
      failed = wrong(KEYS[key + (till and 2 or 1)])
    elseif till > now then
      refused = true
      out[head], out[head + 1] = 1, till - now
    end
    key = key + 2
  end
  if not failed then
    local admitted = decide(1, enforced, at, key, refused)
    if admitted == nil then failed = out[o + 1] end
    if admitted == false and penalties > 0 and not refused then
      -- Of several windows that said no: the least left, then the later reset, then the first.
      local which, left, reset
      for c = 1, enforced do
        local answer = head + 2 + (c - 1) * 5
        if out[answer] == 0 and (not which or out[answer + 1] < left or
                                 (out[answer + 1] == left and out[answer + 2] > reset)) then
          which, left, reset = c, out[answer + 1], out[answer + 2]
        end
      end
      local i = at + (which - 1) * STRIDE
      out[head + 1] = violation(p[i + 2], KEYS[key + p[i + 10]], settings, KEYS[key - 1], KEYS[key])
    end
  end
  if not failed and charges > enforced then
    if decide(enforced + 1, charges, at, key, refused) == nil then failed = out[o + 1] end
  end
  if failed then
    out[head], out[head + 1] = 2, failed
    o = head + 1
  end
  at = at + charges * STRIDE
  key = key + p[at]
  at = at + 1
end
for n = #out, o + 1, -1 do out[n] = nil end
return out
