"""Counting in Redis: no worker ever waits, whatever Redis does (contract 5 and 6)."""

import json
import select
import signal
import tempfile
import types

import gateway
from gateway import ADMIN, API, ENVIRONMENT, OPERATIONS, SEEN, TOKEN, GatewayTest
from cases import RedisTest, rules
from proxy import Proxy
from upstream import Reply
import harness
import servers

OPEN = ("location /open { proxy_pass http://api; tidegate off; }\n"
        "location /connections { stub_status; tidegate off; }\n")
# For an exchange that shall take as long as the test wants.
PATIENT = {"decision_timeout": "50s", "socket_timeout": "50s", "connect_timeout": "50s"}


class NginxRedisTest(GatewayTest, RedisTest):
    def setUp(self):
        self.api = self.upstream()

    def serve_api(self, redis, more: str = "", server: str = API + OPERATIONS + OPEN, *,
                  workers: int = 1, listen: str = "", tables: str = "", http: str = "",
                  **settings):
        return self.gateway(rules(redis, more, **settings) + tables, server, upstream=self.api,
                            workers=workers, listen=listen, http=http, environment=ENVIRONMENT)

    def health(self, server) -> dict:
        return json.loads(self.ask(server, "/ops/health").body)

    def ask_without_waiting(self, server, target: str = "/hello", method: str = "GET",
                            body: str = "") -> harness.Connection:
        """A request that has arrived."""
        connection = self.connect(server)
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        connection.send(f"{method} {target} HTTP/1.1\r\nHost: test\r\n{length}\r\n{body}")
        for _ in range(2):
            self.assertEqual(self.ask(server, "/open").status, 200)
        return connection

    def hang_up(self, server) -> None:
        """A reload that former workers have heard of."""
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "gracefully shutting down" in server.log())
        self.assertEqual(self.ask(server, "/open").status, 200)

    def answered(self, connection: harness.Connection) -> bool:
        return bool(select.select([connection.socket], [], [], 0)[0])


class Counts(NginxRedisTest):
    def test_of_two_gateways_are_one(self):
        redis = self.redis()
        two = [self.serve_api(redis, limit=100, workers=2, **PATIENT) for _ in range(2)]
        statuses = self.statuses_at_once(*two, each=150)
        self.assertEqual((statuses.count(200), statuses.count(429)), (100, 200))
        self.assertEqual(len(self.api.requests), 100)

    def test_carry_their_fields_and_bodies(self):
        server = self.serve_api(self.redis(), server=SEEN + API, limit=2)
        for left in (1, 0):
            answer = self.ask(server, "/hello")
            self.assertEqual((answer.status, answer.limits()), (200, ("2", str(left))))
        for _ in range(2):
            refused = self.ask(server, "/hello", "POST", "x" * 200_000)
            self.assertEqual((refused.status, refused.limits()), (429, ("2", "0")))
            self.assertEqual(self.error(refused), "rate_limit_exceeded")
            self.assertIn(int(refused["Retry-After"]), range(1, 7_201))
            self.assertEqual(refused["X-Seen"], "denied ip:127.0.0.1 default anonymous 2 0")
        self.assertEqual(len(self.api.requests), 2)

    def test_are_taken_once_whatever_nginx_makes_of_a_request(self):
        redis = self.redis()
        server = self.serve_api(redis, server=(
            "tidegate on;\nproxy_intercept_errors on;\nerror_page 429 404 /page.html;\n"
            "location / { auth_request /check; try_files /none /api; }\n"
            "location = /page.html { }\nlocation = /check { proxy_pass http://api; }\n"
            "location = /api { mirror /copy; proxy_pass http://api; }\n"
            "location = /copy { proxy_pass http://api; }\n"), limit=3)
        (server.html / "page.html").write_text("page\n")
        for left in (2, 1):
            self.assertEqual(self.ask(server, "/hello").limits(), ("3", str(left)))
        self.api.replies["/api"] = Reply(status=404)
        for status, left in ((404, 0), (429, 0)):
            answer = self.ask(server, "/hello")
            self.assertEqual((answer.status, answer.body), (status, b"page\n"))
            self.assertEqual(answer.limits(), ("3", str(left)))
        self.assertEqual(self.api.targets().count("/check"), 3)

    def test_are_taken_over_any_kind_of_connection(self):
        made = servers.Certificates()
        self.addCleanup(made.close)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        local, encrypted = self.redis(unixsocket=f"{folder.name}/redis"), self.redis(tls=made)
        for url, more in ((f"unix://{folder.name}/redis", {}),
                          (f"redis://localhost:{local.port}/1", {}),
                          (encrypted.url, {"ca_file": made.ca})):
            with self.subTest(url=url):
                server = self.serve_api(types.SimpleNamespace(url=url),
                                        'failure_mode = "fail_closed"', **PATIENT, **more)
                self.assertEqual(self.statuses(server, 6), [200] * 5 + [429])


