"""The limiter itself: decisions, junk, operating, forks, memory."""

import gc
import json
import os
import random
import resource
import sys

import pytest
from tidegate import ConfigError, Limiter, RateLimitConfig, load_config, normalize_ip


def scope(**members):
    return {"type": "http", "method": "GET", "path": "/x", "raw_path": b"/x", "headers": [],
            "client": ("203.0.113.7", 1234), **members}


def test_decides(private):
    limiter = Limiter(default_limit=2, **private)
    first = limiter.decide(scope())
    assert first and first.admitted and first.status == 200 and first.outcome == "allowed"
    assert (first.limit, first.remaining, first.retry_after) == (2, 1, None)
    assert first.client.client_id == "ip:203.0.113.7" and first.client.client_type == "ip"
    assert limiter.decide(scope(), cost=2).error == "rate_limit_exceeded"
    assert limiter.decide(scope(), cost=3).error == "cost_exceeds_limit"
    assert limiter.decide(scope(), cost=3).retry_after is None
    looked = limiter.decide(scope(), cost=0)
    assert looked and looked.remaining == 1
    assert repr(looked) == "<Decision allowed ip:203.0.113.7 default 1/2>"
    assert limiter.decide(scope(), client="user:42").remaining == 1


def test_reads_the_raw_path_so_that_no_spelling_dodges_a_rule(private):
    limiter = Limiter(endpoints=[{"name": "a", "pattern": "/a/b", "limit": 9, "window": "1m"}],
                      **private)
    for raw in (b"/a/b", b"/a/%62", b"//a/./b", b"/a%2Fb"):
        assert limiter.decide(scope(raw_path=raw, path="/a/b")).endpoint == "a", raw
    without = scope(path="/a/b")
    del without["raw_path"]
    assert limiter.decide(without).endpoint == "a"


JUNK = [None, 5, b"\xff\xfe", "\udcff", "", (), [], {}, object(), ("a",), [("a", "b")],
        [(b"x-forwarded-for", 5)], [(b"\xff", b"\xff"), (b"authorization", b"Bearer \xff")],
        [[b"a", b"b", b"c"], 7, (b"", b"")], ("203.0.113.7", None), (b"203.0.113.7", 1), ("x" * 9999, 1)]


def test_decides_whatever_a_scope_holds(private):
    limiter = Limiter(default_limit=1_000_000, algorithm="token_bucket", **private)
    chance = random.Random(7)
    for _ in range(20_000):
        junk = {member: chance.choice(JUNK) for member in
                ("method", "path", "raw_path", "headers", "client", "query_string")}
        junk = {member: value for member, value in junk.items() if chance.random() < 0.8}
        decision = limiter.decide({"type": "http", **junk})
        assert decision.outcome in ("allowed", "exempt") and isinstance(decision.fields, list)
    for not_a_scope in (5, "x", [], object()):
        assert limiter.decide(not_a_scope).admitted


def test_declares_rules(private):
    limiter = Limiter(algorithm="token_bucket", **private)
    limiter.declare("mail", "2/minute", "100/day")
    assert [limiter.decide(scope(), rule="mail").admitted for _ in range(3)] == [True, True, False]
    windows = limiter.peek("ip:203.0.113.7", "mail")
    assert [(window.limit, window.window) for window in windows] == [(2, 60), (100, 86400)]
    assert windows[0].algorithm == "token_bucket", "algorithm is what rules inherit"
    assert limiter.reset("ip:203.0.113.7", "mail") == 2
    assert limiter.decide(scope(), rule="mail")
    assert limiter.reset_rule("mail") and not limiter.reset_rule("nothing")
    with pytest.raises(ConfigError, match="name"):
        limiter.declare("default", "1/minute")


def test_reloads_its_file(tmp_path, private, monkeypatch):
    path = tmp_path / "limits.toml"
    text = '[rate_limiting]\ndefault_limit = {}\n[rate_limiting.memory]\nsegment = ""\ncapacity = 1000\n'
    path.write_text(text.format(5))
    limiter = Limiter(path)
    limiter.declare("mail", "2/minute")
    limiter.decide(scope())
    path.write_text(text.format(7))
    assert limiter.reload() == 2
    assert (limiter.decide(scope()).limit, limiter.decide(scope()).remaining) == (7, 4)
    assert limiter.decide(scope(), rule="mail").limit == 2
    path.write_text(text.format(-7))
    with pytest.raises(ConfigError, match="default_limit"):
        limiter.reload()
    assert limiter.decide(scope()).limit == 7
    assert limiter.status()["reload"]["failed"] == 1


