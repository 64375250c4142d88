"""Workers that count together, die and change over to another configuration (contract 8 and 9)."""

import os
import signal
import threading

import gateway
from gateway import API, GatewayTest
from upstream import Reply
import harness

ENVIRONMENT = {"RATE_LIMIT_DEFAULT_LIMIT": "70000"}


def rules(limit: int) -> str:
    return f'default_limit = {limit}\ndefault_window = "1h"\n'


class ProcessTest(GatewayTest):
    def setUp(self):
        self.api = self.upstream()

    def serve_api(self, toml: str, server: str = API, **more):
        return self.gateway(toml, server, upstream=self.api, **more)


class Counts(ProcessTest):
    def test_of_all_workers_are_one(self):
        server = self.serve_api(rules(100), "add_header X-Worker $pid always;" + API,
                                workers=4, listen="reuseport")
        connections = [self.connect(server) for _ in range(300)]
        for connection in connections:
            connection.send("GET /hello HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        answers = [connection.answer() for connection in connections]
        self.assertEqual(len({answer["X-Worker"] for answer in answers}), 4)
        admitted = [answer for answer in answers if answer.status == 200]
        self.assertEqual({answer.status for answer in answers}, {200, 429})
        self.assertEqual(sorted(int(answer["X-RateLimit-Remaining"]) for answer in admitted),
                         list(range(100)))
        self.assertEqual(len(self.api.requests), 100)

    def test_are_shared_with_other_programs(self):
        server = self.serve_api(rules(5))
        other = self.serve(rules(5), segment=server.segment)
        for left in (4, 2):
            self.assertEqual(self.ask(server, "/hello").limits(), ("5", str(left)))
            self.assertEqual(self.ask(other).limits(), ("5", str(left - 1)))
        self.assertIn("1 remaining", self.run_command(server, "peek", "ip:127.0.0.1"))
        self.assertEqual(self.statuses(server, 2), [200, 429])
        self.assertEqual(self.ask(other).status, 429)
        self.run_command(server, "reset", "ip:127.0.0.1")
        self.assertEqual(self.ask(server, "/hello").limits(), ("5", "4"))

    def test_are_the_same_for_workers_of_another_user(self):
        server = self.serve_api(rules(3), workers=2, user="nobody nogroup")
        self.assertEqual(self.statuses(server, 4), [200, 200, 200, 429])
        server.write(rules(4))
        server.reload()
        self.assertEqual(self.statuses(server, 2), [200, 429])
        self.assertIn("0 remaining", self.run_command(server, "peek", "ip:127.0.0.1"))

    def test_outlive_nginx(self):
        server = self.serve_api(rules(3))
        self.assertEqual(self.statuses(server, 2), [200, 200])
        self.assertEqual(server.stop(), 0)
        again = self.serve_api(rules(3), segment=server.segment)
        self.assertEqual(self.statuses(again, 2), [200, 429])

    def test_outlive_workers_that_are_killed(self):
        server = self.serve_api(rules(200), workers=2)
        server.may_alert = "exited on signal 9"
        statuses: list[int] = []
        load = threading.Thread(target=lambda: statuses.extend(
            self.ask_all_at_once(server, 6, 100)))
        load.start()
        for served in (20, 100):
            self.eventually(lambda served=served: len(self.api.requests) >= served)
            workers = server.workers()
            os.kill(workers[0], signal.SIGKILL)
            self.eventually(lambda workers=workers: workers[0] not in server.workers() and
                            len(server.workers()) == 2)
        load.join()
        # A request whose worker was killed may have been counted, and its client not told.
        self.assertLessEqual(len(self.api.requests), 200)
        self.assertLessEqual(statuses.count(200), 200)
        self.assertGreaterEqual(statuses.count(200) + statuses.count(0), 200)
        self.assertEqual(set(self.statuses(server, 12)), {429})


class Reloads(ProcessTest):
    def test_take_up_the_file_and_keep_the_counts(self):
        server = self.serve_api(rules(3), workers=2)
        other = self.serve(rules(3), segment=server.segment)
        former = set(server.workers())
        self.assertEqual(self.statuses(server, 4), [200, 200, 200, 429])
        server.write(rules(5))
        self.assertEqual(server.nginx("-s", "reload").returncode, 0)
        self.eventually(lambda: len(set(server.workers()) - former) == 2 and
                        not former & set(server.workers()))
        self.assertEqual(self.statuses(server, 3), [200, 200, 429])
        self.assertEqual(len(self.api.requests), 5)
        self.eventually(lambda: self.ask(other)["X-RateLimit-Limit"] == "5")

    def test_leave_all_as_it_was_where_the_file_has_a_fault(self):
        server = self.serve_api(rules(50), workers=2)
        workers = server.workers()
        for text, says in (("default_limit = -1\nx = 1\n", ["limits.toml:3:", "limits.toml:4:"]),
                           ("memory.capacity = 1\n", ["limits.toml:"]), ("[", ["limits.toml:"])):
            server.write(text)
            before = len(server.log())
            server.process.send_signal(signal.SIGHUP)
            self.eventually(lambda: "[emerg]" in server.log()[before:])
            for part in says:
                self.assertIn(part, server.log()[before:])
            self.assertEqual(self.limits_everywhere(server), {"50"})
        self.assertEqual(server.workers(), workers)

    def test_do_not_change_what_only_a_restart_can(self):
        server = self.serve_api(rules(50))
        server.write(rules(60), memory="capacity = 20_000")
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "[emerg]" in server.log())
        for part in ("capacity is 10000, not 20000", "tidegate segment remove"):
            self.assertIn(part, server.log())
        self.assertEqual(self.limits_everywhere(server), {"50"})

    def test_do_not_touch_requests_in_flight(self):
        server = self.serve_api(rules(5))
        held = self.api.hold()
        self.api.replies["/slow"] = Reply(before=held)
        with harness.Connection(server.port) as connection:
            connection.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n")
            self.eventually(lambda: self.api.requests)
            former, = server.workers()
            server.write(rules(6))
            server.process.send_signal(signal.SIGHUP)
            self.eventually(lambda: self.ask(server, "/hello")["X-RateLimit-Limit"] == "6")
            held.set()
            answer = connection.answer()
        self.assertEqual((answer.status, answer.limits()), (200, ("5", "4")))
        self.eventually(lambda: former not in server.workers())

    def test_lose_no_request_and_no_count(self):
        server = self.serve_api(rules(50), workers=2)
        statuses: list[int] = []
        stop = threading.Event()

        def never_stop():
            while not stop.is_set():
                statuses.append(self.ask(server, "/hello").status)

        running = [threading.Thread(target=never_stop) for _ in range(4)]
        for thread in running:
            thread.start()
        try:
            for limit in (60, 70, 80):
                server.write(rules(limit))
                server.reload()
            self.eventually(lambda: statuses.count(200) == 80)
        finally:
            stop.set()
            for thread in running:
                thread.join()
        self.assertEqual(set(self.statuses(server, 12)), {429})
        self.assertEqual((set(statuses), statuses.count(200)), ({200, 429}, 80))
        self.assertEqual(len(self.api.requests), 80)

    def test_by_the_command_reach_every_worker(self):
        server = self.serve_api(rules(50_000), workers=3)
        self.assertEqual(self.limits_everywhere(server), {"50000"})
        workers = server.workers()
        server.write(rules(60_000))
        self.run_command(server, "reload")
        self.eventually(lambda: self.limits_everywhere(server) == {"60000"})
        self.assertEqual(server.workers(), workers)
        server.reload()
        self.assertEqual(self.limits_everywhere(server), {"60000"})

    def test_take_the_environment_that_nginx_was_started_with(self):
        server = self.serve_api(rules(50_000), workers=2, environment=ENVIRONMENT)
        server.write(rules(60_000) + 'headers = ["ietf", "x-ratelimit"]')
        self.run_command(server, "reload")
        self.eventually(lambda: all(self.ask(server, "/hello")["RateLimit"] for _ in range(12)))
        self.assertEqual(self.limits_everywhere(server), {"70000"})
        server.reload()
        self.assertEqual(self.limits_everywhere(server), {"70000"})

    def test_begin_with_what_is_in_force_where_a_worker_is_replaced(self):
        server = self.serve_api(rules(50_000))
        server.may_alert = "exited on signal 9"
        server.write(rules(60_000))
        self.run_command(server, "reload")
        former, = server.workers()
        os.kill(former, signal.SIGKILL)
        self.eventually(lambda: server.workers() and server.workers() != [former])
        self.assertEqual(self.limits_everywhere(server), {"60000"})


class Ends(ProcessTest):
    def test_let_running_requests_finish(self):
        server = self.serve_api(rules(5), workers=2)
        held = self.api.hold()
        self.api.replies["/slow"] = Reply(before=held)
        connection = self.connect(server)
        connection.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n")
        self.eventually(lambda: self.api.requests)
        server.process.send_signal(signal.SIGQUIT)
        self.eventually(lambda: "gracefully shutting down" in server.log())
        held.set()
        answer = connection.answer()
        self.assertEqual((answer.status, answer.limits()), (200, ("5", "4")))
        self.assertEqual(server.stop(), 0)

    def test_may_be_asked_for_while_the_file_has_a_fault(self):
        server = self.serve_api(rules(5), workers=2)
        server.write("default_limit = -1")
        done = server.nginx("-s", "quit")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("limits.toml:3:", done.stderr)
        self.assertEqual(server.process.wait(gateway.ENDS_WITHIN_S), 0)


if __name__ == "__main__":
    gateway.main()
