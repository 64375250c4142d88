"""Starting, stopping, workers that count together and die, and what a bad start says."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import harness

LIMIT = 400
RULES = f'default_limit = {LIMIT}\ndefault_window = "1h"\nalgorithm = "fixed_window"\n'


def eventually(condition) -> bool:
    deadline = time.monotonic() + harness.WITHIN_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A process that has ended and was not waited for is gone, too.
    return " Z " in pathlib.Path(f"/proc/{pid}/stat").read_text()


def start(*options, rules=RULES) -> subprocess.CompletedProcess:
    """A start that fails."""
    with harness.tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(f"[rate_limiting]\n{rules}")
        config.flush()
        return subprocess.run([harness.COMMAND, "serve", "--config", config.name, *options],
                              capture_output=True, text=True, timeout=harness.WITHIN_S,
                              env=harness.variables())


class Workers(harness.ServerTest):
    def test_two_workers_count_together(self):
        server = self.serve(RULES, workers=2)
        statuses = self.ask_all_at_once(server, 8, 100)
        self.assertEqual((statuses.count(200), statuses.count(429)), (LIMIT, 800 - LIMIT))
        # Either of them goes on with the count of both.
        for _ in range(20):
            self.assertEqual(self.ask(server).status, 429)

    def test_two_servers_on_one_segment_count_together(self):
        one = self.serve(RULES, workers=2)
        other = self.serve(RULES, segment=one.segment)
        results = {}
        threads = [threading.Thread(target=lambda s=server: results.update(
            {s.port: self.ask_all_at_once(s, 4, 100)})) for server in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        admitted = [results[server.port].count(200) for server in (one, other)]
        self.assertEqual(sum(admitted), LIMIT)
        self.assertIn(f'status="allowed"}} {LIMIT}\n', self.ask(one, "/metrics").body.decode())

    def test_a_server_that_comes_back_goes_on_with_the_counts(self):
        first = self.serve("default_limit = 3\ndefault_window = \"1h\"")
        for _ in range(3):
            self.ask(first)
        self.assertEqual(first.stop(), 0)
        again = self.serve("default_limit = 3\ndefault_window = \"1h\"", segment=first.segment)
        self.assertEqual(self.ask(again).status, 429)

    def test_killed_workers_lose_no_count_and_are_replaced(self):
        server = self.serve(RULES, workers=2)
        before = server.workers()
        self.assertEqual(len(before), 2)
        statuses = []
        load = threading.Thread(target=lambda: statuses.extend(self.ask_all_at_once(server, 6, 150)))
        load.start()
        for _ in range(2):
            time.sleep(0.05)
            os.kill(server.workers()[0], signal.SIGKILL)
            self.assertTrue(eventually(lambda: len(server.workers()) == 2))
        load.join()
        # A request whose worker was killed may have been counted, and its client not told.
        broken = statuses.count(0)
        self.assertLessEqual(statuses.count(200), LIMIT)
        self.assertGreaterEqual(statuses.count(200) + broken, LIMIT)
        for _ in range(20):
            self.assertEqual(self.ask(server).status, 429)
        self.assertNotEqual(sorted(server.workers()), sorted(before))
        self.assertEqual(server.log().count('"event":"worker_replaced"'), 2)

    def test_workers_that_keep_dying_end_the_server(self):
        server = self.serve(RULES)
        killed = set()

        def kill_those_that_live() -> bool:
            # No more than five: what the parent starts when it ends is no worker (a sanitizer's
            # look for leaks would wait for its own for ever).
            for worker in list(set(server.workers()) - killed)[:5 - len(killed)]:
                os.kill(worker, signal.SIGKILL)
                killed.add(worker)
            return server.process.poll() is not None

        self.assertTrue(eventually(kill_those_that_live))
        self.assertEqual(len(killed), 5)
        self.assertEqual(server.process.wait(harness.WITHIN_S), 1)
        self.assertIn('"event":"workers_keep_dying"', server.log())

    def test_workers_end_with_their_parent(self):
        server = self.serve(RULES, workers=2)
        workers = server.workers()
        server.stop(signal.SIGKILL)
        self.assertTrue(eventually(lambda: all(map(gone, workers))))


class Stopping(harness.ServerTest):
    def test_running_requests_finish(self):
        for how in (signal.SIGTERM, signal.SIGINT):
            server = self.serve(RULES, workers=2)
            workers = server.workers()
            idle = self.connect(server)
            stream = self.connect(server)
            stream.send("GET /api/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertTrue(stream.file.peek())  # it has begun
            server.process.send_signal(how)
            self.assertTrue(idle.closed())
            with self.assertRaises(ConnectionRefusedError):
                while True:  # nobody listens any more
                    socket.create_connection(("127.0.0.1", server.port)).close()
            self.assertIn(b'"piece":5', stream.answer().body)
            self.assertEqual(server.stop(how), 0)
            self.assertTrue(all(map(gone, workers)))

    def test_who_has_sent_half_a_header_holds_nobody_up(self):
        server = self.serve(RULES)
        slow = self.connect(server)
        slow.send("GET /api/v1/hello HTTP/1.1\r\nHost")
        self.assertEqual(self.ask(server).status, 200)  # so the worker has seen what came before
        server.process.send_signal(signal.SIGTERM)
        answer = slow.answer()
        self.assertEqual((answer.status, answer["Connection"]), (503, "close"))
        self.assertEqual(json.loads(answer.body)["error"], "server_stopping")
        # Its connection is closed already: nothing waits for it to be silent for long enough.
        self.assertTrue(slow.closed())
        self.assertEqual(server.stop(), 0)

    def test_the_port_is_free_at_once(self):
        first = self.serve(RULES)
        self.ask(first)
        self.assertEqual(first.stop(), 0)
        second = self.serve(RULES, listen=f"127.0.0.1:{first.port}")
        self.assertEqual(second.port, first.port)

    def test_the_log_is_opened_again_when_told(self):
        folder = harness.tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        log = pathlib.Path(folder.name) / "log"
        server = self.serve(f'default_limit = 0\nlog = "{log}"')
        self.ask(server)
        self.assertTrue(eventually(lambda: "maintenance" in log.read_text()))
        log.rename(f"{log}.1")
        server.process.send_signal(signal.SIGUSR1)
        self.assertTrue(eventually(log.exists))
        worker, = server.workers()
        os.kill(worker, signal.SIGKILL)
        self.assertTrue(eventually(lambda: "worker_replaced" in log.read_text()))


class Starting(harness.ServerTest):
    def test_says_what_to_try(self):
        server = self.serve(RULES)
        curls = [line for line in server.greeting.splitlines() if line.startswith("  curl ")]
        self.assertEqual(len(curls), 3)
        for line in curls:
            done = subprocess.run(line, shell=True, capture_output=True, text=True,
                                  timeout=harness.WITHIN_S, check=True)
            self.assertIn("200", done.stdout)
        self.assertIn(f"Metrics: http://127.0.0.1:{server.port}/metrics", server.greeting)

    def test_health_and_metrics_move_to_a_port_of_their_own(self):
        server = self.serve(RULES, "--ops-listen", "127.0.0.1:0")
        main, ops = server.ports
        for path in ("/health", "/metrics"):
            self.assertEqual(self.ask(server, path, port=main).status, 404)
            self.assertEqual(self.ask(server, path, port=ops).status, 200)
        self.assertEqual(self.ask(server, "/api/v1/hello", port=ops).status, 404)
        self.assertEqual(self.ask(server, "/auth", port=ops).status, 404)

    def test_a_taken_port_is_one_clear_line(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            done = start("--listen", address, rules='memory.segment = ""')
        self.assertEqual(done.returncode, 1)
        self.assertEqual((done.stdout, done.stderr),
                         ("", f"{address} is taken by another program; choose another with --listen\n"))

    def test_an_address_that_makes_no_sense_is_wrong_usage(self):
        for address in ("8000", "127.0.0.1:", "127.0.0.1:99999", "::1:80", ":80", "127.0.0.1:http"):
            done = start("--listen", address, rules='memory.segment = ""')
            self.assertEqual(done.returncode, 2, address)
            self.assertEqual(done.stderr.count("\n"), 1)
            self.assertIn(address, done.stderr)

    def test_listens_on_ipv6(self):
        server = harness.subprocess.Popen(
            [harness.COMMAND, "serve", "--demo", "--listen", "[::1]:0", "--config", "/dev/null"],
            stdout=subprocess.PIPE, text=True,
            env=harness.variables() | {"RATE_LIMIT_MEMORY__SEGMENT": '""'})
        try:
            first = server.stdout.readline()
        finally:
            server.terminate()
            server.communicate(timeout=harness.WITHIN_S)
        self.assertRegex(first, r"http://\[::1\]:\d+ ")

    def test_nothing_starts_on_a_faulty_file(self):
        done = start("--listen", "127.0.0.1:0", rules="default_limt = 1\ndefault_window = 0")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(":2:", done.stderr)
        self.assertIn(":3:", done.stderr)

    def test_a_segment_that_does_not_fit_is_an_error_at_start(self):
        name = harness.unique_name()
        done = start("--listen", "127.0.0.1:0",
                     rules=f'memory = {{ segment = "{name}", capacity = 2_000_000_000 }}')
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("/dev/shm", done.stderr)
        self.assertEqual(list(pathlib.Path("/dev/shm").glob(f"*{name}*")), [])


if __name__ == "__main__":
    harness.main()
