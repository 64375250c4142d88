"""The server on a real Redis: what counts, what happens when Redis is away, and what it says of it."""

import collections
import concurrent.futures
import json
import pathlib
import re
import signal
import subprocess
import time

import servers
from cases import HERE, RedisTest, rules
import harness


class Counts(RedisTest):
    def test_of_several_servers_are_one(self):
        redis = self.redis()
        three = [self.serve(rules(redis, limit=500)) for _ in range(3)]

        def ask(number: int) -> collections.Counter:
            return self.statuses(three[number % 3], 50)
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            total = sum(pool.map(ask, range(20)), collections.Counter())
        self.assertEqual(total, {200: 500, 429: 500})

    def test_carry_their_fields(self):
        server = self.serve(rules(self.redis()))
        answer = self.ask(server)
        self.assertEqual(answer.limits(), ("5", "4"))
        self.assertEqual(self.statuses(server, 4), {200: 4})
        answer = self.ask(server)
        self.assertEqual(answer.status, 429)
        self.assertEqual(answer.limits(), ("5", "0"))
        self.assertGreater(int(answer["Retry-After"]), 0)

    def test_are_of_every_algorithm(self):
        for algorithm in ("token_bucket", "sliding_window", "sliding_window_counter",
                          "fixed_window"):
            with self.subTest(algorithm=algorithm):
                server = self.serve(rules(self.redis(), f'algorithm = "{algorithm}"'))
                self.assertEqual(self.statuses(server, 8), {200: 5, 429: 3})

    def test_name_the_busiest_clients(self):
        server = self.serve(rules(self.redis()))
        self.statuses(server, 3)
        self.assertIn('rate_limit_current_usage{endpoint="default",tier="anonymous",'
                      'client_id="ip:127.0.0.1"} 3\n', self.ask(server, "/metrics").body.decode())

    def test_outlive_the_server(self):
        redis = self.redis()
        first = self.serve(rules(redis))
        self.assertEqual(self.statuses(first, 3), {200: 3})
        first.close()
        self.assertEqual(self.statuses(self.serve(rules(redis)), 5), {200: 2, 429: 3})

    def test_are_asked_by_proxies(self):
        server = self.serve(rules(self.redis(), limit=1))
        self.assertEqual(self.ask(server, "/auth", X_Original_URI="/x").status, 200)
        self.assertEqual(self.ask(server, "/auth?deny=403", X_Original_URI="/x").status, 403)
        self.assertEqual(self.ask(server, "/auth").status, 400)

    def test_have_penalties_and_shadows(self):
        server = self.serve(rules(self.redis(), limit=1) +
                            "[rate_limiting.progressive_penalties]\nenabled = true\n"
                            "violation_threshold = 1\n")
        self.assertEqual(self.statuses(server, 2), {200: 1, 429: 1})
        self.assertIn(b"penalty_active", self.ask(server).body)
        shadow = self.serve(rules(self.redis(), "shadow = true", limit=1))
        self.assertEqual(self.statuses(shadow, 3), {200: 3})
        metrics = self.ask(shadow, "/metrics").body.decode()
        self.assertIn('status="shadow"} 2', metrics)

    def test_live_as_long_as_they_are_needed_and_no_longer(self):
        redis = self.redis()
        server = self.serve(rules(redis).replace('"1h"', '"2s"'))
        self.ask(server)
        keys = redis("KEYS", "*")
        self.assertEqual(len(keys), 1)
        self.assertRegex(keys[0], r"^ratelimit:\{test:[\w-]{22}\}:default:sliding_window_counter:2000$")
        self.assertTrue(0 < redis("PTTL", keys[0]) <= 5_000)

    def test_of_another_hash_key_are_others(self):
        redis = self.redis()
        for secret in ("one secret", "one secret", "another"):
            server = self.serve(rules(redis, hash_key_env="HASH_KEY"),
                                environment={"HASH_KEY": secret})
            self.ask(server)
        self.assertEqual(len(redis("KEYS", "*")), 2)

    def test_can_be_seen_and_forgotten(self):
        redis = self.redis()
        server = self.serve(rules(redis))
        self.assertEqual(self.statuses(server, 6), {200: 5, 429: 1})
        told = self.command(server, "peek", "ip:127.0.0.1")
        self.assertIn("0 remaining", told)
        self.assertIn(redis("KEYS", "*")[0], self.command(server, "key", "ip:127.0.0.1").splitlines())
        self.assertIn("1 count forgotten", self.command(server, "reset", "ip:127.0.0.1"))
        self.wait_for(lambda: self.ask(server).status == 200, "the denial is remembered for ever")
        self.command(server, "reset", "--rule", "default", "--all-clients")
        self.assertEqual(redis("KEYS", "*"), [])

    def test_can_be_forgotten_at_the_admin_endpoint(self):
        redis = self.redis()
        server = self.serve(rules(redis) + '[rate_limiting.admin]\ntoken_env = "TOKEN"\n',
                            environment={"TOKEN": "a token"})

        def forget(what: dict):
            return self.ask(server, "/admin/rate-limit/reset", "POST", json.dumps(what),
                            Authorization="Bearer a token")
        self.assertEqual(self.statuses(server, 6), {200: 5, 429: 1})
        self.assertEqual(forget({"client": "ip:127.0.0.1"}).body, b'{"status":"reset","counts":1}')
        self.assertEqual(self.statuses(server, 6), {200: 5, 429: 1}, "at once, on this host")
        self.assertEqual(forget({"rule": "default", "all_clients": True}).body,
                         b'{"status":"reset","counts":null}')
        self.assertEqual(self.statuses(server, 6), {200: 5, 429: 1})
        redis.kill()
        answer = forget({"client": "ip:127.0.0.1"})
        self.assertEqual((answer.status, json.loads(answer.body)["error"]),
                         (503, "redis_unavailable"))

    def command(self, server, *words: str) -> str:
        done = subprocess.run([harness.COMMAND, *words, "--config", server.config],
                              capture_output=True, text=True, timeout=harness.WITHIN_S,
                              env=harness.variables())
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