class Waiting(NginxRedisTest):
    def test_for_redis_holds_nobody_else_up(self):
        redis = self.redis()
        server = self.serve_api(redis, **PATIENT)
        self.assertEqual(self.ask(server, "/hello").limits(), ("5", "4"))
        redis.signal(signal.SIGSTOP)
        waiting = self.ask_without_waiting(server)
        for _ in range(5):
            self.assertEqual(self.ask(server, "/ops/health").status, 200)
            self.assertEqual(self.ask(server, "/ops/metrics").status, 200)
            self.assertEqual(self.ask(server, "/open").status, 200)
        self.assertFalse(self.answered(waiting))
        redis.signal(signal.SIGCONT)
        answer = waiting.answer()
        self.assertEqual((answer.status, answer.limits()), (200, ("5", "3")))

    def test_does_not_disturb_what_else_arrives(self):
        redis = self.redis()
        server = self.serve_api(redis, **PATIENT)
        self.ask(server, "/hello")
        redis.signal(signal.SIGSTOP)
        body = self.ask_without_waiting(server, "/body", "POST", "x" * 300_000)
        late = self.connect(server)
        late.send("POST /late HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\nhalf")
        several = self.connect(server)
        several.send("".join(f"GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"
                             for target in ("/first", "/second")))
        self.assertEqual(self.ask(server, "/open").status, 200)
        late.send("half")
        redis.signal(signal.SIGCONT)
        for connection in (body, late, several, several):
            self.assertEqual(connection.answer().status, 200)
        bodies = {request.target: request.body for request in self.api.requests}
        self.assertEqual(bodies["/body"], b"x" * 300_000)
        self.assertEqual(bodies["/late"], b"halfhalf")
        self.assertLess(self.api.targets().index("/first"), self.api.targets().index("/second"))
        self.assertEqual(self.ask(server, "/hello").status, 429)

    def test_of_a_client_that_leaves_ends(self):
        redis = self.redis()
        server = self.serve_api(redis, server='access_log access.log seen;\n' + API + OPEN,
                                http='log_format seen "$status $request_method $tidegate_outcome";',
                                limit=100, **PATIENT)
        self.ask(server, "/hello")
        redis.signal(signal.SIGSTOP)
        for connection in [self.ask_without_waiting(server, "/left", *more)
                           for more in ((), ("POST", "body")) * 10]:
            connection.close()
        self.eventually(lambda: b"Active connections: 1 \n" in self.ask(server, "/connections").body)
        redis.signal(signal.SIGCONT)
        self.assertEqual(self.ask(server, "/hello").status, 200)
        self.assertNotIn("/left", self.api.targets())
        log = (server.prefix / "access.log").read_text().splitlines()
        self.assertEqual([log.count(f"499 {method} -") for method in ("GET", "POST")], [10, 10])

    def test_of_streams_that_are_let_go_ends(self):
        redis = self.redis()
        server = self.serve_api(redis, listen="http2", **PATIENT)
        url = f"http://127.0.0.1:{server.port}"
        self.assertEqual(self.curl("--http2-prior-knowledge", url), "upstream\n")
        redis.signal(signal.SIGSTOP)
        for _ in range(3):
            with self.assertRaises(Exception):
                self.curl("--http2-prior-knowledge", "--max-time", "0.2", url + "/left")
        self.eventually(lambda: "Active connections: 1 \n" in self.curl(
            "--http2-prior-knowledge", url + "/connections"))
        redis.signal(signal.SIGCONT)
        self.assertEqual(self.curl("--http2-prior-knowledge", url), "upstream\n")
        self.assertNotIn("/left", self.api.targets())

    def test_of_operators_holds_nobody_up_and_outlives_a_reload(self):
        redis = self.redis()
        server = self.serve_api(redis, tables=ADMIN, **PATIENT)
        self.ask(server, "/hello")
        body = '{"client":"ip:127.0.0.1"}'
        redis.signal(signal.SIGSTOP)
        waiting, leaving = self.connect(server), self.connect(server)
        for connection in (waiting, leaving):
            connection.send("POST /ops/admin/rate-limit/reset HTTP/1.1\r\nHost: test\r\n"
                            f"Authorization: Bearer {TOKEN}\r\n"
                            f"Content-Length: {len(body)}\r\n\r\n{body}")
            self.assertEqual(self.ask(server, "/ops/health").status, 200)
        leaving.close()
        self.eventually(lambda: b"Active connections: 2 \n" in self.ask(server, "/connections").body)
        self.hang_up(server)
        self.assertFalse(self.answered(waiting))
        redis.signal(signal.SIGCONT)
        answer = waiting.answer()
        self.assertEqual((answer.status, json.loads(answer.body)["status"]), (200, "reset"))
        self.assertEqual(self.ask(server, "/hello").limits(), ("5", "4"))

    def test_leaves_bodies_whole(self):
        proxy = Proxy(self.redis().port)
        self.addCleanup(proxy.close)
        proxy.delay_s = 0.2
        for option in ("--http1.1", "--http2"):
            server = self.serve_api(proxy, listen="ssl http2", **PATIENT, server=(
                self.encrypted() + "tidegate on;\nlocation / { proxy_pass http://api; }\n"
                "location /streamed { proxy_request_buffering off; proxy_pass http://api; }\n"))
            for target in ("/kept", "/streamed"):
                self.assertEqual(self.curl("--insecure", option, "-d", "x" * 100_000,
                                           f"https://127.0.0.1:{server.port}{target}"), "upstream\n")
                self.assertEqual(self.api.requests[-1].body, b"x" * 100_000)

    def test_is_done_together(self):
        proxy = Proxy(self.redis().port)
        self.addCleanup(proxy.close)
        server = self.serve_api(proxy, limit=50, **PATIENT)
        self.ask(server, "/hello")
        proxy.delay_s = 0.1
        # One after the other they would take 20 s, and the deadline of a test.
        statuses = self.statuses_at_once(server, each=200)
        self.assertEqual((statuses.count(200), statuses.count(429)), (49, 151))
        self.assertEqual(len(self.api.requests), 50)


