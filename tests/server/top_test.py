"""`tidegate top`: on a terminal, in a pipe, and where there is nothing to see."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import harness

RULES = ('default_limit = 5\ndefault_window = "1h"\nalgorithm = "fixed_window"\n'
         '[[rate_limiting.endpoints]]\nname = "search"\npattern = "/api/v1/search/*"\n'
         'limit = 50\nwindow = "1h"\n')
ENTER, LEAVE = b"\x1b[?1049h\x1b[?25l", b"\x1b[?25h\x1b[?1049l"


class Screen:
    """`top` on a terminal of its own, and everything it has written there."""

    def __init__(self, server: harness.Server, *options: str, **environment: str):
        self.master, self.slave = pty.openpty()
        self.resize(80, 24)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [harness.COMMAND, "top", "--config", server.config, "--interval", "100ms", *options],
            stdin=self.slave, stdout=self.slave, stderr=self.slave, start_new_session=True,
            env=harness.variables() | {"TERM": "xterm"} | environment)
        self.written = b""

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def read(self) -> None:
        if select.select([self.master], [], [], 0.05)[0]:
            self.written += os.read(self.master, 1 << 16)

    def until(self, condition) -> None:
        """Waits until what the screen shows is as wanted."""
        deadline = time.monotonic() + harness.WITHIN_S
        while not condition(self.shown()):
            if time.monotonic() > deadline:
                raise AssertionError(f"never shown, but: {self.shown()}\nlast: {self.written[-500:]}")
            self.read()

    def pictures(self) -> list[str]:
        """Each whole picture in the order drawn, without the sequences of the terminal."""
        whole = self.written.split(b"\x1b[H")[1:-1]
        return [re.sub(r"\x1b\[[0-9?;]*[a-zA-Z]", "", piece.decode()) for piece in whole]

    def shown(self) -> str:
        return (self.pictures() or [""])[-1]

    def end(self) -> int:
        """The exit code, once it has ended and everything is read."""
        deadline = time.monotonic() + harness.WITHIN_S
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise AssertionError("top does not end")
            self.read()
        while select.select([self.master], [], [], 0)[0]:
            self.written += os.read(self.master, 1 << 16)
        return self.process.returncode

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


class TopTest(harness.ServerTest):
    def top(self, server, *options) -> subprocess.CompletedProcess:
        return subprocess.run([harness.COMMAND, "top", "--config", server.config, *options],
                              capture_output=True, text=True, timeout=harness.WITHIN_S,
                              env=harness.variables())

    def watch(self, server, *options, **environment) -> Screen:
        screen = Screen(server, *options, **environment)
        self.addCleanup(screen.close)
        return screen


class Piped(TopTest):
    def test_it_prints_one_look_of_80_columns(self):
        server = self.serve(RULES)
        for _ in range(7):
            self.ask(server)
        self.ask(server, "/api/v1/search/x")
        done = self.top(server)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)
        self.assertNotIn("\x1b", done.stdout)
        self.assertIn(f"{server.segment}@test", done.stdout)
        self.assertRegex(done.stdout, r"default +anonymous +- +- +7 +2\n")
        self.assertRegex(done.stdout, r"search +anonymous +- +- +1 +0\n")
        self.assertRegex(done.stdout, r"ip:127\.0\.0\.1 +default +5 +5 ##########\n")
        self.assertIn("requests -/s", done.stdout)

    def test_with_an_interval_it_goes_on_and_tells_rates(self):
        server = self.serve(RULES)
        process = subprocess.Popen(
            [harness.COMMAND, "top", "--config", server.config, "--interval", "200ms"], text=True,
            stdout=subprocess.PIPE, env=harness.variables())
        self.addCleanup(process.wait)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        for line in process.stdout:
            self.ask(server)
            if re.match(r"requests [1-9][0-9.,]*/s", line):
                break

    def test_without_a_segment_there_is_an_error_and_none_is_made(self):
        server = self.serve(RULES)
        server.stop()
        subprocess.run([harness.COMMAND, "segment", "remove", f"{server.segment}@test"], check=True,
                       capture_output=True)
        done = self.top(server)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(server.segment, done.stderr)
        listed = subprocess.run([harness.COMMAND, "segment", "list"], capture_output=True, text=True)
        self.assertNotIn(server.segment, listed.stdout)

    def test_it_needs_no_server_and_leaves_the_segment_alone(self):
        server = self.serve(RULES)
        self.ask(server)
        server.stop()
        self.assertRegex(self.top(server).stdout, r"default +anonymous +- +- +1 +0\n")

    def test_bad_options_are_wrong_usage(self):
        server = self.serve(RULES)
        for interval in ("0s", "5h", "soon", "-1s"):
            done = self.top(server, "--interval", interval)
            self.assertEqual(done.returncode, 2, interval)
            self.assertIn("--interval", done.stderr)


class OnATerminal(TopTest):
    def test_it_follows_what_happens_and_gives_the_terminal_back(self):
        server = self.serve(RULES)
        screen = self.watch(server)
        screen.until(lambda shown: "no request has been decided yet" in shown)
        for _ in range(8):
            self.ask(server)
        screen.until(lambda shown: re.search(r"default +anonymous .* 8 +3\r", shown) is not None)
        self.assertTrue(any(re.search(r"rejected [1-9][\d.]*/s", picture)
                            for picture in screen.pictures()), screen.pictures())
        self.assertEqual(termios.tcgetattr(screen.slave)[3] & termios.ECHO, 0)
        os.write(screen.master, b"q")
        self.assertEqual(screen.end(), 0)
        self.assertEqual(screen.written.count(ENTER), 1)
        self.assertTrue(screen.written.startswith(ENTER))
        self.assertTrue(screen.written.endswith(LEAVE), screen.written[-100:])
        self.assertEqual(termios.tcgetattr(screen.slave), screen.before)

    def test_a_signal_gives_the_terminal_back_too(self):
        server = self.serve(RULES)
        for how in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            screen = self.watch(server)
            screen.until(lambda shown: "RULE" in shown)
            screen.process.send_signal(how)
            self.assertEqual(screen.end(), -how)
            self.assertTrue(screen.written.endswith(LEAVE), screen.written[-100:])
            self.assertEqual(termios.tcgetattr(screen.slave), screen.before)

    def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(self):
        screen = self.watch(self.serve(RULES))
        screen.until(lambda shown: "RULE" in shown)
        stat = f"/proc/{screen.process.pid}/stat"
        screen.process.send_signal(signal.SIGTSTP)  # of this session the terminal is not the master
        screen.until(lambda _: open(stat).read().rsplit(")", 1)[1].split()[0] == "T")
        screen.until(lambda _: screen.written.endswith(LEAVE))
        self.assertEqual(termios.tcgetattr(screen.slave), screen.before)
        screen.process.send_signal(signal.SIGCONT)
        screen.until(lambda _: b"\x1b[H" in screen.written.rsplit(LEAVE, 1)[1])
        self.assertEqual(screen.written.count(ENTER), 2)

    def test_nothing_flickers(self):
        """The screen is never cleared as a whole; lines are overwritten."""
        screen = self.watch(self.serve(RULES))
        screen.until(lambda _: len(screen.pictures()) > 5)
        self.assertNotIn(b"\x1b[2J", screen.written)

    def test_it_takes_the_size_of_the_terminal(self):
        screen = self.watch(self.serve(RULES))
        screen.until(lambda shown: "RULE" in shown)
        for width, height in ((120, 40), (40, 10)):
            screen.resize(width, height)
            screen.process.send_signal(signal.SIGWINCH)
            screen.until(lambda shown: len(shown.split("\r\n")[0]) == width)
            self.assertLessEqual(len(screen.shown().split("\r\n")), height)

    def test_colours_unless_they_are_not_wanted(self):
        server = self.serve(RULES)
        for environment, colours in (({}, True), ({"NO_COLOR": "1"}, False)):
            screen = self.watch(server, **environment)
            screen.until(lambda shown: "RULE" in shown)
            self.assertEqual(re.search(rb"\x1b\[\d+m", screen.written) is not None, colours)

    def test_it_finds_a_segment_that_was_made_anew(self):
        server = self.serve(RULES)
        self.ask(server)
        screen = self.watch(server)
        screen.until(lambda shown: "default" in shown)
        server.stop()
        subprocess.run([harness.COMMAND, "segment", "remove", f"{server.segment}@test"], check=True,
                       capture_output=True)
        screen.until(lambda shown: "looking again" in shown)
        again = self.serve(RULES, segment=server.segment)
        self.ask(again, "/api/v1/search/x")
        screen.until(lambda shown: "search" in shown and "looking again" not in shown)

    def test_once_prints_on_a_terminal_what_it_would_in_a_pipe(self):
        screen = self.watch(self.serve(RULES), "--once")
        self.assertEqual(screen.end(), 0)
        self.assertNotIn(b"\x1b", screen.written)
        self.assertIn(b"RULE", screen.written)

    def test_a_dumb_terminal_gets_plain_text(self):
        screen = self.watch(self.serve(RULES), TERM="dumb")
        deadline = time.monotonic() + harness.WITHIN_S
        while screen.written.count(b"RULE") < 2 and time.monotonic() < deadline:
            screen.read()
        self.assertNotIn(b"\x1b", screen.written)
        self.assertGreaterEqual(screen.written.count(b"RULE"), 2)


if __name__ == "__main__":
    harness.main()