class Outages(RedisTest):
    def test_reject_nobody_where_they_fail_open(self):
        redis = self.redis()
        server = self.serve(rules(redis))
        self.assertEqual(self.statuses(server, 6), {200: 5, 429: 1})
        redis.kill()
        self.assertEqual(self.statuses(server, 50), {200: 50}, "he was denied before")
        answer = self.ask(server)
        self.assertEqual(answer.limits(), ("5", "5"))
        health = self.health(server)
        self.assertEqual((health["status"], health["breaker"]), ("degraded", "open"))
        redis.start()
        self.wait_for(lambda: self.health(server)["breaker"] == "closed" or
                      self.ask(server) is None, "the breaker stays open")
        self.assertIn(429, self.statuses(server, 6), "it counts again")
        self.assertEqual(self.events(server), ["redis_outage_began", "redis_outage_ended"])
        self.assertIn('status="failed_open"} ', self.ask(server, "/metrics").body.decode())

    def test_reject_everybody_where_they_fail_closed(self):
        redis = self.redis()
        server = self.serve(rules(redis, 'failure_mode = "fail_closed"'))
        self.assertEqual(self.ask(server).status, 200)
        redis.kill()
        self.assertEqual(self.statuses(server, 20), {503: 20})
        answer = self.ask(server)
        self.assertEqual(json.loads(answer.body)["error"], "rate_limiter_unavailable")
        self.assertGreaterEqual(int(answer["Retry-After"]), 1)
        self.assertEqual(answer.limits(), ("5", "0"))
        health = self.ask(server, "/health")
        self.assertEqual((health.status, json.loads(health.body)["status"]), (503, "failing"))

    def test_are_bridged_by_the_memory_of_the_host(self):
        redis = self.redis()
        server = self.serve(rules(redis, 'failure_mode = "local"'))
        self.assertEqual(self.ask(server).status, 200)
        redis.kill()
        self.assertEqual(self.statuses(server, 20), {200: 5, 429: 15},
                         "the same limit, counted anew on this host")

    def test_of_a_redis_that_stands_still_cost_nobody_more_than_the_deadline(self):
        redis = self.redis()
        server = self.serve(rules(redis, decision_timeout="100ms", circuit_breaker_timeout="1h",
                                  limit=100))
        self.assertEqual(self.ask(server).status, 200)
        redis.signal(signal.SIGSTOP)
        began = time.monotonic()
        self.assertEqual(self.statuses(server, 50), {200: 50})
        self.assertLess(time.monotonic() - began, 5, "three exchanges of 100 ms, then none")
        redis.signal(signal.SIGCONT)
        errors = self.ask(server, "/metrics").body.decode()
        self.assertIn('rate_limit_redis_errors_total{operation="check",error_type="timeout"} 3', errors)

    def test_end_with_a_probe(self):
        redis = self.redis()
        server = self.serve(rules(redis, decision_timeout="50ms", limit=100))
        self.ask(server)
        redis.signal(signal.SIGSTOP)
        self.statuses(server, 10)
        self.assertEqual(self.health(server)["breaker"], "open")
        redis.signal(signal.SIGCONT)

        def closed():
            self.ask(server)
            return self.health(server)["breaker"] == "closed"
        self.wait_for(closed, "no probe has closed the breaker")

    def test_are_told_once(self):
        redis = self.redis()
        server = self.serve(rules(redis, circuit_breaker_timeout="100ms"), workers=2)
        self.ask(server)
        redis.kill()
        for _ in range(10):
            self.statuses(server, 20)
            time.sleep(0.05)
        self.assertEqual(self.events(server), ["redis_outage_began"])

    def test_are_not_there_yet_when_a_server_starts_without_redis(self):
        redis = self.redis()
        redis.kill()
        server = self.serve(rules(redis))
        self.assertEqual(self.statuses(server, 10), {200: 10})
        redis.start()

        def counted():
            return self.ask(server).status == 429
        self.wait_for(counted, "Redis is never found")


