"""HTTP as it should be, and as attackers, broken clients and bored ones send it."""

import json
import random
import socket

import harness

# A client over its limit must never be let in, whatever he sends.
NOTHING_LEFT = "default_limit = 1\ndefault_window = \"1h\"\n"


class Http(harness.ServerTest):
    def send_raw(self, server, data: bytes | str) -> harness.Answer | None:
        """The answer to some bytes after which the client says no more."""
        with harness.Connection(server.port) as connection:
            connection.send(data)
            try:
                connection.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the server has closed already
            return connection.answer()

    def test_a_connection_serves_many_requests(self):
        server = self.serve()
        with harness.Connection(server.port) as connection:
            for left in range(99, 94, -1):
                self.assertEqual(connection.ask().limits(), ("100", str(left)))
            self.assertEqual(connection.ask(Connection="close")["Connection"], "close")
            self.assertTrue(connection.closed())

    def test_requests_that_come_at_once_are_answered_in_order(self):
        server = self.serve()
        with harness.Connection(server.port) as connection:
            connection.send("GET /api/v1/hello HTTP/1.1\r\nHost: x\r\n\r\n"
                            "POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
                            "\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual([connection.answer().status for _ in range(3)], [200, 201, 404])

    def test_a_header_may_come_byte_by_byte(self):
        server = self.serve()
        with harness.Connection(server.port) as connection:
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in "GET /api/v1/hello HTTP/1.1\r\nHost: x\r\n\r\n":
                connection.send(byte)
            self.assertEqual(connection.answer().status, 200)

    def test_head_has_the_fields_and_no_body(self):
        server = self.serve("default_limit = 2")
        with harness.Connection(server.port) as connection:
            first = connection.ask("/api/v1/hello", "HEAD")
            self.assertEqual((first.status, first.limits()), (200, ("2", "1")))
            self.assertGreater(int(first["Content-Length"]), 0)
            connection.ask("/api/v1/hello", "HEAD")
            self.assertEqual(connection.ask("/api/v1/hello", "HEAD").status, 429)
            self.assertEqual(connection.ask().status, 429)  # and the connection is still in step

    def test_http_1_0_ends_after_one_request_unless_asked_otherwise(self):
        server = self.serve()
        with harness.Connection(server.port) as connection:
            connection.send("GET /api/v1/hello HTTP/1.0\r\n\r\n")
            self.assertEqual(connection.answer().status, 200)
            self.assertTrue(connection.closed())
        with harness.Connection(server.port) as connection:
            for _ in range(2):
                connection.send("GET /api/v1/hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                answer = connection.answer()
                self.assertEqual((answer.status, answer["Connection"]), (200, "keep-alive"))

    def test_streams_come_whole(self):
        server = self.serve()
        lines = [f'{{"piece":{i},"of":5}}\n' for i in range(1, 6)]
        with harness.Connection(server.port) as connection:
            self.assertEqual(connection.ask("/api/v1/stream").body.decode(), "".join(lines))
            self.assertEqual(connection.ask().status, 200)
        with harness.Connection(server.port) as connection:
            connection.send("GET /api/v1/stream HTTP/1.0\r\n\r\n")
            self.assertEqual(connection.answer().body.decode(), "".join(lines))

    def test_bodies_are_read_in_every_form(self):
        server = self.serve()
        with harness.Connection(server.port) as connection:
            self.assertEqual(connection.ask("/api/v1/orders", "POST", "x" * 100_000).status, 201)
            connection.send("POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                            "\r\n5\r\nhello\r\n1;ext=1\r\n \r\n0\r\nTrailer: x\r\n\r\n")
            self.assertEqual(connection.answer().status, 201)
            self.assertEqual(connection.ask().status, 200)

    def test_who_asks_before_sending_a_body_is_told(self):
        server = self.serve("default_limit = 1")
        head = ("POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
                "Expect: 100-continue\r\n\r\n")
        with harness.Connection(server.port) as connection:
            connection.send(head)
            self.assertEqual(connection.answer().status, 100)
            connection.send("body")
            self.assertEqual(connection.answer().status, 201)
            connection.send(head)
            refused = connection.answer()
            self.assertEqual((refused.status, refused["Connection"]), (429, "close"))

    def test_a_body_that_is_too_large_is_refused_with_the_fields_of_its_decision(self):
        server = self.serve()
        answer = self.send_raw(server, "POST /api/v1/orders HTTP/1.1\r\nHost: x\r\n"
                                       "Content-Length: 9999999999\r\n\r\nx")
        self.assertEqual((answer.status, answer.limits()), (413, ("100", "99")))

    def test_long_paths_are_decided(self):
        server = self.serve(NOTHING_LEFT)
        answer = self.ask(server, "/" + "x" * 8_000)
        self.assertEqual((answer.status, answer.limits()), (404, ("1", "0")))
        answer = self.ask(server, "/" + "%zz%" * 2_000)
        self.assertEqual(answer.status, 429)
        self.assertLess(len(answer.body), 1_000)

    def test_what_no_two_programs_read_alike_is_refused(self):
        server = self.serve(NOTHING_LEFT)
        self.assertEqual(self.ask(server).status, 200)
        get, post = "GET /api/v1/hello HTTP/1.1\r\n", "POST /api/v1/orders HTTP/1.1\r\nHost: x\r\n"
        cases = {
            "no host": get + "\r\n",
            "two hosts": get + "Host: x\r\nHost: y\r\n\r\n",
            "LF alone": "GET /api/v1/hello HTTP/1.1\nHost: x\n\n",
            "LF alone in a field": get + "Host: x\nA: b\r\n\r\n",
            "folded": get + "Host: x\r\nA: b\r\n c\r\n\r\n",
            "space before colon": get + "Host : x\r\n\r\n",
            "no colon": get + "Host: x\r\nnothing\r\n\r\n",
            "two lengths": post + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            "length with a sign": post + "Content-Length: +1\r\n\r\nx",
            "length as a list": post + "Content-Length: 1, 1\r\n\r\nx",
            "length and chunked": post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "chunked twice": post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "chunked and more": post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "unknown encoding": post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            "chunked in 1.0": post.replace("1.1", "1.0") + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "bad chunk": post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            "unknown version": "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
            "no version": "GET /\r\n\r\n",
            "NUL in the target": "GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n",
            "NUL in a field": get + "Host: x\r\nA: b\0c\r\n\r\n",
            "spaces": "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
            "a long method": "A" * 100 + " / HTTP/1.1\r\nHost: x\r\n\r\n",
            "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            "an expectation": get + "Host: x\r\nExpect: a miracle\r\n\r\n",
        }
        for name, data in cases.items():
            with self.subTest(name):
                answer = self.send_raw(server, data)
                if answer is not None:
                    self.assertTrue(400 <= answer.status < 500 or answer.status == 505, answer.status)
                    self.assertIn(answer["Connection"], ("close", None))
        self.assertEqual(self.ask(server).status, 429, "and the server goes on")

    def test_headers_have_a_limit(self):
        server = self.serve(NOTHING_LEFT)
        for fields in ("X-Forwarded-For: " + "1.2.3.4, " * 7_000 + "\r\n", "A: b\r\n" * 200,
                       "".join(f"X-Forwarded-For: 203.0.113.{i}\r\n" for i in range(150))):
            answer = self.send_raw(server, f"GET /api/v1/hello HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
            self.assertEqual(answer.status, 431)
        self.assertEqual(self.ask(server).status, 200)

    def test_a_refusal_without_a_decision_is_named_by_its_status(self):
        server = self.serve(NOTHING_LEFT)
        get = "GET /api/v1/hello HTTP/1.1\r\nHost: x\r\n"
        post = "POST /api/v1/orders HTTP/1.1\r\nHost: x\r\n"
        for data, status, error in [
                (get + "Host: y\r\n\r\n", 400, "bad_request"),
                (post + "Content-Length: 9999999\r\n\r\n", 413, "content_too_large"),
                (get + "Expect: a miracle\r\n\r\n", 417, "expectation_failed"),
                (get + "A: b\r\n" * 200 + "\r\n", 431, "header_too_large"),
                ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, "http_version_not_supported")]:
            with self.subTest(status=status):
                answer = self.send_raw(server, data)
                self.assertEqual(answer.status, status)
                self.assertEqual(answer["Content-Type"], "application/json")
                self.assertEqual(json.loads(answer.body)["error"], error)

    def test_a_body_that_cannot_be_read_is_refused_once_where_nothing_was_left_either(self):
        server = self.serve(NOTHING_LEFT)
        self.assertEqual(self.ask(server).status, 200)
        answer = self.send_raw(server, "POST /api/v1/orders HTTP/1.1\r\nHost: x\r\n"
                                       "Transfer-Encoding: chunked\r\n\r\nzz\r\n")
        self.assertEqual((answer.status, answer["Content-Type"]), (400, "application/json"))

    def test_half_a_request_is_no_request(self):
        server = self.serve(NOTHING_LEFT)
        whole = "POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789"
        for size in range(1, len(whole), 7):
            answer = self.send_raw(server, whole[:size])
            self.assertTrue(answer is None or answer.status >= 400)
        self.assertIn(self.ask(server).status, (200, 429))

    def test_junk_never_gets_through_and_never_hurts(self):
        server = self.serve(NOTHING_LEFT)
        self.assertEqual(self.ask(server).status, 200)
        rng = random.Random(20260101)
        whole = b"GET /api/v1/hello HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n"
        for number in range(300):
            if number % 3 == 0:
                data = rng.randbytes(rng.randrange(1, 3_000))
            else:  # a request with some bytes changed
                changed = bytearray(whole)
                for _ in range(rng.randrange(1, 6)):
                    changed[rng.randrange(len(changed))] = rng.randrange(256)
                data = bytes(changed)
            answer = self.send_raw(server, data)
            if answer is not None:
                self.assertGreaterEqual(answer.status, 400, data)
        self.assertEqual(self.ask(server).status, 429)
        self.assertEqual(len(server.workers()), 1)
        self.assertNotIn("worker_replaced", server.log())

    def test_idle_connections_do_not_keep_others_out(self):
        server = self.serve()
        idle = [self.connect(server) for _ in range(500)]
        slow = [self.connect(server) for _ in range(500)]
        for connection in slow:
            connection.send("GET /api/v1/hello HTTP/1.1\r\nHost")
        self.assertEqual(self.ask(server).status, 200)
        self.assertEqual(idle[0].ask().status, 200)
        slow[0].send(": x\r\n\r\n")
        self.assertEqual(slow[0].answer().status, 200)


if __name__ == "__main__":
    harness.main()
