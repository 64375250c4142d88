"""The real server on a free port and on a segment of its own, and a client that sends bytes as they are."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

COMMAND = ""
WITHIN_S = 60  # for whatever should come at once, however busy the machine is

_number = 0


def main() -> None:
    """Runs the tests of the calling file: FILE COMMAND [unittest's options]."""
    global COMMAND
    COMMAND = sys.argv.pop(1)
    # The file is __main__, and has imported this module under its name.
    sys.modules["harness"].COMMAND = COMMAND
    unittest.main(module="__main__")


def unique_name() -> str:
    global _number
    _number += 1
    return f"server-{os.getpid()}-{_number}"


def variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items()
            if not name.startswith("RATE_LIMIT_") and name != "REDIS_URL"}


class Server:
    """`tidegate serve` with a configuration; `rules` is TOML below [rate_limiting]."""

    def __init__(self, rules: str = "", *options: str, segment: str | None = None,
                 workers: int = 1, demo: bool = True, listen: str = "127.0.0.1:0",
                 environment: dict[str, str] | None = None, stderr: int | None = None):
        self.segment = segment or unique_name()
        self.folder = tempfile.TemporaryDirectory()
        self.config = pathlib.Path(self.folder.name) / "limits.toml"
        self.write(rules)
        self.log_path = pathlib.Path(self.folder.name) / "stderr"
        with self.log_path.open("w") as log:
            self.process = subprocess.Popen(
                [COMMAND, "serve", "--config", self.config, "--listen", listen,
                 "--workers", str(workers), *(["--demo"] if demo else []), *options],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                stderr=log if stderr is None else stderr,
                env=variables() | (environment or {}))
        self.ports = []
        self.greeting = ""
        for line in self.process.stdout:
            self.greeting += line
            for port in re.findall(r"http://127\.0\.0\.1:(\d+)", line):
                if int(port) not in self.ports:
                    self.ports.append(int(port))
            if line.startswith("Metrics:"):
                break
        if not self.ports:
            why = self.log()
            self.close()
            raise AssertionError(f"the server did not start: {why}")
        self.port = self.ports[0]

    def write(self, rules: str, memory: str = "capacity = 10_000") -> None:
        # Tables come last in TOML, and `rules` may hold some.
        self.config.write_text(
            f'[rate_limiting]\nnamespace = "test"\n{rules}\n[rate_limiting.memory]\n'
            f'segment = "{self.segment}"\n{memory}\nlog_slots = 10_000\n')

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def workers(self) -> list[int]:
        parent = self.process.pid
        try:
            text = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text()
        except FileNotFoundError:
            return []
        return [int(child) for child in text.split()]

    def stop(self, how: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(WITHIN_S)
        self.process.stdout.close()
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop()
        self.process.stdout.close()
        subprocess.run([COMMAND, "segment", "remove", f"{self.segment}@test"],
                       capture_output=True, timeout=WITHIN_S)
        self.folder.cleanup()


class Answer:
    def __init__(self, status: int, fields: list[tuple[str, str]], body: bytes):
        self.status, self.fields, self.body = status, fields, body

    def __getitem__(self, name: str) -> str | None:
        """The value of a field, None if it is not there, an error if it is there twice."""
        found = [value for key, value in self.fields if key.lower() == name.lower()]
        if len(found) > 1:
            raise AssertionError(f"{name} is there {len(found)} times")
        return found[0] if found else None

    def limits(self) -> tuple[str | None, str | None]:
        return self["X-RateLimit-Limit"], self["X-RateLimit-Remaining"]


class Connection:
    """One connection; what is sent is sent as it is."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), WITHIN_S)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def send(self, data: bytes | str) -> None:
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def answer(self, head: bool = False) -> Answer | None:
        """The next answer, or None if the connection ends instead."""
        try:
            line = self.file.readline()
            if not line:
                return None
            status = int(line.split()[1])
            fields = []
            while (line := self.file.readline()) not in (b"\r\n", b""):
                name, value = line.decode("latin-1").rstrip("\r\n").split(": ", 1)
                fields.append((name, value))
            answer = Answer(status, fields, b"")
            if status in (100, 204) or head:
                return answer
            if answer["Transfer-Encoding"] == "chunked":
                while size := int(self.file.readline(), 16):
                    answer.body += self.file.read(size)
                    self.file.read(2)
                self.file.read(2)
            elif answer["Content-Length"] is not None:
                answer.body = self.file.read(int(answer["Content-Length"]))
            else:
                answer.body = self.file.read()
            return answer
        except ConnectionError:
            return None

    def ask(self, target: str = "/api/v1/hello", method: str = "GET", body: str = "",
            **fields: str) -> Answer | None:
        """Sends a request; X_Some_Field is the field X-Some-Field."""
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self.send(f"{method} {target} HTTP/1.1\r\nHost: test\r\n{lines}{length}\r\n{body}")
        return self.answer(head=method == "HEAD")

    def closed(self) -> bool:
        """Whether the other side ends the connection, and sends nothing more."""
        try:
            return self.file.read() == b""
        except ConnectionError:
            return True


class ServerTest(unittest.TestCase):
    """Servers that a test starts are stopped, and their segments removed."""

    def serve(self, rules: str = "", *options: str, **more) -> Server:
        server = Server(rules, *options, **more)
        self.addCleanup(server.close)
        return server

    def connect(self, server: Server, port: int | None = None) -> Connection:
        connection = Connection(port or server.port)
        self.addCleanup(connection.close)
        return connection

    def ask(self, server: Server, *arguments, port: int | None = None, **fields) -> Answer:
        """One request on a connection of its own."""
        with Connection(port or server.port) as connection:
            answer = connection.ask(*arguments, **fields)
        self.assertIsNotNone(answer)
        return answer

    def eventually(self, what, message="") -> None:
        deadline = time.monotonic() + WITHIN_S
        while not what():
            self.assertLess(time.monotonic(), deadline, message)
            time.sleep(0.01)

    def tidegate(self, server: Server, *arguments: str) -> str:
        """What a command prints that works on the server's segment."""
        command, *rest = arguments
        done = subprocess.run([COMMAND, command, "--config", server.config, *rest],
                              capture_output=True, text=True, timeout=WITHIN_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def sample(self, server: Server, name: str, target: str = "/metrics") -> int:
        """The value of a metric, 0 where there is none yet."""
        for line in self.ask(server, target).body.decode().splitlines():
            if line.startswith(name + " "):
                return int(line.split()[-1])
        return 0

    def ask_all_at_once(self, server: Server, threads: int, each: int) -> list[int]:
        """The status of each of many requests, 0 where the connection broke."""
        statuses: list[list[int]] = [[] for _ in range(threads)]

        def work(mine: list[int]) -> None:
            connection = None
            for _ in range(each):
                try:
                    connection = connection or Connection(server.port)
                    answer = connection.ask()
                except OSError:
                    answer = None
                mine.append(answer.status if answer else 0)
                if not answer and connection:
                    connection.close()
                    connection = None
            if connection:
                connection.close()

        running = [threading.Thread(target=work, args=(mine,)) for mine in statuses]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        return [status for mine in statuses for status in mine]