class Faults(RedisTest):
    def test_a_full_memory_fails(self):
        redis = self.redis()
        server = self.serve(rules(redis, 'failure_mode = "fail_closed"'))
        self.assertEqual(self.ask(server).status, 200)
        redis("CONFIG", "SET", "maxmemory", 1)
        self.assertEqual(self.ask(server).status, 503)
        self.assertIn('error_type="oom"', self.ask(server, "/metrics").body.decode())

    def test_a_script_that_was_flushed_is_sent_again(self):
        redis = self.redis()
        server = self.serve(rules(redis, 'failure_mode = "fail_closed"'))
        self.assertEqual(self.ask(server).status, 200)
        redis("SCRIPT", "FLUSH")
        self.assertEqual(self.statuses(server, 5), {200: 4, 429: 1})

    def test_a_wrong_password_is_told_and_never_shown(self):
        redis = self.redis(password="right")
        server = self.serve(rules(redis).replace(":right@", ":wr0ng-secret@"))
        self.assertEqual(self.statuses(server, 5), {200: 5})
        metrics = self.ask(server, "/metrics").body.decode()
        self.assertIn('rate_limit_redis_errors_total{operation="connect",error_type="auth"}', metrics)
        command = pathlib.Path(f"/proc/{server.process.pid}/cmdline").read_bytes().decode()
        for text in (metrics, server.log(), command, self.ask(server, "/health").body.decode()):
            self.assertNotIn("wr0ng-secret", text)

    def test_a_strangers_value_is_an_error_of_that_client_alone(self):
        redis = self.redis()
        server = self.serve(rules(redis, 'failure_mode = "fail_closed"') +
                            "[rate_limiting.client_identification]\ntrusted_proxy_depth = 1\n")
        self.assertEqual(self.ask(server, X_Forwarded_For="192.0.2.1").status, 200)
        key, = redis("KEYS", "*")
        for stranger in (("SET", key, "hello"), ("HSET", key, "a", "b"), ("SADD", key, "a")):
            redis("DEL", key)
            redis(*stranger)
            self.assertEqual(self.ask(server, X_Forwarded_For="192.0.2.1").status, 503, stranger)
        self.assertEqual(self.ask(server, X_Forwarded_For="192.0.2.2").status, 200)
        self.assertEqual(self.health(server)["breaker"], "closed")
        self.assertIn('error_type="protocol"', self.ask(server, "/metrics").body.decode())

    def test_a_replica_is_no_master(self):
        master = self.redis()
        replica = self.redis(replicaof=f"127.0.0.1 {master.port}")
        replica.wait_until(lambda client: "master_link_status:up" in client("INFO"))
        server = self.serve(rules(replica, 'failure_mode = "fail_closed"'))
        self.assertEqual(self.ask(server).status, 503)
        self.assertIn('error_type="readonly"', self.ask(server, "/metrics").body.decode())


