"""`tidegate load` against the real server: counts are what they must be."""

import json
import socket
import subprocess

import harness
from harness import ServerTest

TRUST = "[rate_limiting.client_identification]\ntrusted_proxy_depth = 1\n"


class Load(ServerTest):
    def load(self, *options: str) -> subprocess.CompletedProcess:
        return subprocess.run([harness.COMMAND, "load", *options], capture_output=True, text=True,
                              timeout=harness.WITHIN_S)

    def url(self, server) -> str:
        return f"http://127.0.0.1:{server.port}/api/v1/hello"

    def test_each_client_has_a_limit_of_his_own(self):
        server = self.serve('default_limit = 3\ndefault_window = "1h"\n' + TRUST)
        done = self.load("--url", self.url(server), "--rate", "2000", "--requests", "50",
                         "--clients", "10", "--connections", "5", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual((found["admitted"], found["refused"], found["unavailable"],
                          found["errors"]), (30, 20, 0, 0))

    def test_a_thousand_at_once_are_counted_exactly(self):
        server = self.serve('default_limit = 600\ndefault_window = "1h"\n', workers=2)
        done = self.load("--url", self.url(server), "--requests", "1000", "--clients", "0",
                         "--connections", "200", "--concurrent", "--expect-admitted", "600")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("admitted    600\nrefused     400  (429)\n", done.stdout)
        self.assertRegex(done.stdout, r"P95 +[\d.]+ ms  \(wanted: below 5 ms; (met|missed)\)")

    def test_several_servers_are_asked_in_turn(self):
        two = [self.serve('default_limit = 10\ndefault_window = "1h"\n') for _ in range(2)]
        done = self.load(*(word for server in two for word in ("--url", self.url(server))),
                         "--rate", "5000", "--requests", "40", "--clients", "0",
                         "--expect-admitted", "20")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_count_that_is_not_expected_is_no(self):
        server = self.serve()
        done = self.load("--url", self.url(server), "--requests", "5", "--expect-admitted", "4")
        self.assertEqual(done.returncode, 1)
        self.assertIn("admitted 5, expected 4", done.stderr)

    def test_what_cannot_be_is_told(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/"
            for url, why in ((nobody, "Connection refused"),
                             ("https://127.0.0.1/", "TLS is not spoken here"),
                             ("nonsense", "it begins otherwise")):
                done = self.load("--url", url, "--requests", "1")
                self.assertEqual(done.returncode, 1)
                self.assertIn(why, done.stderr)
        self.assertEqual(self.load("--rate", "-1").returncode, 2)
        self.assertEqual(self.load("--requests", "5", "--duration", "1").returncode, 2)


if __name__ == "__main__":
    harness.main()
