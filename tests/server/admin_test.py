"""What operators may do with the token, and what everybody else gets."""

import json
import re
import time

import harness

TOKEN = "correct horse battery staple"
ADMIN = '\n[rate_limiting.admin]\ntoken_env = "ADMIN_TOKEN"\n'
RULES = ('default_limit = 5\ndefault_window = "1h"\nalgorithm = "fixed_window"\n'
         '[[rate_limiting.endpoints]]\nname = "search"\npattern = "/api/v1/search/*"\n'
         'limit = 2\nwindow = "1h"\n')
PAGE = "/admin/rate-limit/"
STATUS = PAGE + "status"
RESET = PAGE + "reset"
HELLO = "/api/v1/hello"


class AdminTest(harness.ServerTest):
    def serve_admin(self, *options, rules: str = RULES, **more) -> harness.Server:
        return self.serve(rules + ADMIN, *options, environment={"ADMIN_TOKEN": TOKEN}, **more)

    def admin(self, server, target=STATUS, method="GET", body="", token=TOKEN, **more):
        return self.ask(server, target, method, body, Authorization=f"Bearer {token}", **more)

    def status(self, server, **more) -> dict:
        answer = self.admin(server, **more)
        self.assertEqual(answer.status, 200)
        return json.loads(answer.body)

    def reset(self, server, **body) -> harness.Answer:
        return self.admin(server, RESET, "POST", json.dumps(body))


