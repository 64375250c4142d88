"""What a client sees of a decision: status, fields, body (contract 5), in front of every route."""

import json
import subprocess
import time

import harness

BUCKET = 'algorithm = "token_bucket"\n'


class Decisions(harness.ServerTest):
    def test_every_response_with_a_decision_has_the_fields(self):
        server = self.serve("default_limit = 100")
        cases = [("/api/v1/hello", "GET", 200), ("/api/v1/search/x", "GET", 200),
                 ("/api/v1/orders", "POST", 201), ("/api/v1/orders", "GET", 405),
                 ("/nothing/here", "GET", 404), ("/api/v1/stream", "GET", 200),
                 ("*", "OPTIONS", 404)]
        for used, (target, method, status) in enumerate(cases, 1):
            with self.subTest(target=target, method=method):
                answer = self.ask(server, target, method)
                self.assertEqual(answer.status, status)
                self.assertEqual(answer.limits(), ("100", str(100 - used)))
                wait = int(answer["X-RateLimit-Reset"]) - time.time()
                self.assertTrue(0 < wait < 130, wait)
                self.assertIsNone(answer["Retry-After"])

    def test_the_101st_request_is_refused(self):
        server = self.serve("default_limit = 100", workers=2)
        done = subprocess.run(
            ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}\\n",
             f"http://127.0.0.1:{server.port}/api/v1/hello?n=[1-101]"],
            capture_output=True, text=True, timeout=harness.WITHIN_S, check=True)
        self.assertEqual(sorted(done.stdout.split()), ["200"] * 100 + ["429"])

    def test_a_refusal_says_why_and_when_to_come_back(self):
        server = self.serve('default_limit = 1\ndefault_window = "1h"\n' + BUCKET)
        self.assertEqual(self.ask(server).status, 200)
        answer = self.ask(server)
        self.assertEqual(answer.status, 429)
        self.assertEqual(answer.limits(), ("1", "0"))
        self.assertEqual(answer["Content-Type"], "application/json")
        self.assertEqual(answer["Cache-Control"], "no-store")
        body = json.loads(answer.body)
        self.assertEqual(int(answer["Retry-After"]), body["retry_after_seconds"])
        self.assertTrue(3500 < body.pop("retry_after_seconds") <= 3600)
        self.assertEqual(body, {
            "error": "rate_limit_exceeded", "limit": 1, "window_seconds": 3600,
            "message": "Rate limit of 1 requests per 3600 seconds exceeded for endpoint "
                       "/api/v1/hello"})

    def test_who_waits_as_told_gets_in(self):
        server = self.serve('default_limit = 1\ndefault_window = "1s"\n' + BUCKET)
        self.assertEqual(self.ask(server).status, 200)
        refused = self.ask(server)
        self.assertEqual(refused.status, 429)
        time.sleep(int(refused["Retry-After"]))
        self.assertEqual(self.ask(server).status, 200)

    def test_several_windows_exceeded_are_all_named(self):
        windows = ('default_limit = 1\ndefault_window = "1h"\nwindows = [ { limit = 1, window = "1d" } ]'
                   '\n' + BUCKET)
        for which, seconds in (("shortest", 3600), ("longest", 86400)):
            server = self.serve(f'retry_after = "{which}"\n{windows}')
            self.ask(server)
            answer = self.ask(server)
            body = json.loads(answer.body)
            self.assertEqual(body["error"], "multiple_windows_exceeded")
            self.assertEqual([window["window_seconds"] for window in body["windows"]], [3600, 86400])
            self.assertTrue(seconds - 60 < int(answer["Retry-After"]) <= seconds)

    def test_a_request_that_one_window_refuses_takes_nothing_from_the_other(self):
        server = self.serve('default_limit = 10\ndefault_window = "1d"\n'
                            'windows = [ { limit = 2, window = "1h" } ]\nalgorithm = "fixed_window"\n'
                            'headers = ["ietf"]')
        for _ in range(6):
            answer = self.ask(server)
        self.assertEqual(answer.status, 429)
        self.assertRegex(answer["RateLimit"], r'^"default";r=8;t=\d+, "default-3600s";r=0;t=\d+$')

    def test_a_cost_above_the_limit_never_passes(self):
        server = self.serve('[[rate_limiting.endpoints]]\npattern = "/api/v1/hello"\nlimit = 3\n'
                            'window = "1m"\ncost = 4')
        answer = self.ask(server)
        self.assertEqual(answer.status, 429)
        self.assertIsNone(answer["Retry-After"])
        body = json.loads(answer.body)
        self.assertEqual((body["error"], body["retry_after_seconds"]), ("cost_exceeds_limit", None))
        self.assertEqual(answer.limits(), ("3", "3"))

    def test_limit_0_is_maintenance(self):
        server = self.serve('default_limit = 0\ndefault_window = "30s"')
        answer = self.ask(server)
        self.assertEqual(answer.status, 429)
        self.assertEqual(answer.limits(), ("0", "0"))
        self.assertEqual(answer["Retry-After"], "30")
        self.assertEqual(json.loads(answer.body)["error"], "maintenance")

    def test_unlimited_exempt_and_switched_off_have_no_fields(self):
        for rules, target in (('default_limit = "unlimited"', "/api/v1/hello"),
                              ("enabled = false", "/api/v1/hello"),
                              ('[[rate_limiting.exemptions]]\ntype = "ip"\nvalue = "127.0.0.0/8"',
                               "/api/v1/hello"),
                              ("default_limit = 1", "/health")):
            server = self.serve(rules)
            for _ in range(3):
                answer = self.ask(server, target)
                self.assertEqual(answer.status, 200)
                self.assertEqual([name for name, _ in answer.fields if "rate" in name.lower()], [])

    def test_both_kinds_of_fields(self):
        server = self.serve('headers = ["x-ratelimit", "ietf"]')
        answer = self.ask(server)
        self.assertEqual(answer.limits(), ("100", "99"))
        self.assertEqual(answer["RateLimit-Policy"], '"default";q=100;w=60')
        self.assertRegex(answer["RateLimit"], r'^"default";r=99;t=\d+$')

    def test_endpoints_count_apart_and_no_spelling_dodges_them(self):
        server = self.serve('[[rate_limiting.endpoints]]\nname = "search"\n'
                            'pattern = "/api/v1/search/*"\nlimit = 5\nwindow = "1h"')
        for used, target in enumerate(["/api/v1/search/a", "//api/./v1/%73earch/b?q=1",
                                       "/api%2Fv1%2Fsearch%2Fc", "http://other/api/v1/search/d",
                                       "/x/../api/v1/search/e/"], 1):
            self.assertEqual(self.ask(server, target).limits(), ("5", str(5 - used)), target)
        for target in ("/api/v1/search/f", "/api%2fv1%2fsearch%2ff", "/api/v1//search/f;x=1"):
            self.assertEqual(self.ask(server, target).status, 429, target)
        self.assertEqual(self.ask(server).status, 200)

    def test_methods_fall_through_to_the_next_rule(self):
        server = self.serve('[[rate_limiting.endpoints]]\nname = "reads"\npattern = "/api/v1/orders"\n'
                            'methods = ["GET"]\nlimit = 7\nwindow = "1h"')
        self.assertEqual(self.ask(server, "/api/v1/orders", "GET").limits(), ("7", "6"))
        self.assertEqual(self.ask(server, "/api/v1/orders", "HEAD").limits(), ("7", "5"))
        self.assertEqual(self.ask(server, "/api/v1/orders", "POST").limits(), ("100", "99"))

    def test_an_invented_address_changes_nothing(self):
        server = self.serve("default_limit = 5")
        statuses = [self.ask(server, X_Forwarded_For=f"203.0.113.{i}", X_Real_IP=f"203.0.113.{i}",
                             Forwarded=f"for=203.0.113.{i}").status for i in range(6)]
        self.assertEqual(statuses, [200] * 5 + [429])

    def test_behind_a_trusted_proxy_the_address_counts(self):
        server = self.serve("default_limit = 1\n[rate_limiting.client_identification]\n"
                            "trusted_proxy_depth = 1")
        self.assertEqual(self.ask(server, X_Forwarded_For="203.0.113.1").status, 200)
        self.assertEqual(self.ask(server, X_Forwarded_For="203.0.113.2").status, 200)
        self.assertEqual(self.ask(server, X_Forwarded_For="6.6.6.6, 203.0.113.2").status, 429)

    def test_keys_of_a_header_are_clients(self):
        server = self.serve('default_limit = 1\n[rate_limiting.client_identification]\n'
                            'identify = ["header:X-API-Key", "ip"]')
        self.assertEqual(self.ask(server, X_API_Key="one-secret").status, 200)
        self.assertEqual(self.ask(server, X_API_Key="another").status, 200)
        self.assertEqual(self.ask(server, X_API_Key="one-secret").status, 429)
        self.assertEqual(self.ask(server).status, 200)
        self.assertRegex(server.log(), r'"client_id":"key:[0-9a-f]{12}"')
        self.assertNotIn("one-secret", server.log())

    def test_metrics_show_what_happened_and_logs_say_it_once(self):
        server = self.serve("default_limit = 2", workers=2)
        for _ in range(5):
            self.ask(server)
        metrics = self.ask(server, "/metrics")
        self.assertEqual(metrics["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        text = metrics.body.decode()
        self.assertIn('{endpoint="default",tier="anonymous",status="allowed"} 2\n', text)
        self.assertIn('{endpoint="default",tier="anonymous",status="denied"} 3\n', text)
        self.assertIn('rate_limit_exceeded_total{endpoint="default",tier="anonymous",'
                      'client_type="ip"} 3\n', text)
        self.assertIn('rate_limit_current_usage{endpoint="default",tier="anonymous",'
                      'client_id="ip:127.0.0.1"} 2\n', text)
        lines = [json.loads(line) for line in server.log().splitlines()]
        # One line for each process that refused.
        self.assertTrue(1 <= len(lines) <= 2, lines)
        self.assertEqual(lines[0]["event"], "rate_limit_exceeded")

    def test_health(self):
        answer = self.ask(self.serve(), "/health")
        self.assertEqual(answer.status, 200)
        body = json.loads(answer.body)
        self.assertGreater(body.pop("latency_ms"), 0)
        self.assertEqual(body, {"status": "ok", "backend": "memory", "breaker": "closed",
                                "generation": 1, "reload_error": None, "keys_error": None})


if __name__ == "__main__":
    harness.main()
