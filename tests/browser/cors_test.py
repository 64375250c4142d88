#!/usr/bin/env python3
"""A page of one origin uses the API of another, as browsers allow it to: unlike other clients, a
browser shows a script only what the answer says it may see."""

import http.server
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "server"))
import chromium
import harness

# What a script learns of an answer: null for what it may not see, an error for all of it.
ASK = """
fetch(%r, %s).then(
    async answer => ({status: answer.status, body: await answer.text(),
                      fields: Object.fromEntries(answer.headers)}),
    error => ({error: String(error)}))
"""


class Pages(http.server.BaseHTTPRequestHandler):
    """Another origin: an empty page, and an answer that allows nothing."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("X-RateLimit-Remaining", "5")
        if self.path == "/bare":
            self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()

    def log_message(self, *_):
        pass


class Cors(harness.ServerTest):
    @classmethod
    def setUpClass(cls):
        cls.browser = chromium.Chromium()
        cls.addClassCleanup(cls.browser.close)
        # Another port is another origin.
        cls.others = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) for _ in range(2)]
        for other in cls.others:
            threading.Thread(target=other.serve_forever, daemon=True).start()
            cls.addClassCleanup(other.server_close)
            cls.addClassCleanup(other.shutdown)

    def page(self) -> chromium.Page:
        return self.browser.open(f"http://127.0.0.1:{self.others[0].server_port}/")

    def fetch(self, page: chromium.Page, port: int, path: str, options: str = "{}") -> dict:
        return page.evaluate(ASK % (f"http://127.0.0.1:{port}{path}", options))

    def test_the_browser_keeps_from_a_script_what_it_is_not_allowed(self):
        page, port = self.page(), self.others[1].server_port
        self.assertIn("error", self.fetch(page, port, "/"), "else this test would show nothing")
        self.assertNotIn("x-ratelimit-remaining", self.fetch(page, port, "/bare")["fields"])

    def test_a_script_reads_what_is_left_and_when_to_come_back(self):
        server, page = self.serve("default_limit = 2"), self.page()
        for status, left in [(200, "1"), (200, "0"), (429, "0")]:
            seen = self.fetch(page, server.port, "/api/v1/hello")
            self.assertEqual(seen["status"], status)
            self.assertEqual(seen["fields"]["x-ratelimit-limit"], "2")
            self.assertEqual(seen["fields"]["x-ratelimit-remaining"], left)
        self.assertIn("rate_limit_exceeded", seen["body"])
        self.assertGreaterEqual(int(seen["fields"]["retry-after"]), 1)

    def test_a_request_that_needs_a_preflight_gets_through(self):
        server, page = self.serve("default_limit = 5"), self.page()
        seen = self.fetch(page, server.port, "/api/v1/orders",
                          "{method: 'POST', body: '{}', headers: {'Content-Type': "
                          "'application/json', 'X-API-Key': 'k', 'Authorization': 'Basic eDp5'}}")
        self.assertEqual(seen["status"], 201)
        self.assertEqual(seen["fields"]["x-ratelimit-remaining"], "4", "the preflight counts apart")

    def test_a_preflight_over_its_limit_keeps_the_request_away(self):
        server, page = self.serve("default_limit = 0"), self.page()
        seen = self.fetch(page, server.port, "/api/v1/orders", "{method: 'POST', headers: "
                          "{'X-API-Key': 'k'}}")
        self.assertIn("error", seen)


if __name__ == "__main__":
    harness.main()
