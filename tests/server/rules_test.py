"""What rules can do besides a limit for each client: shadows, other counts, penalties, and being
forgotten while traffic flows (contract 1, 5 and 8)."""

import json
import subprocess
import threading
import time

import harness


class Rules(harness.ServerTest):
    def test_a_shadow_is_counted_and_logged_and_stops_nobody(self):
        server = self.serve("shadow = true\ndefault_limit = 2")
        for _ in range(5):
            answer = self.ask(server)
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.limits(), (None, None))
            self.assertIsNone(answer["Retry-After"])
        labels = 'endpoint="default",tier="anonymous"'
        self.assertEqual(
            self.sample(server, f'rate_limit_requests_total{{{labels},status="allowed"}}'), 2)
        self.assertEqual(
            self.sample(server, f'rate_limit_requests_total{{{labels},status="shadow"}}'), 3)
        self.assertEqual(
            self.sample(server, f'rate_limit_exceeded_total{{{labels},client_type="ip"}}'), 0)
        [line] = [json.loads(line) for line in server.log().splitlines()]
        self.assertEqual((line["event"], line["status"], line["level"]),
                         ("rate_limit_exceeded", "shadow", "info"))
        self.assertEqual(line["limit_config"]["limit"], 2)

    def test_a_shadow_endpoint_beside_enforced_rules(self):
        server = self.serve('default_limit = 3\n[[rate_limiting.endpoints]]\nname = "search"\n'
                            'pattern = "/api/v1/search/*"\nlimit = 1\nwindow = "1h"\nshadow = true')
        for _ in range(3):
            self.assertEqual(self.ask(server, "/api/v1/search/x").status, 200)
        self.assertEqual([self.ask(server).status for _ in range(4)], [200, 200, 200, 429])

    def test_one_count_for_an_address_or_for_everybody(self):
        server = self.serve('[rate_limiting.client_identification]\n'
                            'identify = ["header:X-API-Key", "ip"]\ntrusted_proxy_depth = 1\n'
                            '[[rate_limiting.endpoints]]\npattern = "/api/v1/hello"\nlimit = 2\n'
                            'window = "1h"\nper = "address"\n'
                            '[[rate_limiting.endpoints]]\npattern = "/api/v1/search/*"\nlimit = 2\n'
                            'window = "1h"\nper = "all"')

        def status(target: str, key: str, address: str) -> int:
            return self.ask(server, target, X_API_Key=key, X_Forwarded_For=address).status

        hello, search = "/api/v1/hello", "/api/v1/search/x"
        self.assertEqual([status(hello, key, "203.0.113.1") for key in "abc"], [200, 200, 429])
        self.assertEqual(status(hello, "c", "203.0.113.2"), 200)
        self.assertEqual([status(search, key, f"203.0.113.{i}") for i, key in enumerate("abc")],
                         [200, 200, 429])

    def test_who_is_rejected_again_and_again_is_locked_out(self):
        server = self.serve('default_limit = 1\ndefault_window = "1s"\nalgorithm = "token_bucket"\n'
                            '[rate_limiting.progressive_penalties]\nenabled = true\n'
                            'violation_threshold = 2\npenalty_multipliers = [3, 3600]', workers=2)
        self.assertEqual([self.ask(server).status for _ in range(2)], [200, 429])
        time.sleep(1)
        self.assertEqual(self.ask(server).status, 200)
        second = self.ask(server)
        self.assertEqual(json.loads(second.body)["error"], "rate_limit_exceeded")
        self.assertEqual(second["Retry-After"], "3")
        locked = self.ask(server, "/api/v1/search/x")
        self.assertEqual(locked.status, 429)
        body = json.loads(locked.body)
        self.assertEqual(body["error"], "penalty_active")
        self.assertEqual(int(locked["Retry-After"]), body["retry_after_seconds"])
        self.assertIsNotNone(locked["X-RateLimit-Limit"])
        self.assertEqual(self.ask(server, "/health").status, 200)
        self.assertIn("locked out by penalties for",
                      self.tidegate(server, "peek", "ip:127.0.0.1"))
        self.assertIn("penalty_active", server.log())

        time.sleep(int(locked["Retry-After"]))
        self.assertEqual(self.ask(server).status, 200)
        self.assertGreater(int(self.ask(server)["Retry-After"]), 3500)
        self.tidegate(server, "reset", "ip:127.0.0.1")
        self.assertEqual(self.ask(server).status, 200)

    def test_all_clients_of_a_rule_are_forgotten_while_traffic_flows(self):
        """A client that never stops gets its limit, and once more for each time it is forgotten."""
        server = self.serve('default_limit = 50\ndefault_window = "1h"\nalgorithm = "token_bucket"\n'
                            '[[rate_limiting.endpoints]]\nname = "search"\n'
                            'pattern = "/api/v1/search/*"\nlimit = 10\nwindow = "1h"', workers=2)
        statuses: list[int] = []
        stop = threading.Event()

        def work():
            with harness.Connection(server.port) as connection:
                while not stop.is_set():
                    statuses.append(connection.ask().status)

        running = [threading.Thread(target=work) for _ in range(2)]
        for thread in running:
            thread.start()
        try:
            for times in range(1, 5):
                deadline = time.monotonic() + harness.WITHIN_S
                while statuses.count(200) < 50 * times and time.monotonic() < deadline:
                    time.sleep(0.01)
                refused = statuses.count(429)
                while statuses.count(429) < refused + 50 and time.monotonic() < deadline:
                    time.sleep(0.01)
                self.assertEqual(statuses.count(200), 50 * times)
                if times < 4:
                    self.assertIn("default: all clients forgotten",
                                  self.tidegate(server, "reset", "--rule", "default",
                                                "--all-clients"))
        finally:
            stop.set()
            for thread in running:
                thread.join()
        self.assertEqual(set(statuses), {200, 429})
        left = self.tidegate(server, "peek", "--rule", "search", "ip:127.0.0.1")
        self.assertIn("10 remaining", left)

    def test_reset_says_what_it_needs(self):
        server = self.serve("")
        for arguments in ([], ["--all-clients"], ["--rule", "default", "--all-clients", "ip:::1"],
                          ["--rule", "nothing", "--all-clients"]):
            done = subprocess.run([harness.COMMAND, "reset", "--config", server.config, *arguments],
                                  capture_output=True, text=True, timeout=harness.WITHIN_S)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertTrue(done.stderr)
            self.assertEqual(done.stdout, "")


if __name__ == "__main__":
    harness.main()
