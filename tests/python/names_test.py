"""The names of the task list (contract 10), each a view on the engine."""

import asyncio
import json
import logging

import prometheus_client
import pytest
import servers
from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from tidegate import (
    EndpointMatcher,
    Limiter,
    MemoryBackend,
    MultipleWindowsExceeded,
    MultiWindowChecker,
    ProgressivePenalty,
    RateLimitBackend,
    RateLimiter,
    RateLimitMiddleware,
    RedisBackend,
    SlidingWindowLimiter,
    TokenBucketLimiter,
    add_rate_limit_headers,
    calculate_retry_after,
    extract_user_from_jwt,
    get_applicable_limit,
    get_client_ip,
    integrate_metrics,
    load_config,
    log_rate_limit_event,
    register_metrics,
)
from tidegate.settings import RateLimitSettings

TOML = """
[rate_limiting]
default_limit = 50
windows = [ { limit = 500, window = "1h" } ]
[[rate_limiting.tiers]]
name = "premium"
limit = 5000
window = "60s"
[[rate_limiting.endpoints]]
name = "search"
pattern = "/search/*"
methods = ["GET"]
limit = 20
window = "1m"
[rate_limiting.endpoints.tiers]
premium = { limit = 200, window = "60s" }
[[rate_limiting.exemptions]]
type = "ip"
value = "10.0.0.0/8"
[rate_limiting.client_identification]
trusted_proxy_depth = 2
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "limits.toml"
    path.write_text(TOML)
    return load_config(path)


def test_configurations_show_what_they_say(config):
    assert [window.limit for window in config.default_limit.windows] == [50, 500]
    assert [(tier.name, tier.limit.windows[0].limit) for tier in config.tiers] == [("premium", 5000)]
    search = config.endpoints[0]
    assert (search.name, search.pattern, search.methods) == ("search", "/search/*", ["GET"])
    assert search.tiers["premium"].windows[0].limit == 200
    assert [(it.type, it.value) for it in config.exemptions] == [("ip", "10.0.0.0/8")]
    assert config.client_identification.trusted_proxy_depth == 2
    assert (config.redis.topology, config.redis.pool_size, config.redis.socket_timeout) == (
        "single", 10, 5)
    assert config.progressive_penalties.penalty_multipliers == [1, 2, 4, 8]
    assert not config.progressive_penalties.enabled


def test_matches_endpoints(config):
    matcher = EndpointMatcher(config)
    assert matcher.match("GET", "/search/%78") == "search"
    assert matcher.match("POST", "/search/x") == "default"
    assert get_applicable_limit(config, "GET", "/search/x").windows[0].limit == 20
    assert get_applicable_limit(config, "GET", "/search/x", "premium").windows[0].limit == 200
    assert get_applicable_limit(config, "GET", "/", "premium").windows[0].limit == 5000
    assert [window.limit for window in get_applicable_limit(config, "GET", "/").windows] == [50, 500]


def test_finds_the_client_behind_trusted_proxies():
    scope = {"client": ("10.0.0.1", 5), "headers": [(b"x-forwarded-for", b"6.6.6.6, 203.0.113.7"),
                                                    (b"x-forwarded-for", b"10.0.0.2")]}
    assert get_client_ip(scope) == "10.0.0.1"
    assert get_client_ip(scope, trusted_proxy_depth=2) == "203.0.113.7"
    assert get_client_ip(scope, trusted_proxies=["10.0.0.0/8"]) == "203.0.113.7"
    assert get_client_ip({"headers": []}) == "local"
    with pytest.raises(ValueError, match="allowed: addresses and CIDRs"):
        get_client_ip(scope, trusted_proxies=["nonsense"])


def test_reads_tokens():
    # {"user_id":"42","tier":"premium"}, HS256 with the secret below
    import base64
    import hashlib
    import hmac
    secret = "a secret of at least thirty-two bytes"

    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    signed = part(b'{"alg":"HS256"}') + b"." + part(b'{"user_id":"42","tier":"premium"}')
    token = signed + b"." + part(hmac.digest(secret.encode(), signed, hashlib.sha256))
    client = extract_user_from_jwt(token.decode(), secret)
    assert (client.client_id, client.client_type, client.tier) == ("user:42", "user", "premium")
    with pytest.raises(ValueError, match="bad_signature"):
        extract_user_from_jwt(token.decode(), "another secret of thirty-two bytes or so")
    with pytest.raises(ValueError, match="malformed"):
        extract_user_from_jwt("x", secret)


@pytest.mark.parametrize("kind", [RateLimiter, TokenBucketLimiter, SlidingWindowLimiter])
def test_limiters_count_by_client(kind):
    async def use():
        limiter = kind("3/minute")
        assert await limiter.get_remaining("a") == 3
        assert [bool(await limiter.check_limit("a")) for _ in range(4)] == [True] * 3 + [False]
        denied = await limiter.check_limit("a")
        assert 1 <= calculate_retry_after(denied) <= 120
        assert 0 < await limiter.get_reset_time("a") <= 120
        assert await limiter.get_remaining("b") == 3
        assert limiter.reset("a") == 1
        assert await limiter.get_remaining("a") == 3
    asyncio.run(use())


def test_a_bucket_has_its_burst():
    async def use():
        bucket = TokenBucketLimiter("1/minute", burst=3)
        assert [bool(await bucket.check_limit("a")) for _ in range(4)] == [True] * 3 + [False]
    asyncio.run(use())


def test_several_windows_are_all_or_nothing():
    async def use():
        checker = MultiWindowChecker("2/second", "3/hour", algorithm="token_bucket")
        assert await checker.check_limit("a", 2)
        refused = await checker.check_limit("a", 2)
        assert refused.error == "multiple_windows_exceeded"
        assert refused.retry_after == 1
        assert [window.remaining for window in refused.windows][1] == 1
    asyncio.run(use())


def test_the_exception_of_several_windows_names_them():
    from tidegate.errors import exceeded
    limiter = Limiter(default_limit=1, windows=[{"limit": 1, "window": "1h"}],
                      memory={"segment": "", "capacity": 1000})
    limiter.decide({"path": "/"})
    exception = exceeded(limiter.decide({"path": "/"}))
    assert isinstance(exception, MultipleWindowsExceeded)
    assert [window["window_seconds"] for window in exception.windows] == [60, 3600]
    assert exception.status_code == 429 and "Rate limit of 1 requests" in str(exception)
    assert exception.limit == 1 and exception.retry_after >= 1


def test_penalties_lock_out_who_goes_on(rate_limit_clock):
    limiter = Limiter(default_limit=1, progressive_penalties={"enabled": True,
                                                              "violation_threshold": 2})
    penalty = ProgressivePenalty(limiter)

    async def use():
        scope = {"path": "/"}
        for _ in range(2):  # one violation a window
            await limiter.hit(scope, client="a")
            await limiter.hit(scope, client="a")
            rate_limit_clock.advance(61)
        for _ in range(3):
            await limiter.hit(scope, client="a")
        assert 0 < await penalty.cooldown("a") <= 120
        assert await penalty.cooldown("b") == 0
        penalty.reset("a")
        assert await penalty.cooldown("a") == 0
    asyncio.run(use())


@pytest.mark.parametrize("store", ["memory", "redis"])
def test_backends_count(store):
    redis = servers.Server() if store == "redis" else None

    async def use():
        backend = RedisBackend(redis.url, "1h") if redis else MemoryBackend("1h")
        assert isinstance(backend, RateLimitBackend)
        assert await backend.get_count("a") == 0
        assert [await backend.increment("a"), await backend.increment("a", 5)] == [1, 6]
        assert await backend.get_count("a") == 6 and await backend.get_count("b") == 0
        backend.reset("a")
        assert await backend.get_count("a") == 0
        if redis:
            other = RedisBackend(redis.url, "1h")
            await backend.increment("c")
            assert await other.increment("c") == 2
            other.limiter.close()
        backend.limiter.close()

    try:
        asyncio.run(use())
    finally:
        if redis:
            redis.close()


def test_writes_headers_and_metrics_and_logs(client_of, private, caplog):
    limiter = Limiter(default_limit=1, **private)
    decision = limiter.decide({"path": "/"})
    headers = MutableHeaders()
    add_rate_limit_headers(headers, decision)
    assert (headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == ("1", "0")
    assert calculate_retry_after(decision) is None

    app = FastAPI()
    integrate_metrics(app)
    app.add_middleware(RateLimitMiddleware, limiter=limiter)
    assert 'rate_limit_requests_total{' in client_of(app).get("/metrics").text

    with caplog.at_level(logging.DEBUG, logger="tidegate"):
        log_rate_limit_event(decision, "id-1")
    line = json.loads(caplog.records[-1].getMessage())
    assert (line["event"], line["request_id"]) == ("rate_limit_checked", "id-1")


def test_metrics_join_a_registry(private):
    limiter = Limiter(**private)
    limiter.decide({"path": "/"})
    registry = prometheus_client.CollectorRegistry()
    register_metrics(limiter, registry)
    assert registry.get_sample_value("rate_limit_requests_total", {
        "endpoint": "default", "tier": "anonymous", "status": "allowed"}) == 1


def test_settings_say_what_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = RateLimitSettings(default_limit=20, namespace="shop")
    config = settings.load()
    assert (config.namespace, config.default_limit.windows[0].limit) == ("shop", 20)
    monkeypatch.setenv("RATE_LIMIT_DEFAULT_WINDOW", "30s")
    monkeypatch.setenv("REDIS_URL", "redis://localhost:6379/0")
    config = RateLimitSettings().load()
    assert (config.backend, config.default_limit.windows[0].window) == ("redis", 30)
    path = tmp_path / "limits.toml"
    path.write_text("[rate_limiting]\ndefault_limit = 7\n")
    assert RateLimitSettings(config=path).load().default_limit.windows[0].limit == 7
    with pytest.raises(ValueError, match="algorithm"):
        RateLimitSettings(algorithm="leaky").load()
