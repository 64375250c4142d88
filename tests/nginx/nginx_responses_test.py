"""The fields are on every response, and a request counts once, whatever nginx makes of it
(contract 5)."""

import time

import gateway
from gateway import API, SEEN, GatewayTest
from upstream import Reply
import harness

TEN = 'default_limit = 10\ndefault_window = "1h"\n'
PROXY = "proxy_pass http://api;"
OURS = {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}


class ResponseTest(GatewayTest):
    def setUp(self):
        self.api = self.upstream()

    def serve_api(self, server: str = API, rules: str = TEN, **more):
        return self.gateway(rules, server, upstream=self.api, **more)

    def check(self, server, left: int, *arguments, **fields) -> harness.Answer:
        """An answer whose fields say that so many requests are left."""
        answer = self.ask(server, *arguments, **fields)
        self.assertEqual(answer.limits(), ("10", str(left)))
        return answer


class Fields(ResponseTest):
    def test_are_there_whatever_the_status(self):
        server = self.serve_api()
        for number, status in enumerate((200, 201, 204, 301, 400, 404, 429, 500, 503)):
            self.api.replies["/hello"] = Reply(status=status)
            with harness.Connection(server.port) as connection:
                connection.send("HEAD /hello HTTP/1.1\r\nHost: test\r\n\r\n")
                answer = connection.answer(head=True)
            self.assertEqual((answer.status, answer.limits()), (status, ("10", str(9 - number))))

    def test_are_there_where_nginx_answers(self):
        server = self.serve_api("tidegate on;\nlocation /dead { proxy_pass http://127.0.0.1:1; }\n"
                                "location /late { proxy_pass http://api; proxy_read_timeout 50ms; }\n"
                                "location /closed { deny all; }\n")
        (server.html / "page.html").write_text("a page\n")
        self.api.replies["/late"] = Reply(before=self.api.hold())
        self.assertEqual(self.check(server, 9, "/dead").status, 502)
        self.assertEqual(self.check(server, 8, "/late").status, 504)
        self.assertEqual(self.check(server, 7, "/closed").status, 403)
        self.assertEqual(self.check(server, 6, "/nothing").status, 404)
        self.assertEqual(self.check(server, 5, "/page.html", "POST", "x").status, 405)
        page = self.check(server, 4, "/page.html")
        self.assertEqual((page.status, page.body), (200, b"a page\n"))
        part = self.check(server, 3, "/page.html", Range="bytes=2-5")
        self.assertEqual((part.status, part.body), (206, b"page"))
        with harness.Connection(server.port) as connection:
            connection.send("GET /page.html HTTP/1.1\r\nHost: test\r\n"
                            f"If-None-Match: {page['ETag']}\r\n\r\n")
            answer = connection.answer(head=True)
            self.assertEqual((answer.status, answer.limits()), (304, ("10", "2")))
            self.assertEqual(connection.ask("/nothing").limits(), ("10", "1"))

    def test_are_there_before_a_stream_ends(self):
        server = self.serve_api(API + "proxy_buffering off;")
        rest = self.api.hold()
        self.api.replies["/stream"] = Reply(pieces=(b"one ", b"two ", b"three"), between=rest)
        with harness.Connection(server.port) as connection:
            connection.send("GET /stream HTTP/1.1\r\nHost: test\r\n\r\n")
            head = b"".join(iter(connection.file.readline, b"\r\n"))
            self.assertIn(b"X-RateLimit-Remaining: 9\r\n", head)
            self.assertEqual([connection.file.readline() for _ in range(2)], [b"4\r\n", b"one \r\n"])
            rest.set()
            chunks = b"".join(iter(connection.file.readline, b"0\r\n"))
            self.assertIn(b"three", chunks)

    def test_replace_those_of_the_upstream(self):
        server = self.serve_api()
        many = tuple((f"X-{number}", "theirs") for number in range(30))
        theirs = (*many, ("x-ratelimit-limit", "7"), ("X-RateLimit-Limit", "8"),
                  ("X-RateLimit-Remaining", "7"), ("X-RATELIMIT-RESET", "7"), ("Retry-After", "7"),
                  ("RateLimit-Policy", "theirs"))
        self.api.replies["/hello"] = Reply(status=429, fields=theirs)
        answer = self.check(server, 9, "/hello")
        self.assertEqual(answer.status, 429)
        self.assertGreater(int(answer["X-RateLimit-Reset"]), 7)
        self.assertEqual((answer["Retry-After"], answer["RateLimit-Policy"]), ("7", "theirs"))
        self.assertEqual(answer["X-29"], "theirs")

    def test_of_the_draft_replace_those_of_the_upstream(self):
        server = self.serve_api(rules=TEN + 'headers = ["ietf", "x-ratelimit"]')
        theirs = (("ratelimit", "theirs"), ("RateLimit-Policy", "theirs"), ("RateLimit", "theirs"))
        self.api.replies["/hello"] = Reply(fields=theirs)
        answer = self.check(server, 9, "/hello")
        self.assertEqual(answer["RateLimit-Policy"], '"default";q=10;w=3600')
        self.assertIn('"default";r=9;t=', answer["RateLimit"])

    def test_are_not_kept_in_a_cache(self):
        server = self.serve_api("tidegate on;\nproxy_cache kept;\nproxy_cache_use_stale updating;\n"
                                "proxy_cache_background_update on;\nadd_header X-Cache "
                                f"$upstream_cache_status always;\nlocation / {{ {PROXY} }}\n",
                                http="proxy_cache_path cache keys_zone=kept:1m;")
        self.api.replies["/hello"] = Reply(fields=(("Cache-Control", "max-age=60"),
                                                   ("X-RateLimit-Remaining", "7")))
        self.api.replies["/stale"] = Reply(fields=(
            ("Cache-Control", "max-age=1, stale-while-revalidate=600"),))
        for left, cache in ((9, "MISS"), (8, "HIT"), (7, "HIT")):
            self.assertEqual(self.check(server, left, "/hello")["X-Cache"], cache)
        self.assertEqual(self.api.targets(), ["/hello"])
        self.check(server, 6, "/stale")
        before = self.api.targets().count("/stale")
        left = 6
        while self.api.targets().count("/stale") == before:  # until it is stale, and asked for again
            left -= 1
            self.assertEqual(self.check(server, left, "/stale").status, 200)
            self.assertGreater(left, 0)
            time.sleep(0.5)

    def test_of_the_upstream_stay_where_there_was_no_decision(self):
        server = self.serve_api(f"location / {{ {PROXY} }}")
        self.api.replies["/hello"] = Reply(fields=(("X-RateLimit-Limit", "7"),))
        self.assertEqual(self.ask(server, "/hello")["X-RateLimit-Limit"], "7")