class Outages(NginxRedisTest):
    def test_reject_nobody_where_they_fail_open(self):
        redis = self.redis()
        server = self.serve_api(redis, decision_timeout="100ms", circuit_breaker_timeout="1h")
        self.assertEqual(self.statuses(server, 5), [200] * 5)
        redis.signal(signal.SIGSTOP)
        for _ in range(20):
            answer = self.ask(server, "/hello")
            self.assertEqual((answer.status, answer.limits()), (200, ("5", "5")))
        self.assertEqual(self.health(server)["status"], "degraded")
        self.eventually(lambda: self.events(server))
        self.assertEqual(self.events(server), ["redis_outage_began"])
        self.assertEqual(self.sample(server, 'rate_limit_requests_total{endpoint="default",'
                                     'tier="anonymous",status="failed_open"}'), 20)

    def test_reject_everybody_where_they_fail_closed(self):
        redis = self.redis()
        server = self.serve_api(redis, 'failure_mode = "fail_closed"', server=SEEN + API + OPERATIONS,
                                decision_timeout="100ms")
        self.assertEqual(self.ask(server, "/hello").status, 200)
        redis.signal(signal.SIGSTOP)
        for _ in range(5):
            answer = self.ask(server, "/hello", "POST", "a body")
            self.assertEqual((answer.status, answer.limits()), (503, ("5", "0")))
            self.assertEqual(self.error(answer), "rate_limiter_unavailable")
            self.assertGreaterEqual(int(answer["Retry-After"]), 1)
            self.assertEqual(answer["Cache-Control"], "no-store")
            self.assertTrue(answer["X-Seen"].startswith("failed_closed "), answer["X-Seen"])
        self.assertEqual(len(self.api.requests), 1)
        grpc = self.ask(server, "/hello", "POST", "x", Content_Type="application/grpc")
        self.assertEqual((grpc.status, grpc["grpc-status"]), (200, "14"))
        self.assertEqual(len(self.api.requests), 1)
        health = self.ask(server, "/ops/health")
        self.assertEqual((health.status, json.loads(health.body)["status"]), (503, "failing"))

    def test_are_bridged_by_the_memory_of_the_host(self):
        redis = self.redis()
        server = self.serve_api(redis, 'failure_mode = "local"', workers=2)
        self.assertEqual(self.ask(server, "/hello").status, 200)
        redis.kill()
        statuses = self.statuses(server, 20)
        self.assertEqual((statuses.count(200), statuses.count(429)), (5, 15))

    def test_end_by_themselves(self):
        redis = self.redis()
        server = self.serve_api(redis, workers=2)
        self.assertEqual(self.statuses(server, 6), [200] * 5 + [429])
        for _ in range(2):
            redis.kill()
            self.assertEqual(self.statuses(server, 10), [200] * 10)
            redis.start()
            self.eventually(lambda: 429 in self.statuses(server, 1), "it does not count again")
            self.eventually(lambda: self.health(server)["breaker"] == "closed")
        # Two workers write, each when it comes to it.
        self.eventually(lambda: len(self.events(server)) == 4)
        self.assertEqual(sorted(self.events(server)),
                         ["redis_outage_began"] * 2 + ["redis_outage_ended"] * 2)

    def test_may_be_there_when_nginx_starts(self):
        redis = self.redis()
        redis.kill()
        server = self.serve_api(redis)
        self.assertEqual(self.statuses(server, 10), [200] * 10)
        redis.start()
        self.eventually(lambda: 429 in self.statuses(server, 1), "Redis is never found")


