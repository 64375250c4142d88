"""Who is decided how, and what nginx does with a decision (contract 2, 3 and 5)."""

import base64
import hashlib
import hmac
import json
import time

from gateway import API, SEEN, GatewayTest
from upstream import Reply
import gateway
import harness

HOUR = 'default_window = "1h"\n'
THREE = "default_limit = 3\n" + HOUR
PROXY = "proxy_pass http://api;"


def token(secret: str, **claims) -> str:
    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")
    text = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims))
    return f"{text}.{encoded(hmac.digest(secret.encode(), text.encode(), hashlib.sha256))}"


class RequestTest(GatewayTest):
    def setUp(self):
        self.api = self.upstream()

    def serve_api(self, rules: str = THREE, server: str = SEEN + API, **more):
        return self.gateway(rules, server, upstream=self.api, **more)

    def seen(self, server, *arguments, **fields) -> str:
        return self.ask(server, *arguments, **fields)["X-Seen"]


class Limits(RequestTest):
    def test_what_is_refused_does_not_reach_the_upstream(self):
        server = self.serve_api()
        for left in (2, 1, 0):
            before = int(time.time())
            answer = self.ask(server, "/hello")
            self.assertEqual((answer.status, answer.body), (200, b"upstream\n"))
            self.assertEqual(answer.limits(), ("3", str(left)))
            self.assertIn(int(answer["X-RateLimit-Reset"]), range(before, before + 7_300))
            self.assertIsNone(answer["Retry-After"])
        refused = self.ask(server, "/hello?secret=1")
        self.assertEqual((refused.status, refused.limits()), (429, ("3", "0")))
        self.assertEqual(refused["Content-Type"], "application/json")
        self.assertEqual(refused["Cache-Control"], "no-store")
        retry = int(refused["Retry-After"])
        self.assertIn(retry, range(1, 7_201))
        self.assertEqual(json.loads(refused.body), {
            "error": "rate_limit_exceeded", "retry_after_seconds": retry, "limit": 3,
            "message": "Rate limit of 3 requests per 3600 seconds exceeded for endpoint /hello",
            "window_seconds": 3600})
        self.assertEqual(self.api.targets(), ["/hello"] * 3)

    def test_hold_where_they_are_on(self):
        server = self.serve_api(THREE, f"{SEEN}location / {{ {PROXY} }}\n"
                                f"location /on {{ tidegate on; {PROXY} }}\n")
        self.assertEqual(self.statuses(server, 5, "/off"), [200] * 5)
        self.assertEqual(self.statuses(server, 4, "/on"), [200, 200, 200, 429])
        answer = self.ask(server, "/off")
        self.assertEqual((answer.limits(), answer["X-Seen"].strip()), ((None, None), ""))

    def test_are_inherited_and_may_be_put_off(self):
        server = self.serve_api(THREE, f"location / {{ {PROXY} }}\n"
                                f"location /off {{ tidegate off; {PROXY} }}\n",
                                http="tidegate on;")
        self.assertEqual(self.statuses(server, 4), [200, 200, 200, 429])
        self.assertEqual(self.ask(server, "/off").limits(), (None, None))

    def test_do_not_hold_for_what_is_exempt_unlimited_or_disabled(self):
        for rules, outcome in ((THREE + 'exempt_endpoints = ["/hello"]', "exempt"),
                               ('default_limit = "unlimited"', ""), (THREE + "enabled = false", ""),
                               ("default_limit = 1\nshadow = true\n" + HOUR, "shadow")):
            with self.subTest(rules=rules):
                server = self.serve_api(rules)
                for _ in range(5):
                    answer = self.ask(server, "/hello")
                    self.assertEqual((answer.status, answer.limits()), (200, (None, None)))
                self.assertTrue(answer["X-Seen"].startswith(outcome), answer["X-Seen"])

    def test_have_other_causes_of_refusal(self):
        both = THREE + 'windows = [{ limit = 3, window = "2h" }]'
        for rules, error in (("default_limit = 0\n" + HOUR, "maintenance"),
                             (both, "multiple_windows_exceeded"),
                             (THREE + "[rate_limiting.progressive_penalties]\nenabled = true\n"
                              "violation_threshold = 1", "rate_limit_exceeded")):
            server = self.serve_api(rules)
            self.statuses(server, 3)
            answer = self.ask(server, "/hello")
            self.assertEqual((answer.status, self.error(answer)), (429, error))
        self.assertEqual(self.error(self.ask(server, "/hello")), "penalty_active")
        self.assertEqual(len(self.api.requests), 6)

    def test_tell_all_in_the_fields_of_the_draft_too(self):
        server = self.serve_api(THREE + 'headers = ["ietf"]')
        answer = self.ask(server, "/hello")
        self.assertEqual(answer["RateLimit-Policy"], '"default";q=3;w=3600')
        self.assertRegex(answer["RateLimit"], r'^"default";r=2;t=\d+$')
        self.assertEqual(answer.limits(), (None, None))


