#!/usr/bin/env python3
"""The page of operators in a real browser.

    admin_page_test.py COMMAND                                  runs the tests
    admin_page_test.py COMMAND --screenshot docs/admin-page.png takes the picture of the documentation
"""

import json
import pathlib
import random
import sys
import threading
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "server"))
import chromium
import harness

TOKEN = "the token of the browser test"
RULES = ('default_limit = 60\ndefault_window = "1h"\nalgorithm = "fixed_window"\n'
         '[[rate_limiting.endpoints]]\nname = "search"\npattern = "/api/v1/search/*"\n'
         'limit = 20\nwindow = "1h"\n'
         '[rate_limiting.client_identification]\ntrusted_proxy_depth = 1\n'
         '[rate_limiting.admin]\ntoken_env = "ADMIN_TOKEN"\n')
PAGE = "/admin/rate-limit/"


def serve() -> harness.Server:
    return harness.Server(RULES, environment={"ADMIN_TOKEN": TOKEN})


class Traffic:
    """Clients who go on asking."""

    def __init__(self, port: int, pause_s: float = 0.02):
        self._port, self._pause_s = port, pause_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        always_the_same = random.Random(5)
        with harness.Connection(self._port) as connection:
            while not self._stop.wait(self._pause_s * always_the_same.uniform(0.5, 1.5)):
                # Some ask far more often than others.
                client = f"203.0.113.{7 + int(10 * always_the_same.random() ** 3)}"
                connection.ask(always_the_same.choice(["/api/v1/search/tide", "/api/v1/hello",
                                                       "/api/v1/hello"]), X_Forwarded_For=client)


