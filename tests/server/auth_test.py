"""Forward auth: a proxy asks at /auth about a request before it forwards it (contract 10)."""

import json

import harness

RULES = """default_limit = 3
[rate_limiting.client_identification]
trusted_proxy_depth = 1
[[rate_limiting.endpoints]]
name = "search"
pattern = "/search/*"
limit = 2
window = "1h"
[[rate_limiting.endpoints]]
name = "writes"
pattern = "/items"
methods = ["POST"]
limit = 1
window = "1h"
"""


class Auth(harness.ServerTest):
    def ask_about(self, server, target="/x", auth="/auth", **fields):
        fields.setdefault("X_Forwarded_For", "203.0.113.7")
        return self.ask(server, auth, X_Forwarded_Uri=target, **fields)

    def test_answers_200_or_429_with_fields(self):
        server = self.serve(RULES, demo=False)
        answers = [self.ask_about(server) for _ in range(4)]
        self.assertEqual([answer.status for answer in answers], [200, 200, 200, 429])
        self.assertEqual([answer["X-RateLimit-Remaining"] for answer in answers], ["2", "1", "0", "0"])
        self.assertEqual(answers[0].body, b"")
        self.assertEqual(json.loads(answers[3].body)["error"], "rate_limit_exceeded")
        self.assertGreaterEqual(int(answers[3]["Retry-After"]), 1)

    def test_counts_clients_behind_the_proxy_apart(self):
        server = self.serve(RULES, demo=False)
        for _ in range(4):
            self.ask_about(server)
        self.assertEqual(self.ask_about(server, X_Forwarded_For="203.0.113.8").status, 200)

    def test_deny_403_is_for_proxies_that_know_no_429(self):
        server = self.serve(RULES, demo=False)
        statuses = [self.ask_about(server, auth="/auth?deny=403").status for _ in range(4)]
        self.assertEqual(statuses, [200, 200, 200, 403])
        self.assertEqual(self.ask_about(server, auth="/auth?deny=200").status, 400)

    def test_takes_target_and_method_from_either_pair_of_fields(self):
        server = self.serve(RULES, demo=False)
        answer = self.ask(server, "/auth", X_Original_URI="/search/a?q=1",
                          X_Forwarded_For="203.0.113.7")
        self.assertEqual(answer.limits(), ("2", "1"))
        for name in ("X_Forwarded_Method", "X_Original_Method"):
            answer = self.ask_about(server, "/items", **{name: "POST"},
                                    X_Forwarded_For=f"203.0.113.{len(name)}")
            self.assertEqual(answer.limits(), ("1", "0"), name)
        self.assertEqual(self.ask_about(server, "/items").limits(), ("3", "2"))

    def test_two_targets_are_charged_to_both_rules(self):
        server = self.serve(RULES, demo=False)
        both = {"X_Original_URI": "/search/a", "X_Forwarded_For": "203.0.113.9"}
        self.assertEqual(self.ask_about(server, "/x", **both).limits(), ("2", "1"))
        self.assertEqual(self.ask_about(server, "/x", X_Forwarded_For="203.0.113.9").limits(),
                         ("3", "1"))
        self.assertEqual(self.ask_about(server, "/x", **both).status, 200)
        self.assertEqual(self.ask_about(server, "/x", **both).status, 429)

    def test_a_question_about_nothing_is_a_bad_request(self):
        server = self.serve(RULES, demo=False)
        for fields in ({}, {"X_Forwarded_Method": "GET"},
                       {"X_Forwarded_Uri": "/x", "X_Forwarded_Method": "GET",
                        "X_Original_Method": "POST"}):
            answer = self.ask(server, "/auth", **fields)
            self.assertEqual(answer.status, 400)
            self.assertEqual(json.loads(answer.body)["error"], "bad_request")

    def test_without_trusted_proxies_everybody_is_one_client_and_that_is_said_once(self):
        server = self.serve("default_limit = 3", demo=False)
        statuses = [self.ask_about(server, X_Forwarded_For=f"203.0.113.{i}").status
                    for i in range(4)]
        self.assertEqual(statuses, [200, 200, 200, 429])
        self.assertEqual(server.log().count('"event":"untrusted_proxy"'), 1)
        self.assertIn('rate_limit_identity_warnings_total{reason="untrusted_proxy"}',
                      self.ask(server, "/metrics").body.decode())

    def test_without_the_demo_there_is_nothing_else(self):
        server = self.serve("default_limit = 1", demo=False)
        for _ in range(3):
            answer = self.ask(server, "/api/v1/hello")
            self.assertEqual((answer.status, answer.limits()), (404, (None, None)))


if __name__ == "__main__":
    harness.main()
