-- Decides checks, one after the other: requests with their charges, of which those of enforced
-- rules are one group, all or nothing, and those of shadow rules another.
--
-- ARGV[1] is a list, which becomes p. First 1 if the values of all keys may be read at once, as
-- they differ and none is a log; else 0. Then what checks ask, once for as many successive ones as
-- are alike:
--   the number of these checks; of one of them: how many charges, how many of them enforced, how
--   many keys, and how many multipliers (0: no penalties);
--   if there are multipliers: the us in which violations are counted, the threshold, the
--   multipliers;
--   for each charge: 1 fixed, 2 counter, 3 bucket or 4 log; cost, limit, window, and six numbers
--   (see begin.lua); which of the check's keys marks violations of its rule (0: none does).
-- The keys of a check: with penalties those of the cooldown and of the count of violations, then
-- one for each charge, then the marks.
--
-- The answer is a packed list. It begins with 1: then each check begins with how it went. (With 0
-- that is left out, as no cooldown has anything to do with any.) For each check
--   how it went: 0, or twice the us that a cooldown lasts which it began, or that and 1 more where
--   one refused it;
--   for each charge: twice what remains, and 1 more if a fourth number follows; the us until the
--   whole allowance is back; the us until one more is left; fourth, 0 if it was admitted, else 1
--   and the us until it would be. Without a fourth it was admitted.
-- Of a check that was not decided there is but a text, the name of the key with a stranger's value.
p = p[1]
held = p[1] == 1 and redis.call('MGET', unpack(KEYS)) or {}
local out, o = {1}, 1

local LOG, STRIDE = 4, 11
local algorithms = {fixed, counter, bucket, log}

local function read(n)
  if held[n] == nil then held[n] = redis.call('MGET', KEYS[n])[1] end
  return held[n]
end

-- What is written once all charges of a group are admitted.
local values, tills, offsets = {}, {}, {}

-- One group: charges first to last of a check, of which charge 1 stands at p[at] and has the key of
-- number key + 1. Nil: a key is a stranger's, whose number is told. Else whether it was admitted.
local function decide(first, last, at, key, looks_only)
  local admitted, answers = true, o
  for c = first, last do
    local i, n, left, refused = at + (c - 1) * STRIDE, key + c
    if p[i] ~= LOG then read(n) end
    left, out[o + 2], refused, out[o + 3], values[c], tills[c], offsets[c] =
      algorithms[p[i]](i, n, looks_only and 0 or p[i + 1])
    if not left then return nil, n end
    out[o + 1], out[o + 4] = 2 * left + 1, refused
    admitted = admitted and refused == 0
    o = o + 4
  end
  for c = first, last do
    if values[c] then
      local i, n = at + (c - 1) * STRIDE, key + c
      if not admitted then
        local answer = answers + 4 * (c - first)
        local left
        left, out[answer + 2], out[answer + 4], out[answer + 3] = algorithms[p[i]](i, n, 0)
        out[answer + 1] = 2 * left + 1
      elseif not store(n, values[c], tills[c], offsets[c]) then
        return nil, n
      end
    end
  end
  return admitted
end

-- A time, as penalties keep them. Nil: a stranger's.
local function time_at(n)
  local value = read(n)
  if not value then return 0, 0 end
  if #value ~= 12 then return nil end
  local kind, us, count = struct.unpack('>BI7I4', value)
  if kind ~= 4 then return nil end
  return us, count
end

local function set_time(n, us, count)
  return store(n, struct.pack('>BI7I4', 4, us, count), us)
end

-- A rejection by one window: the us that a cooldown lasts which it has started, or 0.
local function violation(window, mark, at, cooldown_key, count_key)
  local marked = time_at(mark)
  if not marked or marked > now then return 0 end
  local ends, count = time_at(count_key)
  if not ends then return 0 end
  if not set_time(mark, now + window, 0) then return 0 end
  local steps, detection, threshold = p[at], p[at + 1], p[at + 2]
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

-- Of several windows that said no: the least left, then the later reset, then the first. `answer`:
-- where the answers to charges begin.
local function tightest(charges, answer)
  local which, left, reset
  for c = 1, charges do
    if out[answer + 3] > 0 and (not which or out[answer] < left or
                                out[answer] == left and out[answer + 1] > reset) then
      which, left, reset = c, out[answer], out[answer + 1]
    end
    answer = answer + 4
  end
  return which
end

-- One check, which stands at p[at], its charges at p[i]: how it went. Or nil and the number of a
-- key that is a stranger's.
local function check(at, i, key)
  local charges, enforced, penalties = p[at + 1], p[at + 2], p[at + 4] > 0
  local cooldown_key, count_key = key + 1, key + 2
  local went, locked_out = 0, false
  if penalties then
    local till = time_at(cooldown_key)
    if not till then return nil, cooldown_key end
    if not time_at(count_key) then return nil, count_key end
    if till > now then went, locked_out = 2 * (till - now) + 1, true end
  end
  local counts = penalties and key + 2 or key
  local answer = o + 1
  local admitted, stranger = decide(1, enforced, i, counts, locked_out)
  if stranger then return nil, stranger end
  if penalties and not admitted then
    local c = i + (tightest(enforced, answer) - 1) * STRIDE
    went = 2 * violation(p[c + 3], key + p[c + 10], at + 4, cooldown_key, count_key)
  end
  if charges > enforced then
    admitted, stranger = decide(enforced + 1, charges, i, counts, locked_out)
    if stranger then return nil, stranger end
  end
  return went
end

local at, key = 2, 0
while p[at] do
  local steps = p[at + 4]
  local i = at + 5
  if steps > 0 then i = i + 2 + steps end
  for _ = 1, p[at] do
    local head = o + 1
    out[head], o = 0, head
    local went, stranger = check(at, i, key)
    if stranger then went, o = KEYS[stranger], head end
    out[head] = went
    key = key + p[at + 3]
  end
  at = i + p[at + 1] * STRIDE
end
for n = #out, o + 1, -1 do out[n] = nil end
return cmsgpack.pack(out)