class Encrypted(RedisTest):
    def certificates(self, address: str = "127.0.0.1") -> servers.Certificates:
        made = servers.Certificates(address)
        self.addCleanup(made.close)
        return made

    def closed(self, redis, **settings):
        return self.serve(rules(redis, 'failure_mode = "fail_closed"', connect_timeout="3s",
                                decision_timeout="3s", **settings))

    def test_connections_count(self):
        made = self.certificates()
        redis = self.redis(tls=made, password="secret")
        server = self.closed(redis, ca_file=made.ca)
        self.assertEqual(self.statuses(server, 8), {200: 5, 429: 3})

    def test_a_certificate_of_somebody_else_is_not_trusted(self):
        redis = self.redis(tls=self.certificates())
        for ca in (self.certificates().ca, ""):
            server = self.closed(redis, ca_file=ca)
            self.assertEqual(self.ask(server).status, 503)
            self.assertIn('{operation="connect",error_type="auth"}',
                          self.ask(server, "/metrics").body.decode())

    def test_a_certificate_for_another_host_is_not_trusted(self):
        made = self.certificates("192.0.2.1")
        redis = self.redis(tls=self.certificates())
        redis("CONFIG", "SET", "tls-ca-cert-file", made.ca, "tls-cert-file", made.certificate,
              "tls-key-file", made.key)
        self.assertEqual(self.ask(self.closed(redis, ca_file=made.ca)).status, 503)
        self.assertEqual(self.ask(self.closed(redis, verify=False)).status, 200)

    def test_a_client_may_have_to_show_a_certificate(self):
        made = self.certificates()
        redis = self.redis(tls=made)
        redis("CONFIG", "SET", "tls-auth-clients", "yes")
        self.assertEqual(self.ask(self.closed(redis, ca_file=made.ca)).status, 503)
        server = self.closed(redis, ca_file=made.ca, cert_file=made.certificate, key_file=made.key)
        self.assertEqual(self.statuses(server, 6), {200: 5, 429: 1})

    def test_a_key_that_is_another_certificates_is_a_fault(self):
        made, other = self.certificates(), self.certificates()
        redis = self.redis(tls=made)
        with self.assertRaisesRegex(AssertionError, "the key is not that of the certificate"):
            self.closed(redis, cert_file=made.certificate, key_file=other.key)


class Reloads(RedisTest):
    def test_keep_counts_and_connections(self):
        redis = self.redis()
        server = self.serve(rules(redis))
        self.assertEqual(self.statuses(server, 5), {200: 5})
        server.write(rules(redis, limit=8))
        server.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: self.ask(server)["X-RateLimit-Limit"] == "8", "no reload")
        self.assertLessEqual(self.statuses(server, 8)[200], 3)

    def test_may_change_to_another_redis(self):
        one, other = self.redis(), self.redis()
        server = self.serve(rules(one))
        self.assertEqual(self.statuses(server, 6), {200: 5, 429: 1})
        server.write(rules(other))
        server.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: self.ask(server).status == 200, "it still counts in the old one")
        self.assertEqual(len(other("KEYS", "*")), 1)


