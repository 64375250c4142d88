-- The usual token bucket in Redis: tokens and a time in a hash, floating point, one key a call.
-- ARGV: rate a second, capacity, now in seconds, cost.
local rate, capacity = tonumber(ARGV[1]), tonumber(ARGV[2])
local now, cost = tonumber(ARGV[3]), tonumber(ARGV[4])
local state = redis.call('HMGET', KEYS[1], 'tokens', 'timestamp')
local tokens = tonumber(state[1]) or capacity
local timestamp = tonumber(state[2]) or now
tokens = math.min(capacity, tokens + math.max(0, now - timestamp) * rate)
local allowed = tokens >= cost
if allowed then tokens = tokens - cost end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'timestamp', tostring(now))
redis.call('EXPIRE', KEYS[1], math.ceil(2 * capacity / rate))
return {allowed and 1 or 0, tostring(tokens)}