class AdminPage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = serve()
        cls.addClassCleanup(cls.server.close)
        cls.browser = chromium.Chromium()
        cls.addClassCleanup(cls.browser.close)

    def open(self, server: harness.Server | None = None, **size) -> chromium.Page:
        port = (server or self.server).port
        return self.browser.open(f"http://127.0.0.1:{port}{PAGE}", **size)

    def serve(self) -> harness.Server:
        """One that a test changes."""
        server = serve()
        self.addCleanup(server.close)
        return server

    def enter(self, page: chromium.Page, token: str = TOKEN) -> None:
        page.type("#token", token)
        page.click("#enter button")

    def test_figures_move_while_requests_are_made(self):
        page = self.open()
        self.enter(page)
        page.wait_for("!document.querySelector('#figures').hidden")
        with Traffic(self.server.port):
            page.wait_for("parseFloat(document.querySelector('#requests-rate').textContent) > 0")
            page.wait_for("document.querySelector('#busiest').innerText.includes('ip:203.0.113.')")
            first = page.text("#rules")
            page.wait_for(f"document.querySelector('#rules').innerText !== {json.dumps(first)}")
            page.wait_for("parseFloat(document.querySelector('#rejects-rate').textContent) > 0")
        page.wait_for("parseFloat(document.querySelector('#requests-rate').textContent) === 0")
        self.assertIn("search", page.text("#rules"))
        self.assertIn("generation 1", page.text("#state"))
        self.assertIn("of 10,000 entries", page.text("#fill-text"))
        self.assertGreater(len(page.evaluate(
            "document.querySelector('#requests-chart polyline').getAttribute('points')").split()), 2)
        self.assertEqual(page.console, [])
        hosts = {urllib.parse.urlsplit(url).netloc for url in page.requests if not url.startswith("data:")}
        self.assertEqual(hosts, {f"127.0.0.1:{self.server.port}"})

    def test_a_wrong_token_is_told_and_can_be_put_right(self):
        page = self.open()
        self.enter(page, "wrong")
        page.wait_for("document.querySelector('#error').innerText.includes('refused this token')")
        self.assertTrue(page.evaluate("document.querySelector('#figures').hidden"))
        self.enter(page)
        page.wait_for("!document.querySelector('#figures').hidden && document.querySelector('#error').hidden")

    def test_the_token_stays_in_the_tab_and_can_be_forgotten(self):
        page = self.open()
        self.enter(page)
        page.wait_for("!document.querySelector('#figures').hidden")
        page.go_to(f"http://127.0.0.1:{self.server.port}/health")
        page.go_to(f"http://127.0.0.1:{self.server.port}{PAGE}")
        page.wait_for("document.querySelector('#figures')?.hidden === false")
        self.assertEqual(page.evaluate("localStorage.length + document.cookie.length"), 0)
        self.assertFalse(any(TOKEN in urllib.parse.unquote(url) for url in page.requests))
        page.click("#leave")
        self.assertTrue(page.evaluate("document.querySelector('#figures').hidden"))
        self.assertEqual(page.evaluate("sessionStorage.length"), 0)

    def test_a_server_that_is_gone_is_told(self):
        server = self.serve()
        page = self.open(server)
        self.enter(page)
        page.wait_for("!document.querySelector('#figures').hidden")
        server.stop()
        page.wait_for("document.querySelector('#error').innerText.includes('No answer from the server')")
        self.assertFalse(page.evaluate("document.querySelector('#figures').hidden"))

    def test_a_refused_reload_is_shown_until_one_succeeds(self):
        server = self.serve()
        page = self.open(server)
        self.enter(page)
        page.wait_for("document.querySelector('#state').innerText.includes('generation 1')")
        good = server.config.read_text()
        for text, status, shown in ((good.replace("limit = 20", "limit = -20"), 422, "limit"),
                                    (good, 200, "generation 2")):
            server.config.write_text(text)
            with harness.Connection(server.port) as connection:
                answer = connection.ask(PAGE + "reload", "POST", Authorization=f"Bearer {TOKEN}")
            self.assertEqual(answer.status, status, answer.body)
            page.wait_for(f"document.querySelector('#state').innerText.includes({json.dumps(shown)})")
            refused = page.text("#state .bad") if status == 422 else ""
            self.assertEqual("limit" in refused, status == 422, refused)
        page.wait_for("!document.querySelector('#state').innerText.includes('Last reload')")

    def test_it_fits_a_phone_and_both_colour_schemes(self):
        page = self.open(width=360, height=740)
        self.enter(page)
        page.wait_for("!document.querySelector('#figures').hidden")
        self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 360)
        backs = set()
        for scheme in ("light", "dark"):
            page.prefer(scheme)
            backs.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        self.assertEqual(len(backs), 2)

    def test_everything_has_a_name_for_who_cannot_see_it(self):
        page = self.open()
        self.assertEqual(page.evaluate("document.querySelector('label[for=token]').control.id"), "token")
        self.enter(page)
        with Traffic(self.server.port):
            page.wait_for("document.querySelectorAll('#busiest meter').length > 0")
            page.wait_for("document.querySelector('#requests-chart').hasAttribute('aria-label')")
        unnamed = page.evaluate("""[...document.querySelectorAll('meter, svg, button, section')].filter(
            (it) => !it.hidden && !it.getAttribute('aria-label') && !it.getAttribute('aria-labelledby')
                    && !it.innerText?.trim()).map((it) => it.outerHTML)""")
        self.assertEqual(unnamed, [])


def take_screenshot(path: str) -> None:
    server = serve()
    try:
        with chromium.Chromium() as browser, Traffic(server.port, 0.1):
            page = browser.open(f"http://127.0.0.1:{server.port}{PAGE}", width=1100, height=980)
            page.prefer("light")
            page.type("#token", TOKEN)
            page.click("#enter button")
            page.wait_for("(document.querySelector('#rejects-chart polyline')?.getAttribute('points')"
                       " ?? '').split(' ').length > 40")
            page.screenshot(pathlib.Path(path))
    finally:
        server.close()


if __name__ == "__main__":
    if "--screenshot" in sys.argv:
        harness.COMMAND = sys.argv[1]
        take_screenshot(sys.argv[sys.argv.index("--screenshot") + 1])
    else:
        harness.main()