class ForPages(ResponseTest):
    """Scripts of other origins may read the fields where they may read the response."""

    ALLOWED = ("Access-Control-Allow-Origin", "*")

    def exposed(self, answer: harness.Answer) -> list[str]:
        return sorted(name.strip().lower() for field, value in answer.fields
                      if field.lower() == "access-control-expose-headers"
                      for name in value.split(","))

    def test_that_the_upstream_lets_in(self):
        server = self.serve_api()
        self.api.replies["/hello"] = Reply(fields=(self.ALLOWED,))
        self.assertEqual(self.exposed(self.check(server, 9, "/hello")),
                         sorted(OURS | {"retry-after"}))

    def test_beside_what_the_upstream_exposes(self):
        server = self.serve_api()
        self.api.replies["/hello"] = Reply(
            fields=(self.ALLOWED, ("access-control-expose-headers", "X-Own, X-Other")))
        self.assertEqual(self.exposed(self.check(server, 9, "/hello")),
                         sorted(OURS | {"retry-after", "x-own", "x-other"}))

    def test_that_nginx_lets_in(self):
        server = self.serve_api("add_header Access-Control-Allow-Origin * always;\n"
                                "add_header Access-Control-Expose-Headers X-Own always;\n" + API,
                                rules=TEN.replace("10", "1"))
        for status in (200, 429):
            answer = self.ask(server, "/hello")
            self.assertEqual(answer.status, status)
            self.assertEqual(self.exposed(answer), sorted(OURS | {"retry-after", "x-own"}))

    def test_and_no_others(self):
        server = self.serve_api(rules=TEN + 'exempt_endpoints = ["/exempt"]')
        self.assertEqual(self.exposed(self.check(server, 9, "/hello")), [])
        self.api.replies["/exempt"] = Reply(fields=(self.ALLOWED,))
        self.assertEqual(self.exposed(self.ask(server, "/exempt")), [])


