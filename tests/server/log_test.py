"""The log of contract 7: what its lines say, and that no trouble with it troubles a request."""

import fcntl
import json
import os
import pathlib
import re
import resource
import signal
import time

import harness

MEMBERS = ["timestamp", "level", "event", "client_id", "client_type", "endpoint", "tier",
           "limit_config", "current_count", "status", "retry_after", "request_id", "suppressed"]
REFUSE_ALL = 'default_limit = 0\ndefault_window = "1h"\n'
DEBUG = 'default_limit = 10000\nlog_level = "debug"\n'


def decisions(text: str) -> list[dict]:
    """The lines about requests; every line must be JSON."""
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if "client_id" in line]


class Log(harness.ServerTest):
    def setUp(self):
        folder = harness.tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def counted(self, server, name: str) -> int:
        text = self.ask(server, "/metrics").body.decode()
        return int(re.search(rf"^{name} (\d+)$", text, re.MULTILINE)[1])

    def eventually(self, condition, message=""):
        deadline = time.monotonic() + harness.WITHIN_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, message)
            time.sleep(0.02)

    def test_a_violation_has_every_member(self):
        server = self.serve('default_limit = 1\ndefault_window = "1h"\nalgorithm = "token_bucket"')
        self.ask(server)
        self.ask(server, X_Request_ID="abc.D-9_x")
        line, = decisions(server.log())
        self.assertEqual(list(line), MEMBERS)
        self.assertRegex(line["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertTrue(3500 < line.pop("retry_after") <= 3600)
        del line["timestamp"]
        self.assertEqual(line, {
            "level": "info", "event": "rate_limit_exceeded", "client_id": "ip:127.0.0.1",
            "client_type": "ip", "endpoint": "default", "tier": "anonymous",
            "limit_config": {"limit": 1, "window_seconds": 3600, "algorithm": "token_bucket"},
            "current_count": 1, "status": "denied", "request_id": "abc.D-9_x", "suppressed": 0})

    def test_there_is_one_line_a_client_rule_window_and_process(self):
        server = self.serve('default_limit = 0\ndefault_window = "1s"\n'
                            '[[rate_limiting.endpoints]]\nname = "search"\nlimit = 0\n'
                            'pattern = "/api/v1/search/*"\nwindow = "1h"\n'
                            '[rate_limiting.client_identification]\ntrusted_proxy_depth = 1')
        for _ in range(5):
            for target in ("/api/v1/hello", "/api/v1/search/x"):
                for client in ("203.0.113.1", "203.0.113.2"):
                    self.assertEqual(self.ask(server, target, X_Forwarded_For=client).status, 429)
        time.sleep(1.1)
        self.ask(server, X_Forwarded_For="203.0.113.1")
        lines = decisions(server.log())
        searches = [line for line in lines if line["endpoint"] == "search"]
        self.assertEqual(sorted(line["client_id"] for line in searches),
                         ["ip:203.0.113.1", "ip:203.0.113.2"])
        again = [line for line in lines
                 if (line["endpoint"], line["client_id"]) == ("default", "ip:203.0.113.1")]
        # What was held back is told, however the requests fell into windows of a second.
        self.assertEqual(sum(1 + line["suppressed"] for line in again), 6)
        self.assertLess(len(again), 6)

    def test_allowed_requests_are_logged_at_debug_alone(self):
        for level, expected in [("info", 0), ("debug", 2)]:
            server = self.serve(f'log_level = "{level}"')
            for _ in range(2):
                self.ask(server)
            lines = decisions(server.log())
            self.assertEqual(len(lines), expected)
            self.assertTrue(all(line["level"] == "debug" and line["status"] == "allowed" and
                                line["event"] == "rate_limit_checked" for line in lines))

    def test_a_request_id_that_is_not_plain_is_replaced(self):
        server = self.serve(DEBUG)
        for bad in ("a b", "x" * 129, 'a"b', "\u00e4", ""):
            self.ask(server, X_Request_ID=bad)
        made = [line["request_id"] for line in decisions(server.log())]
        self.assertEqual(len(set(made)), 5)
        for request_id in made:
            self.assertRegex(request_id, "^[0-9a-f]{16}$")

    def test_keys_are_never_logged_however_they_look(self):
        server = self.serve(REFUSE_ALL + '[rate_limiting.client_identification]\n'
                            'identify = ["header:X-API-Key"]')
        for key in ("secret-key", "\u00e4\u00f6\u00ff secret-key", "secret-key" * 1_000):
            self.ask(server, X_API_Key=key)
        log = server.log()
        self.assertNotIn("secret-key", log)
        for line in decisions(log):
            self.assertRegex(line["client_id"], "^key:[0-9a-f]{12}$")
            self.assertEqual(line["client_type"], "key")
        self.assertEqual(len(decisions(log)), 3)

    def test_a_full_disk_is_told_once_and_stops_nothing(self):
        server = self.serve(DEBUG + 'log = "/dev/full"')
        with harness.Connection(server.port) as connection:
            for _ in range(50):
                self.assertEqual(connection.ask().status, 200)
        told = [json.loads(line) for line in server.log().splitlines()]
        self.assertEqual([line["event"] for line in told], ["log_not_written"])
        self.assertIn("/dev/full takes no more lines: No space left on device", told[0]["message"])
        self.assertEqual(self.counted(server, "rate_limit_log_lines_lost_total"), 50)

    def test_a_log_goes_on_where_there_is_room_again_and_says_what_is_missing(self):
        log = self.folder / "log"
        server = self.serve(DEBUG + f'log = "{log}"')
        worker, = server.workers()
        self.ask(server)
        size = log.stat().st_size
        limits = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        # Room for half a line.
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (size + size // 2, limits[1]))
        for _ in range(7):
            self.assertEqual(self.ask(server).status, 200)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, limits)
        self.assertEqual(self.ask(server).status, 200)
        self.assertEqual(server.workers(), [worker], "it was not ended by a signal")
        lines = log.read_text().splitlines()
        self.assertEqual(len(lines), 4, lines)
        with self.assertRaises(json.JSONDecodeError):
            json.loads(lines[1])  # the half that there was room for
        self.assertEqual(json.loads(lines[2])["message"],
                         "7 lines before this one could not be written")
        self.assertEqual(json.loads(lines[3])["status"], "allowed")

    def test_a_pipe_that_nobody_reads_stops_nobody(self):
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        server = self.serve(DEBUG, workers=3, stderr=writer)
        os.close(writer)
        statuses = self.ask_all_at_once(server, 6, 100)
        self.assertEqual(statuses, [200] * 600)
        lost = self.counted(server, "rate_limit_log_lines_lost_total")
        self.assertGreater(lost, 500)
        # Somebody reads again: whole lines, and each process says what is missing.
        received = b""
        fcntl.fcntl(reader, fcntl.F_SETFL, os.O_NONBLOCK)

        def told_of_all() -> bool:
            nonlocal received
            self.ask(server)
            try:
                while piece := os.read(reader, 1 << 16):
                    received += piece
            except BlockingIOError:
                pass
            gaps = [json.loads(line) for line in received.decode().splitlines()
                    if '"log_lines_lost"' in line]
            return sum(int(gap["message"].split()[0]) for gap in gaps) >= lost

        self.eventually(told_of_all, "the gaps are told")
        self.assertGreater(len(decisions(received.decode())), 0)
        self.assertEqual(server.stop(), 0)
        os.close(reader)

    def test_a_reader_that_is_gone_ends_nobody(self):
        reader, writer = os.pipe()
        server = self.serve(DEBUG, stderr=writer)
        os.close(writer)
        os.close(reader)
        worker, = server.workers()
        for _ in range(20):
            self.assertEqual(self.ask(server).status, 200)
        self.assertEqual(server.workers(), [worker])

    def test_all_processes_open_the_log_again_when_told(self):
        log, rotated = self.folder / "log", self.folder / "log.1"
        server = self.serve(DEBUG + f'log = "{log}"', workers=3)
        self.ask_all_at_once(server, 6, 20)
        log.rename(rotated)
        server.process.send_signal(signal.SIGUSR1)

        def nobody_writes_there() -> bool:
            self.ask_all_at_once(server, 6, 5)
            size = rotated.stat().st_size
            self.ask_all_at_once(server, 6, 20)
            return log.exists() and rotated.stat().st_size == size

        self.eventually(nobody_writes_there)
        for file in (log, rotated):
            decisions(file.read_text())  # every line is whole

        worker = server.workers()[0]
        os.kill(worker, signal.SIGKILL)  # the parent tells of that, and writes to the new one too
        self.eventually(lambda: "worker_replaced" in log.read_text())
        self.assertNotIn("worker_replaced", rotated.read_text())


if __name__ == "__main__":
    harness.main()