def test_says_how_it_stands(private):
    limiter = Limiter(default_limit=1, **private)
    limiter.decide(scope())
    limiter.decide(scope())
    assert ('rate_limit_requests_total{endpoint="default",tier="anonymous",status="denied"} 1'
            in limiter.metrics())
    health = limiter.health()
    assert (health["status"], health["backend"], health["breaker"]) == ("ok", "memory", "closed")
    assert limiter.status()["backend"] == "memory"


def test_loads_configurations(tmp_path, monkeypatch):
    path = tmp_path / "limits.toml"
    path.write_text('[rate_limiting]\ndefault_limit = 5\nnamespace = "shop"\n')
    monkeypatch.setenv("RATE_LIMIT_DEFAULT_WINDOW", "30s")
    config = load_config(path)
    assert isinstance(config, RateLimitConfig)
    assert (config.namespace, config.backend, config.failure_mode) == ("shop", "memory", "fail_open")
    assert [(window.limit, window.window) for window in config.default_limit.windows] == [(5, 30)]
    monkeypatch.setenv("RATE_LIMIT_CONFIG", str(path))
    assert load_config().namespace == "shop"
    monkeypatch.setenv("RATE_LIMIT_DEFAULT_LIMIT", "many")
    with pytest.raises(ConfigError, match="RATE_LIMIT_DEFAULT_LIMIT: rate_limiting.default_limit"):
        load_config()


def test_writes_keywords_as_they_are_meant(private):
    import datetime
    limiter = Limiter(default_limit=3, default_window=datetime.timedelta(seconds=1.5),
                      namespace=None, windows=({"limit": 9, "window": 60},),
                      tiers=[{"name": 'a "b" \\ ', "limit": "unlimited", "window": "1m"}],
                      **private)
    assert [window.window for window in limiter.peek("ip:local")] [:2] == [1.5, 60]
    assert limiter.decide(scope(), tier='a "b" \\ ').limit is None


def test_processes_share_one_count(tmp_path):
    segment = f"python-{os.getpid()}"
    keys = {"default_limit": 10, "namespace": "test", "memory": {"segment": segment, "capacity": 1000}}
    limiter = Limiter(**keys)
    try:
        assert limiter.decide(scope())
        pids = []
        for _ in range(4):
            pid = os.fork()
            if pid == 0:
                os._exit(sum(limiter.decide(scope()).admitted for _ in range(5)))
            pids.append(pid)
        admitted = sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids)
        assert admitted == 9
        assert not limiter.decide(scope()), "the parent too"
        other = Limiter(**keys)
        assert not other.decide(scope())
    finally:
        os.unlink(f"/dev/shm/{segment}@test" if os.path.exists(f"/dev/shm/{segment}@test")
                  else next(f"/dev/shm/{name}" for name in os.listdir("/dev/shm") if segment in name))


def test_addresses_are_canonical():
    assert normalize_ip("::ffff:203.0.113.7") == "203.0.113.7"
    assert normalize_ip("2001:DB8:1:2:3::4") == "2001:db8:1:2::/64"
    assert normalize_ip("nonsense") is None


def test_a_million_requests_leak_nothing(private):
    limiter = Limiter(default_limit=1_000_000, algorithm="token_bucket", **private)
    held = {"type": "http", "method": "GET", "path": "/x", "client": ("203.0.113.7", 1),
            "headers": [(b"accept", b"*/*"), (b"x-request-id", b"abc")]}
    headers = [(b"content-type", b"text/plain"), (b"access-control-allow-origin", b"*")]

    def run(count):
        for _ in range(count):
            limiter.decide(held).mark(headers)

    def resident():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()

    run(50_000)
    gc.collect()
    before = resident()
    counts = [sys.getrefcount(held), sys.getrefcount(headers), sys.getrefcount(headers[0][0])]
    run(1_000_000)
    assert counts == [sys.getrefcount(held), sys.getrefcount(headers), sys.getrefcount(headers[0][0])]
    assert resident() - before < 1 << 20
    assert json.loads(limiter.decide(held, cost=2_000_000).body)["error"] == "cost_exceeds_limit"