class Once(ResponseTest):
    """However many requests nginx makes of one."""

    def test_where_a_subrequest_decides_on_access(self):
        server = self.serve_api("tidegate on;\n"
                                f"location / {{ auth_request /check; {PROXY} }}\n"
                                f"location = /check {{ internal; {PROXY} }}\n", TEN.replace("10", "3"))
        for left in (2, 1):
            self.assertEqual(self.ask(server, "/hello").limits(), ("3", str(left)))
        self.api.replies["/check"] = Reply(status=403)
        answer = self.ask(server, "/hello")
        self.assertEqual((answer.status, answer.limits()), (403, ("3", "0")))
        self.assertEqual(self.ask(server, "/hello").status, 429)
        self.assertEqual(self.api.targets(), ["/check", "/hello"] * 2 + ["/check"])

    def test_and_never_for_a_subrequest_alone(self):
        server = self.serve_api(f"location / {{ auth_request /check; {PROXY} }}\n"
                                f"location = /check {{ tidegate on; {PROXY} }}\n",
                                TEN.replace("10", "1"))
        for _ in range(3):
            answer = self.ask(server, "/hello")
            self.assertEqual((answer.status, answer.limits()), (200, (None, None)))

    def test_where_a_copy_is_sent_elsewhere(self):
        server = self.serve_api(f"tidegate on;\nlocation / {{ mirror /copy; {PROXY} }}\n"
                                "location = /copy { internal; proxy_pass http://api/copied; }\n")
        self.check(server, 9, "/hello", "POST", "a body")
        self.check(server, 8, "/hello")
        self.eventually(lambda: self.api.targets().count("/copied") == 2)

    def test_where_a_page_has_parts(self):
        server = self.serve_api("tidegate on; ssi on;\nlocation / { }\n"
                                f"location /part {{ {PROXY} }}\n"
                                "location = /more.html { add_after_body /part/last; }\n")
        (server.html / "page.html").write_text('<!--# include virtual="/part/1" -->'
                                               '<!--# include virtual="/part/2" -->')
        (server.html / "more.html").write_text("first\n")
        self.assertEqual(self.check(server, 9, "/page.html").body, b"upstream\n" * 2)
        self.assertEqual(self.check(server, 8, "/more.html").body, b"first\nupstream\n")
        self.assertEqual(sorted(self.api.targets()), ["/part/1", "/part/2", "/part/last"])

    def test_where_an_error_has_a_page(self):
        server = self.serve_api("tidegate on;\nerror_page 404 /missing.html;\n"
                                "proxy_intercept_errors on;\n"
                                "location = /missing.html { }\n"
                                f"location @spare {{ {PROXY} }}\n"
                                "location /dead { proxy_pass http://127.0.0.1:1; "
                                "error_page 502 = @spare; }\n"
                                f"location /api {{ {PROXY} }}\n" + SEEN)
        (server.html / "missing.html").write_text("missing\n")
        answer = self.check(server, 9, "/nothing")
        self.assertEqual((answer.status, answer.body), (404, b"missing\n"))
        self.assertEqual(answer["X-Seen"], "allowed ip:127.0.0.1 default anonymous 10 9")
        self.api.replies["/api"] = Reply(status=404)
        answer = self.check(server, 8, "/api")
        self.assertEqual((answer.status, answer.body), (404, b"missing\n"))
        answer = self.check(server, 7, "/dead")
        self.assertEqual((answer.status, answer.body), (200, b"upstream\n"))
        self.assertEqual(answer["X-Seen"], "allowed ip:127.0.0.1 default anonymous 10 7")

    def test_where_a_request_goes_on_elsewhere(self):
        server = self.serve_api("tidegate on; index index.html;\n"
                                "location / { try_files $uri $uri/ /fallback; }\n"
                                f"location = /fallback {{ {PROXY} }}\n"
                                f"location = /download {{ {PROXY} }}\n"
                                "location /files/ { internal; }\n" + SEEN)
        for name in ("folder", "files"):
            (server.html / name).mkdir()
            (server.html / name / "index.html").write_text(f"of {name}\n")
        self.api.replies["/download"] = Reply(fields=(("X-Accel-Redirect", "/files/index.html"),))
        self.assertEqual(self.check(server, 9, "/nothing").body, b"upstream\n")
        self.assertEqual(self.check(server, 8, "/folder/").body, b"of folder\n")
        answer = self.check(server, 7, "/download")
        self.assertEqual(answer.body, b"of files\n")
        self.assertEqual(answer["X-Seen"], "allowed ip:127.0.0.1 default anonymous 10 7")

    def test_where_that_is_first_met_on_the_way(self):
        server = self.serve_api("location / { try_files $uri /fallback; }\n"
                                f"location = /fallback {{ tidegate on; error_page 404 = /again; {PROXY} "
                                "proxy_intercept_errors on; }\n"
                                f"location = /again {{ tidegate on; {PROXY} }}\n")
        self.api.replies["/fallback"] = Reply(status=404)
        self.check(server, 9, "/nothing")
        self.check(server, 8, "/nothing")
        self.assertEqual(self.api.targets(), ["/fallback", "/again"] * 2)


