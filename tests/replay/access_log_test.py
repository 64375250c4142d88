"""`tidegate replay --access-log` as somebody meets it who wants to know what a limit would do."""

import os
import pathlib
import pty
import re
import resource
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).parents[1]))
import command_under_test
from command_under_test import tidegate

RULES = """
[rate_limiting]
default_limit = {limit}
algorithm = "fixed_window"
[rate_limiting.memory]
capacity = 10_000
log_slots = 10_000
[[rate_limiting.endpoints]]
name = "search"
pattern = "/search/*"
limit = 2
window = "60s"
"""

# As nginx and Apache wrote them; the last has no newline.
LOG = rb'''203.0.113.7 - - [24/Nov/2026:10:00:00 +0000] "GET /search/a HTTP/1.1" 200 1 "-" "curl/7.88"
203.0.113.7 - - [24/Nov/2026:10:00:00 +0000] "GET /search/b%20\x22c\x22 HTTP/1.1" 200 1 "-" "curl/7.88"
203.0.113.7 - bob [24/Nov/2026:11:00:01 +0100] "GET /search/c HTTP/1.1" 200 1
2001:db8::1 - - [24/Nov/2026:10:00:01 +0000] "POST /other HTTP/2.0" 201 - "-" "a \"b\""
127.0.0.1 - - [24/Nov/2026:10:00:02 +0000] "-" 408 - "-" "-"
203.0.113.7 - - [24/Nov/2026:10:00:03 +0000] "\x16\x03\x01" 400 150 "-" "-"
what is this
203.0.113.7 - - [24/Nov/2026:10:00:02 +0000] "GET /search/d HTTP/1.1" 429 1 "-" "curl/7.88"'''


class AccessLog(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.config = self.write("before.toml", RULES.format(limit=100).encode())
        self.log = self.write("access.log", LOG)

    def write(self, name: str, content: bytes) -> pathlib.Path:
        (self.folder / name).write_bytes(content)
        return self.folder / name

    def replay(self, *options, **more) -> subprocess.CompletedProcess:
        variables = {name: value for name, value in os.environ.items()
                     if not name.startswith("RATE_LIMIT_") and name != "REDIS_URL"}
        return subprocess.run([tidegate(), "replay", "--config", self.config, "--access-log",
                               *options], capture_output=True, timeout=120, env=variables, **more)

    def report(self, *options, **more) -> str:
        """The report with single blanks."""
        done = self.replay(*options, **more)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return re.sub(" +", " ", done.stdout.decode())

    def test_it_says_who_would_have_been_limited_and_what_was_left_out(self):
        report = self.report(self.log)
        for line in ["8 lines read, 5 decided, 3 skipped",
                     " 1 no request was received; the first is line 5",
                     " 1 what was received was no HTTP request; the first is line 6",
                     " 1 not a line of an access log, or cut off; the first is line 7",
                     "from 2026-11-24T10:00:00Z to 2026-11-24T10:00:02Z",
                     "answered then with 200: 3, 201: 1, 429: 1",
                     " 4 2 2 search", " 1 1 0 default", "never matched: preflight",
                     "1 of 2 clients would have been limited", " 2 4 ip:203.0.113.7"]:
            with self.subTest(line=line):
                self.assertIn(line + "\n", report)

    def test_standard_input_is_read_alike(self):
        self.assertEqual(self.report("-", input=LOG), self.report(self.log))

    def test_another_configuration_is_compared(self):
        after = self.write("after.toml", RULES.format(limit=0).replace("limit = 2", "limit = 3")
                           .encode())
        report = self.report(self.log, "--compare", after)
        for line in [" before after newly no longer", " 2 2 1 1 all requests",
                     " 0 1 1 0 rule default", " 2 1 0 1 rule search",
                     "2 of 2 clients would be answered differently", " 2 1 0 1 ip:203.0.113.7",
                     " 0 1 1 0 ip:2001:db8::/64"]:
            with self.subTest(line=line):
                self.assertIn(line + "\n", report)

    def test_a_faulty_configuration_or_file_is_an_error_that_names_it(self):
        faulty = self.write("faulty.toml", b"[rate_limiting]\nlimitt = 1\n")
        for options, named in [((self.log, "--compare", faulty), b"faulty.toml:2:1"),
                               ((self.folder / "nowhere",), b"nowhere: No such file"),
                               ((self.folder,), b"Is a directory"),
                               (("/dev/null",), b"there is no request in it")]:
            with self.subTest(options=options):
                done = self.replay(*options)
                self.assertEqual(done.returncode, 1)
                self.assertIn(named, done.stderr)

    def test_nothing_is_compared_without_a_log(self):
        done = subprocess.run([tidegate(), "replay", "--compare", self.config],
                              capture_output=True, timeout=120)
        self.assertEqual(done.returncode, 2)

    def test_a_line_without_end_takes_no_memory(self):
        log = self.write("endless.log", LOG)
        with log.open("ab") as out:
            for _ in range(300):
                out.write(b"x" * (1 << 20))
            out.write(b"\n" + LOG)
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        report = self.report(log)
        after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        self.assertIn(" 3 not a line of an access log, or cut off; the first is line 7\n", report)
        # The high-water mark of all children; one that kept the line would be above 300 MB.
        self.assertLess(max(before, after), 200 << 10)

    def test_a_terminal_shows_how_far_it_has_come_and_keeps_the_report_clean(self):
        log = self.write("long.log", (LOG + b"\n") * 100_000)
        parent, child = pty.openpty()
        process = subprocess.Popen([tidegate(), "replay", "--config", self.config, "--access-log",
                                    log], stdout=subprocess.PIPE, stderr=child)
        os.close(child)
        shown = b""
        try:
            while piece := os.read(parent, 1 << 16):
                shown += piece
        except OSError:  # how a terminal says that nobody is left at its other end
            pass
        report = process.stdout.read()
        process.stdout.close()
        self.assertEqual(process.wait(60), 0)
        os.close(parent)
        self.assertRegex(shown, rb"\r\[#* *\] +\d+%  \d+ lines")
        self.assertTrue(shown.endswith(b"\r\x1b[K"), "the bar is wiped at the end")
        self.assertTrue(report.startswith(b"800000 lines read"), report[:80])


if __name__ == "__main__":
    command_under_test.main()
