"""What browsers need to let a page of another origin use the demonstration (contract 3 and 5)."""

import json

import harness

ORIGIN = "https://app.example"
EXPOSED = "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After"


class Cors(harness.ServerTest):
    def preflight(self, server, target="/api/v1/hello", method="GET", **fields):
        return self.ask(server, target, "OPTIONS", Origin=ORIGIN,
                        Access_Control_Request_Method=method, **fields)

    def test_a_preflight_is_told_what_it_may_ask_for(self):
        server = self.serve()
        for target, methods in [("/api/v1/hello", "GET, HEAD"), ("/api/v1/search/x", "GET, HEAD"),
                                ("/api/v1/stream", "GET, HEAD"), ("/api/v1/orders", "POST")]:
            with self.subTest(target=target):
                answer = self.preflight(server, target,
                                        Access_Control_Request_Headers="x-api-key")
                self.assertEqual((answer.status, answer.body), (204, b""))
                self.assertIsNone(answer["Content-Length"])
                self.assertEqual(answer["Access-Control-Allow-Origin"], "*")
                self.assertEqual(answer["Access-Control-Allow-Methods"], methods)
                self.assertEqual(answer["Access-Control-Allow-Headers"], "*, Authorization")
                self.assertGreater(int(answer["Access-Control-Max-Age"]), 0)

    def test_a_connection_goes_on_after_a_preflight(self):
        connection = self.connect(self.serve())
        answer = connection.ask("/api/v1/hello", "OPTIONS", Origin=ORIGIN,
                                Access_Control_Request_Method="GET")
        self.assertEqual(answer.status, 204)
        self.assertEqual(connection.ask().status, 200)

    def test_preflights_count_under_a_rule_of_their_own(self):
        server = self.serve("default_limit = 2")
        answers = [self.preflight(server) for _ in range(3)]
        self.assertEqual([answer.status for answer in answers], [204, 204, 429])
        self.assertEqual(answers[0].limits(), ("2", "1"))
        self.assertEqual(self.ask(server).limits(), ("2", "1"))

    def test_scripts_may_read_our_fields_on_every_answer(self):
        server = self.serve("default_limit = 2")
        for target, method, status in [("/api/v1/hello", "GET", 200), ("/api/v1/hello", "PUT", 405),
                                       ("/api/v1/hello", "GET", 429)]:
            with self.subTest(status=status):
                answer = self.ask(server, target, method, Origin=ORIGIN)
                self.assertEqual(answer.status, status)
                self.assertEqual(answer["Access-Control-Allow-Origin"], "*")
                self.assertEqual(answer["Access-Control-Expose-Headers"], EXPOSED)

    def test_the_fields_of_the_draft_are_named_too(self):
        server = self.serve('headers = ["ietf"]')
        self.assertEqual(self.ask(server, Origin=ORIGIN)["Access-Control-Expose-Headers"],
                         "RateLimit-Policy, RateLimit, Retry-After")

    def test_nothing_is_exposed_where_there_is_nothing(self):
        server = self.serve('exempt_endpoints = ["/api/v1/hello"]')
        answer = self.ask(server, Origin=ORIGIN)
        self.assertEqual(answer["Access-Control-Allow-Origin"], "*")
        self.assertIsNone(answer["Access-Control-Expose-Headers"])

    def test_who_is_no_page_gets_none_of_this(self):
        server = self.serve()
        self.assertIsNone(self.ask(server)["Access-Control-Allow-Origin"])
        answer = self.ask(server, "/api/v1/hello", "OPTIONS")
        self.assertEqual((answer.status, answer["Allow"]), (204, "GET, HEAD, OPTIONS"))
        self.assertEqual(answer.limits(), ("100", "98"), "it is no preflight")

    def test_what_is_for_operators_stays_closed_to_pages(self):
        server = self.serve()
        for target in ("/health", "/metrics"):
            answer = self.ask(server, target, Origin=ORIGIN)
            self.assertEqual(answer.status, 200)
            self.assertIsNone(answer["Access-Control-Allow-Origin"])
            self.assertEqual(self.preflight(server, target).status, 405)

    def test_a_proxy_that_asks_about_a_preflight_gets_the_decision(self):
        server = self.serve("default_limit = 1", demo=False)
        asked = {"X_Forwarded_Uri": "/x", "X_Forwarded_Method": "OPTIONS", "Origin": ORIGIN,
                 "Access_Control_Request_Method": "GET"}
        first, second = (self.ask(server, "/auth", **asked) for _ in range(2))
        self.assertEqual((first.status, first.limits()), (200, ("1", "0")))
        self.assertEqual(second.status, 429)
        self.assertEqual(json.loads(second.body)["error"], "rate_limit_exceeded")
        self.assertEqual(self.ask(server, "/auth", X_Forwarded_Uri="/x").status, 200,
                         "other requests count apart")


if __name__ == "__main__":
    harness.main()