class Token(AdminTest):
    def test_without_a_configured_token_there_is_nothing(self):
        server = self.serve(RULES, demo=False)
        for target in (PAGE, PAGE[:-1], PAGE + "page.js", STATUS):
            self.assertEqual(self.admin(server, target).status, 404, target)
        self.assertEqual(self.admin(server, RESET, "POST", "{}").status, 404)

    def test_a_missing_or_wrong_token_is_refused(self):
        server = self.serve_admin()
        wrong = ["", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}",
                 f"Bearer x{TOKEN}", TOKEN, f"Bearer{TOKEN}", f"Bearer {TOKEN.upper()}",
                 "Bearer " + "x" * 8000]
        for authorization in wrong:
            for method, target in (("GET", STATUS), ("POST", RESET)):
                answer = self.ask(server, target, method, Authorization=authorization)
                self.assertEqual(answer.status, 401, authorization)
                self.assertEqual(answer["WWW-Authenticate"], 'Bearer realm="tidegate admin"')
                self.assertEqual(answer["Cache-Control"], "no-store")
                self.assertNotIn(TOKEN.encode(), answer.body)
        with harness.Connection(server.port) as connection:
            twice = f"Authorization: Bearer {TOKEN}\r\n" * 2
            connection.send(f"GET {STATUS} HTTP/1.1\r\nHost: x\r\n{twice}\r\n")
            self.assertEqual(connection.answer().status, 401)
        for scheme in ("Bearer ", "bearer ", "BEARER   "):
            self.assertEqual(self.ask(server, STATUS, Authorization=scheme + TOKEN).status, 200)

    def test_wrong_tokens_are_counted_each_and_logged_once_a_minute(self):
        server = self.serve_admin()
        for _ in range(30):
            self.admin(server, token="wrong")
        self.assertEqual(self.status(server)["admin_denied"], 30)
        self.assertIn("rate_limit_admin_denied_total 30\n", self.ask(server, "/metrics").body.decode())
        lines = [line for line in server.log().splitlines() if "admin_denied" in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertIn("127.0.0.1", lines[0])
        self.assertNotIn("wrong", lines[0].replace("without the right", ""))

    def test_operators_are_never_limited(self):
        server = self.serve_admin(rules="default_limit = 0\n")
        self.assertEqual(self.ask(server).status, 429)
        for _ in range(20):
            answer = self.admin(server)
            self.assertEqual(answer.status, 200)
            self.assertIsNone(answer["X-RateLimit-Limit"])

    def test_the_greeting_names_the_page_where_there_is_one(self):
        server = self.serve_admin()
        self.assertEqual(server.process.stdout.readline(),
                         f"Admin: http://127.0.0.1:{server.port}/admin/rate-limit/\n")
        server = self.serve(RULES)
        server.process.terminate()
        self.assertEqual(server.process.stdout.read(), "")

    def test_the_port_for_operators_has_all_of_it_alone(self):
        server = self.serve_admin("--ops-listen", "127.0.0.1:0", demo=False)
        main, ops = server.ports
        for target in (PAGE, STATUS):
            self.assertEqual(self.admin(server, target, port=main).status, 404)
            self.assertEqual(self.admin(server, target, port=ops).status, 200)
        self.assertEqual(self.admin(server, RESET, "POST", '{"client":"x"}', port=main).status, 404)
        self.assertEqual(self.admin(server, RESET, "POST", '{"client":"x"}', port=ops).status, 200)


class Page(AdminTest):
    def test_it_has_no_data_and_takes_nothing_from_elsewhere(self):
        server = self.serve_admin()
        self.ask(server, HELLO)
        kinds = {"": "text/html", "page.css": "text/css", "page.js": "text/javascript"}
        texts = {}
        for name, kind in kinds.items():
            answer = self.ask(server, PAGE + name)
            self.assertEqual(answer.status, 200)
            self.assertTrue(answer["Content-Type"].startswith(kind))
            self.assertEqual(answer["Cache-Control"], "no-store")
            self.assertEqual(answer["X-Content-Type-Options"], "nosniff")
            policy = answer["Content-Security-Policy"]
            self.assertTrue(policy.startswith("default-src 'none';"), policy)
            self.assertNotIn("unsafe", policy)
            self.assertIn("frame-ancestors 'none'", policy)
            texts[name] = answer.body.decode()
            self.assertNotIn("127.0.0.1", texts[name])
        for link in re.findall(r'(?:href|src)="([^"]*)"', texts[""]):
            self.assertIn(link, ["data:,", "page.css", "page.js"])
        self.assertNotRegex(texts[""], r"\son\w+=|style=|<script>|<style>")
        self.assertNotRegex(texts["page.js"], r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(")
        urls = set(re.findall(r"https?://[^\"' ]+", "".join(texts.values())))
        self.assertEqual(urls, {"http://www.w3.org/2000/svg"})  # the name of a language

    def test_its_address_without_a_slash_leads_there(self):
        answer = self.ask(self.serve_admin(), PAGE[:-1])
        self.assertEqual((answer.status, answer["Location"]), (308, PAGE))

    def test_methods(self):
        server = self.serve_admin()
        self.assertEqual(self.ask(server, PAGE, "HEAD").status, 200)
        self.assertEqual(self.admin(server, STATUS, "HEAD").status, 200)
        for target, allowed in ((PAGE, "GET, HEAD"), (STATUS, "GET, HEAD"), (RESET, "POST")):
            answer = self.admin(server, target, "DELETE")
            self.assertEqual((answer.status, answer["Allow"]), (405, allowed))
        self.assertEqual(self.admin(server, RESET).status, 405)


class Status(AdminTest):
    def test_it_says_how_things_stand(self):
        server = self.serve_admin()
        before = time.time()
        for _ in range(7):
            self.ask(server, HELLO)
        for _ in range(3):
            self.ask(server, "/api/v1/search/x")
        status = self.status(server)
        self.assertRegex(status["version"], r"^\d+\.\d+\.\d+$")
        self.assertLess(abs(status["time_us"] / 1e6 - before), 60)
        self.assertLessEqual(status["started_us"], status["time_us"])
        self.assertEqual([status[name] for name in ("health", "backend", "breaker", "failure_mode")],
                         ["ok", "memory", "closed", "fail_open"])
        self.assertEqual(status["reload"]["generation"], 1)
        self.assertEqual(status["store"]["capacity"], 10_000)
        totals = {row["endpoint"]: row for row in status["totals"]}
        self.assertEqual(totals["default"]["requests"]["allowed"], 5)
        self.assertEqual(totals["default"]["requests"]["denied"], 2)
        self.assertEqual(totals["search"]["exceeded"], {"ip": 1, "user": 0, "key": 0})
        self.assertEqual(status["busiest"],
                         [{"endpoint": "default", "tier": "anonymous", "client": "ip:127.0.0.1",
                           "used": 5, "limit": 5},
                          {"endpoint": "search", "tier": "anonymous", "client": "ip:127.0.0.1",
                           "used": 2, "limit": 2}])
        self.assertEqual(self.admin(server)["Cache-Control"], "no-store")

    def test_any_worker_tells_the_counts_of_all(self):
        server = self.serve_admin(rules='default_limit = 1000\n', workers=3)
        statuses = self.ask_all_at_once(server, 6, 20)
        self.assertEqual(statuses.count(200), 120)
        for _ in range(10):
            [row] = self.status(server)["totals"]
            self.assertEqual(row["requests"]["allowed"], 120)

    def test_entries_are_counted_within_seconds(self):
        server = self.serve_admin()
        self.ask(server, HELLO)
        deadline = time.monotonic() + harness.WITHIN_S
        while self.status(server)["store"]["entries"] != 1:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.2)


class Reset(AdminTest):
    def test_it_forgets_one_client(self):
        server = self.serve_admin()
        for _ in range(6):
            self.ask(server, HELLO)
            self.ask(server, "/api/v1/search/x")
        answer = self.reset(server, client="ip:127.0.0.1", rule="search")
        self.assertEqual((answer.status, json.loads(answer.body)),
                         (200, {"status": "reset", "counts": 1}))
        self.assertEqual(self.ask(server, "/api/v1/search/x").status, 200)
        self.assertEqual(self.ask(server, HELLO).status, 429)
        self.assertEqual(json.loads(self.reset(server, client="ip:127.0.0.1").body)["counts"], 2)
        self.assertEqual(self.ask(server, HELLO).status, 200)
        self.assertEqual(json.loads(self.reset(server, client="ip:203.0.113.1").body)["counts"], 0)
        self.assertEqual(server.log().count('"event":"admin_reset"'), 3)

    def test_it_forgets_all_clients_of_a_rule(self):
        server = self.serve_admin()
        for _ in range(3):
            self.ask(server, "/api/v1/search/x")
        answer = self.reset(server, rule="search", all_clients=True)
        self.assertEqual(json.loads(answer.body), {"status": "reset", "counts": None})
        self.assertEqual(self.ask(server, "/api/v1/search/x").status, 200)

    def test_faults_say_what_would_be_right(self):
        server = self.serve_admin()
        for body, status, says in (
                ("", 400, "no JSON"), ("{", 400, "no JSON"), ("[]", 422, "no object"),
                ("{}", 422, "nobody is named"),
                ('{"client":"x","rule":"serch"}', 422, "there are default, preflight, search"),
                ('{"klient":"x"}', 422, "klient: no such member")):
            answer = self.admin(server, RESET, "POST", body)
            self.assertEqual(answer.status, status, body)
            self.assertIn(says, " ".join(json.loads(answer.body)["faults"]))

    def test_a_body_is_read_whole_and_bounded(self):
        server = self.serve_admin()
        padded = '{"client":"ip:127.0.0.1"' + " " * 60_000 + "}"
        self.assertEqual(self.admin(server, RESET, "POST", padded).status, 200)
        self.assertEqual(self.admin(server, RESET, "POST", " " * 65_537).status, 413)
        head = f"POST {RESET} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        with harness.Connection(server.port) as connection:  # in chunks, and invited
            connection.send(head + "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
            self.assertEqual(connection.answer().status, 100)
            for piece in ('{"client":', '"ip:127.0.0.1"}'):
                connection.send(f"{len(piece):x}\r\n{piece}\r\n")
            connection.send("0\r\n\r\n")
            self.assertEqual(connection.answer().status, 200)
            self.assertEqual(connection.ask(HELLO).status, 200)  # and the connection goes on
        with harness.Connection(server.port) as connection:
            connection.send(head + "Transfer-Encoding: chunked\r\n\r\n")
            connection.send("10001\r\n" + "x" * 0x10001 + "\r\n0\r\n\r\n")
            self.assertEqual(connection.answer().status, 413)

    def test_without_the_token_no_body_is_invited(self):
        server = self.serve_admin()
        with harness.Connection(server.port) as connection:
            connection.send(f"POST {RESET} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
                            "Expect: 100-continue\r\n\r\n")
            self.assertEqual(connection.answer().status, 401)
            self.assertTrue(connection.closed())


if __name__ == "__main__":
    harness.main()