class Replays(RedisTest):
    CASES = HERE.parent / "replay" / "cases"

    def replay(self, config: pathlib.Path, backend: str, redis) -> subprocess.CompletedProcess:
        return subprocess.run(
            [harness.COMMAND, "replay", "--config", config, "--backend", backend],
            input=config.with_suffix(".in.jsonl").read_bytes(), capture_output=True,
            timeout=harness.WITHIN_S,
            env=harness.variables() | {"RATE_LIMIT_REDIS__URL": redis.url})

    def test_give_the_same_decisions_and_leave_nothing_behind(self):
        redis = self.redis()
        configs = sorted(self.CASES.glob("*.toml"))
        self.assertGreater(len(configs), 3)
        for config in configs:
            with self.subTest(case=config.stem):
                through_redis = self.replay(config, "redis", redis)
                self.assertEqual(through_redis.returncode, 0, through_redis.stderr)
                self.assertEqual(through_redis.stdout,
                                 self.replay(config, "memory", redis).stdout)
                self.assertEqual(redis("DBSIZE"), 0)

    def test_end_where_redis_does(self):
        redis = self.redis()
        redis.kill()
        done = self.replay(self.CASES / "bucket.toml", "redis", redis)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"Redis: refused", done.stderr)


class AccessLists(RedisTest):
    """A user of Redis with the rights that the document names, and no others."""

    DOCUMENT = HERE.parents[1] / "docs" / "redis.md"
    LIMITS = (
        # plain checks, and those of two windows with penalties
        "",
        'windows = [{ limit = 9, window = "2h" }]\n'
        "[rate_limiting.progressive_penalties]\nenabled = true\n")

    def rights(self) -> tuple[list[str], list[str], list[str]]:
        """Those of every user, those of operators besides, and the keys."""
        [sentence] = re.findall("The user needs.*", self.DOCUMENT.read_text())
        everybody, operators, *_, keys = re.findall("`([+~][^`]*)`", sentence)
        return everybody.split(), operators.split(), keys.split()

    def serve_limited(self, redis, more: str, rights: list[str]):
        redis("ACL", "SETUSER", "limiter", "reset", "on", ">secret", *rights)
        redis("CONFIG", "RESETSTAT")
        return self.serve(rules(redis, more).replace(
            redis.url, f"redis://limiter:secret@127.0.0.1:{redis.port}/1"))

    def test_name_all_that_serving_needs_and_no_more(self):
        everybody, _, keys = self.rights()
        used: set[str] = set()
        for algorithm in ("token_bucket", "sliding_window", "sliding_window_counter",
                          "fixed_window"):
            for more in self.LIMITS:
                with self.subTest(algorithm=algorithm, more=more):
                    redis = self.redis()
                    server = self.serve_limited(redis, f'algorithm = "{algorithm}"\n{more}',
                                                everybody + keys)
                    self.assertEqual(self.statuses(server, 8), {200: 5, 429: 3})
                    self.assertEqual(redis("ACL", "LOG"), [])
                    used.update(re.findall(r"cmdstat_(\w+):", redis("INFO", "commandstats")))
        mine = {"acl|log", "acl", "config|resetstat", "config", "info"}
        self.assertEqual(used - mine, {right.removeprefix("+") for right in everybody})

    def test_name_what_operators_need(self):
        everybody, operators, keys = self.rights()
        redis = self.redis()
        server = self.serve_limited(redis, "", everybody + operators + keys)
        self.assertEqual(self.statuses(server, 6), {200: 5, 429: 1})
        self.tidegate(server, "peek", "ip:127.0.0.1")
        for whom in (["ip:127.0.0.1"], ["--rule", "default", "--all-clients"]):
            self.tidegate(server, "reset", *whom)
            self.eventually(lambda: self.ask(server).status == 200)
            self.assertEqual(self.statuses(server, 5), {200: 4, 429: 1})
        self.assertEqual(redis("ACL", "LOG"), [])


if __name__ == "__main__":
    harness.main()