class Clients(RequestTest):
    def test_are_addresses(self):
        server = self.serve_api(THREE, f"listen unix:socket;\n{SEEN}{API}")
        self.assertEqual(self.seen(server, "/hello"), "allowed ip:127.0.0.1 default anonymous 3 2")
        path = server.prefix / "socket"
        shown = self.curl("--unix-socket", str(path), "-w", "%header{x-seen}", "http://test/hello")
        self.assertEqual(shown, "upstream\nallowed ip:local default anonymous 3 2")

    def test_are_told_by_trusted_proxies(self):
        proxies = "[rate_limiting.client_identification]\ntrusted_proxy_depth = 1"
        with harness.Connection(self.serve_api(THREE + proxies).port) as connection:
            others = "".join(f"X-{number}: x\r\n" for number in range(50))
            connection.send("GET /hello HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n"
                            f"{others}X-Forwarded-For: 192.0.2.2, 203.0.113.7\r\n\r\n")
            self.assertIn("ip:203.0.113.7", connection.answer()["X-Seen"])
            self.assertIn("ip:127.0.0.1", connection.ask("/hello")["X-Seen"])

    def test_are_whom_nginx_takes_them_for(self):
        server = self.serve_api(http="set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;")
        for peer, left in (("203.0.113.7", 2), ("203.0.113.8", 2), ("203.0.113.7", 1)):
            self.assertEqual(self.seen(server, "/hello", X_Real_IP=peer),
                             f"allowed ip:{peer} default anonymous 3 {left}")

    def test_are_users_by_their_tokens(self):
        secret = "a secret of thirty-two bytes or more"
        server = self.serve_api(THREE + "[rate_limiting.client_identification.jwt]\n"
                                '[[rate_limiting.tiers]]\nname = "premium"\nlimit = 50\n'
                                'window = "1h"', environment={"JWT_SECRET": secret})
        bearer = "Bearer " + token(secret, user_id=7, tier="premium")
        self.assertEqual(self.seen(server, "/hello", Authorization=bearer),
                         "allowed user:7 default premium 50 49")
        self.assertIn("ip:127.0.0.1", self.seen(server, "/hello", Authorization=bearer + "x"))

    def test_may_be_named_with_their_tiers_by_variables(self):
        server = self.serve_api(
            THREE + '[[rate_limiting.tiers]]\nname = "near"\nlimit = 9\nwindow = "1h"',
            "tidegate_client $user; tidegate_tier $arg_tier;" + SEEN + API,
            http='map $arg_user $user { "" ""; default "user:$arg_user"; }')
        self.assertEqual(self.seen(server, "/?user=42"), "allowed user:42 default anonymous 3 2")
        self.assertEqual(self.seen(server, "/?user=42&tier=near"),
                         "allowed user:42 default near 9 7")
        self.assertEqual(self.seen(server, "/?user=43"), "allowed user:43 default anonymous 3 2")
        self.assertEqual(self.seen(server, "/?tier=far"),
                         "allowed ip:127.0.0.1 default anonymous 3 2")
        self.assertIn("1 remaining", self.run_command(server, "peek", "user:42"))

    def test_take_what_a_variable_says(self):
        server = self.serve_api("default_limit = 10\n" + HOUR, "tidegate_cost $arg_cost;" + API)
        for cost, status, left in (("5", 200, 5), ("", 200, 4), ("many", 200, 3), ("11", 429, 3),
                                   ("0", 200, 3), ("-1", 200, 2), ("1e9", 200, 1)):
            answer = self.ask(server, f"/?cost={cost}")
            self.assertEqual((cost, answer.status, answer.limits()), (cost, status, ("10", f"{left}")))
            if status == 429:
                self.assertEqual(self.error(answer), "cost_exceeds_limit")
                self.assertIsNone(answer["Retry-After"])
        errors = [line for line in server.log().splitlines() if "[error]" in line]
        self.assertEqual(len(errors), 3)
        for line, cost in zip(errors, ("many", "-1", "1e9")):
            self.assertIn(cost, line)


class Endpoints(RequestTest):
    SEARCH = ('[[rate_limiting.endpoints]]\nname = "search"\npattern = "/api/search/*"\n'
              'limit = 1\nwindow = "1h"\nmethods = ["GET"]\n')

    def test_are_met_by_any_spelling(self):
        server = self.serve_api(THREE + self.SEARCH)
        self.assertEqual(self.seen(server, "/api/search/x"), "allowed ip:127.0.0.1 search anonymous 1 0")
        for target in ("/api//search/x", "/api/./search/x?y", "/api/%73earch/x", "/api/search/y/",
                       "/other/../api/search/x", "http://elsewhere/api/search/x"):
            self.assertEqual(self.ask(server, target).status, 429, target)
        self.assertIn("default", self.seen(server, "/api/search/x", "POST", "body"))

    def test_are_of_the_target_that_was_asked_for(self):
        server = self.serve_api(THREE + self.SEARCH,
                                "rewrite ^/renamed/(.*) /api/search/$1;\n" + SEEN + API)
        self.assertEqual(self.seen(server, "/renamed/x"), "allowed ip:127.0.0.1 default anonymous 3 2")
        self.assertEqual(self.api.targets(), ["/api/search/x"])

    def test_are_apart_for_preflights(self):
        server = self.serve_api()
        preflight = {"Origin": "https://app.example", "Access_Control_Request_Method": "GET"}
        for left in (2, 1):
            self.assertEqual(self.seen(server, "/hello", "OPTIONS", **preflight),
                             f"allowed ip:127.0.0.1 preflight anonymous 3 {left}")
        self.assertEqual(self.ask(server, "/hello").limits(), ("3", "2"))


