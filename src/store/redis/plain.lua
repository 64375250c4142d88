-- Decides plain checks: each of one charge, all by one algorithm, without penalties, and all keys
-- differ. `decide` is the algorithm; `strings`: its values are strings to be read at once.
--
-- ARGV[1] are numbers one after the other. For as many successive charges as are alike: how many
-- there are; cost, limit, window, and six numbers (see begin.lua). The answer is a list as
-- check.lua's, and begins with 0.
held = strings and redis.call('MGET', unpack(KEYS)) or {}
local out, o = {0, nil, nil, nil}, 1
local i, n = 1, 0
while p[i] do
  local cost = p[i + 1]
  for _ = 1, p[i] do
    n = n + 1
    local left, reset, refused, more, value, till, offset = decide(i, n, cost)
    if not left or value and not store(n, value, till, offset) then
      o = o + 1
      out[o] = KEYS[n]
    elseif refused == 0 then
      out[o + 1], out[o + 2], out[o + 3] = 2 * left, reset, more
      o = o + 3
    else
      out[o + 1], out[o + 2], out[o + 3], out[o + 4] = 2 * left + 1, reset, more, refused
      o = o + 4
    end
  end
  i = i + 10
end
return cmsgpack.pack(out)