class Life(NginxRedisTest):
    def clients(self, redis) -> int:
        """Those of Redis but for the one that asks."""
        return len(redis("CLIENT", "LIST").splitlines()) - 1

    def test_a_reload_connects_again_and_lets_the_former_workers_go(self):
        one, other = self.redis(), self.redis()
        server = self.serve_api(one, workers=2)
        self.assertEqual(self.statuses(server, 5), [200] * 5)
        server.write(rules(one, limit=8))
        server.reload()
        self.assertEqual(self.statuses(server, 4), [200, 200, 200, 429])
        server.write(rules(other, limit=8))
        server.reload()
        self.assertEqual(self.statuses(server, 9), [200] * 8 + [429])
        self.eventually(lambda: self.clients(one) == 0)

    def test_a_reload_leaves_those_who_wait_to_the_end(self):
        redis = self.redis()
        server = self.serve_api(redis, **PATIENT)
        self.ask(server, "/hello")
        redis.signal(signal.SIGSTOP)
        waiting = self.ask_without_waiting(server)
        former, = server.workers()
        self.hang_up(server)
        self.assertFalse(self.answered(waiting))
        redis.signal(signal.SIGCONT)
        answer = waiting.answer()
        self.assertEqual((answer.status, answer.limits()), (200, ("5", "3")))
        self.eventually(lambda: former not in server.workers())

    def test_the_command_changes_to_another_redis(self):
        one, other = self.redis(), self.redis()
        server = self.serve_api(one)
        self.assertEqual(self.statuses(server, 6), [200] * 5 + [429])
        server.write(rules(other))
        self.run_command(server, "reload")
        self.eventually(lambda: self.ask(server, "/hello").status == 200)
        self.assertEqual(len(other("KEYS", "*")), 1)

    def test_nginx_ends_while_it_is_connected(self):
        for how in (signal.SIGQUIT, signal.SIGTERM):
            redis = self.redis()
            server = self.serve_api(redis, workers=2)
            self.statuses(server, 12)
            self.assertGreaterEqual(self.clients(redis), 1)
            self.assertEqual(server.stop(how), 0)
            self.assertEqual(server.alerts(), [])
            self.eventually(lambda: self.clients(redis) == 0)

    def test_nginx_ends_while_redis_stands_still(self):
        redis = self.redis()
        server = self.serve_api(redis, decision_timeout="1s")
        self.ask(server, "/hello")
        redis.signal(signal.SIGSTOP)
        waiting = self.ask_without_waiting(server)
        server.process.send_signal(signal.SIGQUIT)
        answer = waiting.answer()
        self.assertEqual((answer.status, answer.limits()), (200, ("5", "5")))
        self.assertEqual(server.stop(), 0)

    def test_nginx_may_be_ended_at_once_while_many_wait(self):
        redis = self.redis()
        server = self.serve_api(redis, workers=2, **PATIENT)
        self.ask(server, "/hello")
        redis.signal(signal.SIGSTOP)
        for _ in range(20):
            self.ask_without_waiting(server)
        self.assertEqual(server.stop(signal.SIGTERM), 0)
        self.assertEqual(len(self.api.targets()) - self.api.targets().count("/open"), 1)

    def test_connections_to_redis_are_few(self):
        redis = self.redis()
        server = self.serve_api(redis, limit=1000, workers=2, pool_size=4)
        self.statuses_at_once(server, each=300)
        self.assertIn(self.clients(redis), range(1, 5))
        self.assertNotIn("worker_connections are not enough", server.log())


if __name__ == "__main__":
    gateway.main()