class Refusals(RequestTest):
    def refusing(self, *arguments, **more):
        return self.serve_api("default_limit = 0\n" + HOUR + 'exempt_endpoints = ["/open"]',
                              *arguments, **more)

    def test_of_head_have_no_body(self):
        with harness.Connection(self.refusing().port) as connection:
            answer = connection.ask("/hello", "HEAD")
            self.assertEqual((answer.status, answer.limits()), (429, ("0", "0")))
            self.assertEqual(answer["Content-Type"], "application/json")
            self.assertEqual(connection.ask("/open").body, b"upstream\n")

    def test_discard_the_body_of_the_request_and_keep_the_connection(self):
        with harness.Connection(self.refusing().port) as connection:
            self.assertEqual(connection.ask("/hello", "POST", "x" * 500_000).status, 429)
            connection.send("POST /hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            connection.send("5\r\nhello\r\n")
            self.assertEqual(connection.answer().status, 429)
            connection.send("10000\r\n" + "x" * 0x10000 + "\r\n0\r\n\r\n")
            self.assertEqual(connection.ask("/open", "POST", "a body").status, 200)
        self.assertEqual([request.body for request in self.api.requests], [b"a body"])

    def test_do_not_wait_for_a_body_that_waits_for_them(self):
        with harness.Connection(self.refusing().port) as connection:
            connection.send("POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
                            "Expect: 100-continue\r\n\r\n")
            answer = connection.answer()
            if answer.status == 100:
                answer = connection.answer()
            self.assertEqual((answer.status, answer.limits()), (429, ("0", "0")))

    def test_name_the_path_as_it_is(self):
        with harness.Connection(self.refusing().port) as connection:
            for target, shown in (("/%22%5C%0a", '/"\\\n'), ("/" + "x" * 4_000, "/xxx")):
                body = json.loads(connection.ask(target).body)
                self.assertIn(f"Endpoint {shown}", body["message"])
                self.assertLess(len(body["message"]), 400)

    def test_may_have_a_page_of_their_own(self):
        server = self.refusing("error_page 429 /busy.html;\nlocation = /busy.html { }\n" + API)
        (server.html / "busy.html").write_text("come back\n")
        answer = self.ask(server, "/hello")
        self.assertEqual((answer.status, answer.body), (429, b"come back\n"))
        self.assertEqual(answer.limits(), ("0", "0"))
        self.assertEqual(answer["Content-Type"], "text/html")
        self.assertGreaterEqual(int(answer["Retry-After"]), 1)
        self.assertEqual(answer["Cache-Control"], "no-store")
        (server.html / "busy.html").unlink()
        answer = self.ask(server, "/hello", "POST", "x" * 100_000)
        self.assertIn(answer.status, (404, 429))
        self.assertEqual((answer.limits(), self.api.requests), (("0", "0"), []))

    def test_may_have_a_location_of_their_own(self):
        server = self.refusing("error_page 429 = @busy;\n"
                               f"location @busy {{ proxy_pass http://api; }}\n{SEEN}{API}")
        self.api.replies["/hello"] = Reply(status=503)
        answer = self.ask(server, "/hello", "POST", "body")
        self.assertEqual((answer.status, answer.limits()), (503, ("0", "0")))
        self.assertTrue(answer["X-Seen"].startswith("denied "), answer["X-Seen"])


class Undecided(RequestTest):
    def test_what_nginx_answers_before_it_asks(self):
        server = self.serve_api(THREE, SEEN + API + 'location /said { return 200 "said"; }\n'
                                "location /moved { rewrite ^ /hello permanent; }\n")
        for target, status in (("/said", 200), ("/moved", 301)):
            answer = self.ask(server, target)
            self.assertEqual((answer.status, answer.limits()), (status, (None, None)))
            self.assertEqual(answer["X-Seen"].strip(), "")
        self.assertEqual(self.ask(server, "/hello").limits(), ("3", "2"))

    def test_what_nginx_cannot_read(self):
        server = self.serve_api()
        for data in ("GET /hello HTTP/1.1\r\n\r\n", "nonsense\r\n\r\n", "GET /hello HTTP/9.9\r\n\r\n",
                     "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                     "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
                     f"GET /{'x' * 40_000} HTTP/1.1\r\nHost: a\r\n\r\n"):
            with harness.Connection(server.port) as connection:
                connection.send(data)
                answer = connection.answer()
                if answer:
                    self.assertGreaterEqual(answer.status, 400)
                    self.assertEqual(answer.limits(), (None, None))
        self.assertEqual(self.ask(server, "/hello").limits(), ("3", "2"))


if __name__ == "__main__":
    gateway.main()