class Protocols(ResponseTest):
    def test_a_websocket_is_decided_when_it_is_opened(self):
        server = self.serve_api("proxy_http_version 1.1;\nproxy_set_header Upgrade $http_upgrade;\n"
                                "proxy_set_header Connection upgrade;\n" + API, TEN.replace("10", "1"))
        opening = ("GET /socket HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\n\r\n")
        with harness.Connection(server.port) as connection:
            connection.send(opening)
            answer = connection.answer(head=True)
            self.assertEqual((answer.status, answer.limits()), (101, ("1", "0")))
            for _ in range(3):
                connection.send("ping")
                self.assertEqual(connection.file.read(4), b"ping")
        with harness.Connection(server.port) as connection:
            connection.send(opening)
            self.assertEqual(connection.answer().status, 429)
        self.assertEqual(len(self.api.requests), 1)

    def serve_http_2(self):
        # Without TLS nginx ends a stream that it refuses in a way that curl does not always take.
        return self.serve_api(self.encrypted() + API, listen="ssl http2")

    def test_http_2_on_one_connection(self):
        url = f"https://127.0.0.1:{self.serve_http_2().port}/hello?n="
        told = self.curl("--insecure", "-o", "/dev/null", "-w", "%{http_version} %{http_code} "
                         "%header{x-ratelimit-remaining} %{num_connects}\n", url + "[1-12]")
        lines = [f"2 200 {left}" for left in range(9, -1, -1)] + ["2 429 0"] * 2
        self.assertEqual(told.splitlines(), [f"{line} {1 if number == 0 else 0}"
                                             for number, line in enumerate(lines)])
        refused = self.curl("--insecure", "-i", "-d", "x" * 100_000, url)
        self.assertTrue(refused.startswith("HTTP/2 429"), refused)
        self.assertIn('{"error":"rate_limit_exceeded",', refused)
        self.assertEqual(len(self.api.requests), 10)

    def test_http_2_with_streams_at_once(self):
        told = self.curl("--insecure", "--parallel", "--parallel-max", "30", "-o", "/dev/null", "-w",
                         "%{http_version} %{http_code}\n",
                         f"https://127.0.0.1:{self.serve_http_2().port}/[1-30]")
        self.assertEqual(sorted(told.splitlines()), ["2 200"] * 10 + ["2 429"] * 20)
        self.assertEqual(len(self.api.requests), 10)

    def test_http_2_without_tls(self):
        server = self.serve_api(listen="http2")
        told = self.curl("--http2-prior-knowledge", "-w", "%header{x-ratelimit-remaining}",
                         f"http://127.0.0.1:{server.port}/hello")
        self.assertEqual(told, "upstream\n9")

    def test_grpc_has_a_status_of_its_own(self):
        server = self.serve_api(rules=TEN.replace("10", "1"), listen="http2")
        ask = ("--http2-prior-knowledge", "-i", "-H", "Content-Type: application/grpc+proto", "-d",
               "", f"http://127.0.0.1:{server.port}/shop.Orders/Add")
        self.assertNotIn("grpc-status", self.curl(*ask))
        head, _, body = self.curl(*ask).partition("\n\n")
        status, *lines = head.splitlines()
        fields = dict(line.split(": ", 1) for line in lines)
        self.assertEqual((status.strip(), body), ("HTTP/2 200", ""))
        self.assertEqual((fields["grpc-status"], fields["content-type"]),
                         ("8", "application/grpc+proto"))
        self.assertTrue(fields["grpc-message"].endswith("exceeded for endpoint /shop.Orders/Add"))
        self.assertEqual(fields["x-ratelimit-remaining"], "0")
        self.assertIn("retry-after", fields)
        self.assertEqual(len(self.api.requests), 1)

    def test_http_without_fields(self):
        server = self.serve_api(rules=TEN.replace("10", "2"))
        for left in (1, 0):
            with harness.Connection(server.port) as connection:
                connection.send("GET /hello HTTP/1.0\r\n\r\n")
                self.assertEqual(connection.answer().limits(), ("2", str(left)))
        with harness.Connection(server.port) as connection:
            connection.send("GET /hello\r\n")
            self.assertIn(b"rate_limit_exceeded", connection.file.read())
        self.assertEqual(len(self.api.requests), 2)


if __name__ == "__main__":
    gateway.main()
