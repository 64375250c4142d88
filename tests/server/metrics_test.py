"""Metrics as Prometheus reads them: promtool accepts what the real server says, and it is complete."""

import os
import pathlib
import re
import signal
import subprocess
import time

import harness

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs/metrics.md"
RULES = ('default_limit = 5\ndefault_window = "1h"\nexempt_endpoints = ["/health", "/metrics"]\n'
         '[[rate_limiting.endpoints]]\nname = "a \\"quoted\\" \\\\ name"\npattern = "/api/v1/search/*"\n'
         'limit = 2\nwindow = "1h"\n'
         '[[rate_limiting.endpoints]]\nname = "watched"\npattern = "/api/v1/orders"\nlimit = 1\n'
         'window = "1h"\nshadow = true\n'
         '[rate_limiting.client_identification]\nidentify = ["header:X-Key", "ip"]\n')
SAMPLE = re.compile(r'([a-z_]+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def documented() -> dict[str, tuple[str, set[str]]]:
    """Type and labels of every family that the documentation names."""
    rows = re.findall(r"^\| `(rate_limit_\w+)` \| (\w+) \|([\w, ]*)\|", DOCUMENT.read_text(), re.M)
    return {name: (kind, set(re.findall(r"\w+", labels))) for name, kind, labels in rows}


def samples(text: str) -> dict[tuple, float]:
    """Values by name and labels, as ("name", ("label", "text"), ...)."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = SAMPLE.fullmatch(line).groups()
            unescaped = [(label, re.sub(r"\\(.)", r"\1", text))
                         for label, text in LABEL.findall(labels or "")]
            found[name, *unescaped] = float(value)
    return found


class MetricsTest(harness.ServerTest):
    def metrics(self, server) -> str:
        answer = self.ask(server, "/metrics")
        self.assertEqual(answer.status, 200)
        return answer.body.decode("utf-8")

    def allowed(self, server) -> float:
        return samples(self.metrics(server)).get(
            ("rate_limit_requests_total", ("endpoint", "default"), ("tier", "anonymous"),
             ("status", "allowed")), 0)

    def test_promtool_accepts_them_and_every_family_is_there(self):
        server = self.serve(RULES)
        for _ in range(7):
            self.ask(server, X_Key="one")
            self.ask(server, "/api/v1/search/x")
            self.ask(server, "/api/v1/orders", "POST", "{}")
        self.ask(server, "/health")
        text = self.metrics(server)
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                                 capture_output=True, timeout=harness.WITHIN_S)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))
        families = documented()
        self.assertEqual(dict(re.findall(r"# TYPE (\S+) (\S+)", text)),
                         {name: kind for name, (kind, _) in families.items()})
        self.assertEqual(sorted(re.findall(r"# HELP (\S+) \S", text)), sorted(families))
        found = samples(text)
        for name, *labels in found:
            self.assertEqual({label for label, _ in labels}, families[name][1], name)
        self.assertEqual({key[3][1] for key in found if key[0] == "rate_limit_requests_total"},
                         {"allowed", "denied", "exempt", "shadow"})
        self.assertEqual(found["rate_limit_exceeded_total", ("endpoint", 'a "quoted" \\ name'),
                               ("tier", "anonymous"), ("client_type", "ip")], 5)
        clients = {key[3][1] for key in found if key[0] == "rate_limit_current_usage"}
        self.assertIn("ip:127.0.0.1", clients)
        self.assertEqual(len([client for client in clients if re.fullmatch("key:[0-9a-f]{12}", client)]), 1)

    def test_promtool_finds_what_is_wrong(self):
        """Else the test above could not fail."""
        for wrong in ("# TYPE x counter\n# TYPE x counter\nx 1\n", 'x{a="\xff} 1\n', "x one\n"):
            checked = subprocess.run(["promtool", "check", "metrics"], input=wrong, text=True,
                                     capture_output=True, timeout=harness.WITHIN_S)
            self.assertNotEqual(checked.returncode, 0, wrong)

    def test_an_event_is_in_the_next_scrape_of_any_worker(self):
        server = self.serve('default_limit = 10_000\ndefault_window = "1h"\n'
                            'exempt_endpoints = ["/metrics"]\n', workers=3)
        for asked in range(1, 41):
            self.ask(server)
            start = time.monotonic()
            while self.allowed(server) != asked:
                self.assertLess(time.monotonic() - start, 1)

    def test_a_worker_that_is_killed_takes_no_count_with_it(self):
        server = self.serve('default_limit = 10_000\ndefault_window = "1h"\n'
                            'exempt_endpoints = ["/metrics"]\n', workers=2)
        for _ in range(25):
            self.ask(server)
        before = server.workers()
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        deadline = time.monotonic() + harness.WITHIN_S
        while len(server.workers()) != 2 or set(server.workers()) & set(before):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        self.assertEqual(self.allowed(server), 25)
        self.ask(server)
        self.assertEqual(self.allowed(server), 26)

    def test_only_as_many_clients_are_named_as_wanted(self):
        server = self.serve('default_limit = 10\ndefault_window = "1h"\n'
                            '[rate_limiting.client_identification]\ntrusted_proxy_depth = 1\n'
                            '[rate_limiting.metrics]\ntop_clients = 3\n')
        for client in range(1, 9):
            for _ in range(client):
                self.ask(server, X_Forwarded_For=f"203.0.113.{client}")
        usage = {key[3][1]: value for key, value in samples(self.metrics(server)).items()
                 if key[0] == "rate_limit_current_usage"}
        self.assertEqual(usage, {"ip:203.0.113.8": 8, "ip:203.0.113.7": 7, "ip:203.0.113.6": 6})


if __name__ == "__main__":
    harness.main()
