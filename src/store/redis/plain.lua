-- Decides plain checks: each of one charge, all by one algorithm, `decide`, without penalties; all
-- keys differ. ARGV[1] is no list but its numbers: for successive charges that are alike how many there
-- are, and what the algorithm wants to know of one. The answer is a list as that of check.lua.
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
