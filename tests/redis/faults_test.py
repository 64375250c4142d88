"""What lies between a server and its Redis: silence, latency, replies that are lost, cut or lies."""

import collections
import concurrent.futures
import json
import re
import time

from cases import RedisTest, rules
import harness
from proxy import Proxy

CHECK_ERRORS = 'rate_limit_redis_errors_total{operation="check",error_type="%s"}'


class BehindAProxy(RedisTest):
    def setUp(self):
        self.server_behind = self.redis()
        self.proxy = Proxy(self.server_behind.port)
        self.addCleanup(self.proxy.close)

    def served(self, more: str = "", **settings):
        """A server that has decided one request through the proxy, of a limit of 100 an hour."""
        server = self.serve(rules(self.proxy, more, limit=100,
                                  **({"decision_timeout": "2s"} | settings)))
        self.assertEqual(self.remaining(server), 99)
        return server

    def remaining(self, server) -> int:
        return int(self.ask(server)["X-RateLimit-Remaining"])

    def check_that_calls_are_counted_once(self, server) -> None:
        """The first call was for a script that Redis did not know."""
        used = 100 - self.remaining(server)
        self.assertEqual(used, self.proxy.calls - 1)

    def errors(self, server, kind: str) -> int:
        return self.sample(server, CHECK_ERRORS % kind)


class Silence(BehindAProxy):
    """A socket that takes connections and commands, and never answers."""

    def test_costs_nobody_more_than_the_deadline(self):
        server = self.served(decision_timeout="100ms", circuit_breaker_timeout="1h")
        self.proxy.silent = True
        began = time.monotonic()
        self.assertEqual(self.statuses(server, 100), {200: 100})
        self.assertLess(time.monotonic() - began, 5, "three exchanges of 100 ms, then none")
        self.assertEqual(self.health(server)["status"], "degraded")
        self.assertEqual(self.sample(server, "rate_limit_breaker_state"), 2)

    def test_is_answered_by_the_failure_mode(self):
        self.proxy.silent = True
        closed = self.serve(rules(self.proxy, 'failure_mode = "fail_closed"'))
        self.assertEqual(self.statuses(closed, 20), {503: 20})
        answer = self.ask(closed)
        self.assertEqual(json.loads(answer.body)["error"], "rate_limiter_unavailable")
        self.assertGreaterEqual(int(answer["Retry-After"]), 1)
        self.assertEqual(self.health(closed)["status"], "failing")
        local = self.serve(rules(self.proxy, 'failure_mode = "local"'))
        self.assertEqual(self.statuses(local, 20), {200: 5, 429: 15})

    def test_ends_when_somebody_answers(self):
        server = self.served(decision_timeout="100ms", connect_timeout="200ms",
                             socket_timeout="500ms", circuit_breaker_timeout="300ms")
        self.proxy.silent = True
        self.statuses(server, 20)
        self.proxy.silent = False
        self.wait_for(lambda: self.remaining(server) < 99, "it never asks again")
        self.assertEqual(self.events(server), ["redis_outage_began", "redis_outage_ended"])

    def test_is_left_alone_while_the_breaker_is_open(self):
        server = self.served(decision_timeout="50ms", circuit_breaker_timeout="1h")
        self.proxy.delay_s = 0.2
        self.statuses(server, 10)
        self.assertEqual(self.health(server)["breaker"], "open")
        calls = self.proxy.calls
        self.assertEqual(self.statuses(server, 200), {200: 200})
        self.assertEqual(self.proxy.calls, calls, "not one was asked")


class Latency(BehindAProxy):
    def test_is_waited_for_together(self):
        server = self.serve(rules(self.proxy, limit=30, decision_timeout="30s"))
        self.ask(server)
        self.proxy.delay_s = 0.1
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            found = collections.Counter(pool.map(lambda _: self.ask(server).status, range(50)))
        self.assertEqual(found, {200: 29, 429: 21})
        self.assertLess(time.monotonic() - began, 2.5, "one after the other takes 5 s")

    def test_above_the_deadline_is_a_failure_and_confuses_nobody(self):
        server = self.served(decision_timeout="100ms", circuit_breaker_threshold=1_000)
        self.proxy.delay_s = 0.3
        self.assertEqual([self.remaining(server) for _ in range(10)], [100] * 10, "let through")
        self.proxy.delay_s = 0
        self.assertEqual(self.errors(server, "timeout"), 10)
        # No late answer is taken for one to this request.
        self.wait_for(lambda: self.remaining(server) != 100, "it does not come back")
        self.check_that_calls_are_counted_once(server)


class Replies(BehindAProxy):
    def test_that_are_lost_are_not_asked_for_again(self):
        server = self.served()
        for _ in range(5):
            self.proxy.instead = b""
            self.assertEqual(self.ask(server).limits(), ("100", "100"), "let through")
            self.wait_for(lambda: self.remaining(server) != 100, "it does not connect again")
        self.assertEqual(self.errors(server, "refused"), 5)
        self.check_that_calls_are_counted_once(server)
        executed = re.findall(r"cmdstat_eval(?:sha)?:calls=(\d+)",
                              self.server_behind("INFO", "commandstats"))
        self.assertEqual(sum(map(int, executed)), self.proxy.calls)

    def test_that_lie_end_the_connection_and_nothing_else(self):
        server = self.served('failure_mode = "fail_closed"', circuit_breaker_threshold=1_000)
        lies = {"junk": b"HTTP/1.1 400 Bad Request\r\n\r\n", "2 GB": b"$2147483647\r\n",
                "a million deep": b"*1\r\n" * 1_000_000, "a huge list": b"*2147483647\r\n",
                "a negative size": b"$-7\r\n", "another form": b"+OK\r\n",
                "another length": b"*2\r\n:0\r\n:0\r\n", "text for numbers": b"*1\r\n$1\r\nx\r\n"}
        for number, (name, lie) in enumerate(lies.items(), start=1):
            with self.subTest(lie=name):
                self.proxy.instead = lie
                self.assertEqual(self.ask(server).status, 503)
                self.assertEqual(self.errors(server, "protocol"), number)
                self.wait_for(lambda: self.ask(server).status == 200, "it does not connect again")

    def test_that_are_cut_are_lost(self):
        server = self.served('failure_mode = "fail_closed"', circuit_breaker_threshold=1_000)
        self.proxy.instead = b"*7\r\n:0\r\n:0\r\n:1"
        self.assertEqual(self.ask(server).status, 503)
        self.assertEqual(self.errors(server, "refused"), 1)
        self.wait_for(lambda: self.ask(server).status == 200, "it does not connect again")

    def test_of_lies_open_the_breaker_as_silence_does(self):
        server = self.served(circuit_breaker_threshold=1, circuit_breaker_timeout="1h")
        self.proxy.instead = b"nonsense\r\n"
        self.assertEqual(self.ask(server).status, 200)
        self.assertIn("redis_outage_began", self.events(server))


class Connections(BehindAProxy):
    def test_that_are_cut_are_made_again(self):
        server = self.served(circuit_breaker_threshold=1_000)
        for _ in range(5):
            self.proxy.cut_all()
            self.wait_for(lambda: self.remaining(server) != 100, "it does not connect again")
        self.assertEqual(self.health(server)["breaker"], "closed")


if __name__ == "__main__":
    harness.main()
