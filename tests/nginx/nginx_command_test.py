"""`tidegate gateway`: nginx in front of an API, by one command (contract 10)."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import gateway
from gateway import ENDS_WITHIN_S, PRELOADED, GatewayTest
from upstream import Reply
import harness
import servers

RULES = 'default_limit = {limit}\ndefault_window = "1h"\n'


class Command:
    """A gateway as its caller sees it."""

    def __init__(self, config: pathlib.Path, folder: pathlib.Path, *options: str):
        self.temporary = folder
        self.log_path = folder / "stderr"
        nginx = folder / "nginx"
        variables = "".join(f"{name}={value} " for name, value in PRELOADED.items())
        nginx.write_text(f'#!/bin/sh\n{variables}exec {gateway.NGINX} "$@"\n')
        nginx.chmod(0o755)
        with self.log_path.open("w") as log:
            self.process = subprocess.Popen(
                [harness.COMMAND, "gateway", "--config", config, "--module", gateway.MODULE,
                 "--nginx", nginx, "--listen", "127.0.0.1:0", *options],
                env=harness.variables() | {"TMPDIR": str(folder)}, text=True,
                stdout=subprocess.PIPE, stderr=log, preexec_fn=gateway._die_with_parent)
        self.port = int(re.search(r":(\d+) limits ", self.process.stdout.readline()).group(1))

    log = harness.Server.log

    def folders(self) -> list[pathlib.Path]:
        return list(self.temporary.glob("tidegate-*"))

    def descendants(self) -> list[int]:
        found = []
        waiting = [self.process.pid]
        while waiting:
            parent = waiting.pop()
            children = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
            waiting += map(int, children)
            found += map(int, children)
        return found

    def stop(self, how: int = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(ENDS_WITHIN_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop()
        self.process.stdout.close()


class CommandTest(GatewayTest):
    def setUp(self):
        self.api = self.upstream()
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.segment = harness.unique_name()
        self.addCleanup(subprocess.run,
                        [harness.COMMAND, "segment", "remove", f"{self.segment}@default"],
                        capture_output=True)
        self.write(3)

    def write(self, limit: int) -> None:
        self.config = self.folder / "limits.toml"
        self.config.write_text("[rate_limiting]\n" + RULES.format(limit=limit) +
                               f'[rate_limiting.memory]\nsegment = "{self.segment}"\n')

    def start(self, *options: str) -> Command:
        command = Command(self.config, self.folder, "--upstream",
                          f"http://127.0.0.1:{self.api.port}", *options)
        self.addCleanup(command.close)
        self.eventually(lambda: "start worker process" in command.log() or
                        command.process.poll() is not None)
        return command

    def run_gateway(self, *options: str) -> subprocess.CompletedProcess:
        return subprocess.run([harness.COMMAND, "gateway", "--config", self.config,
                               "--module", gateway.MODULE, *options], capture_output=True,
                              text=True, timeout=harness.WITHIN_S, env=harness.variables())

    def test_limits_an_api(self):
        command = self.start("--workers", "2")
        self.assertEqual([self.ask(command, "/hello?x=1").status for _ in range(4)],
                         [200, 200, 200, 429])
        self.assertEqual(self.ask(command, "/metrics").body, b"upstream\n", "a path of the API")
        self.assertEqual(self.api.targets(), ["/hello?x=1"] * 3 + ["/metrics"])
        request = self.api.requests[0]
        self.assertEqual(request.fields["Host"], "test")
        self.assertEqual(request.fields["X-Forwarded-For"], "127.0.0.1")

    def test_serves_operators_at_a_port_of_their_own(self):
        port = servers.free_port()
        command = self.start("--ops-listen", f"127.0.0.1:{port}")
        self.assertEqual(self.ask(command, "/hello").status, 200)
        for target in ("/health", "/metrics"):
            self.assertEqual(self.ask(command, target, port=port).status, 200)
        self.assertEqual(self.ask(command, "/hello", port=port).status, 404)

    def test_reads_the_configuration_again(self):
        command = self.start()
        self.assertEqual(self.ask(command, "/hello").limits(), ("3", "2"))
        self.write(7)
        command.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: self.ask(command, "/hello").limits()[0] == "7")

    def test_ends_when_all_are_served_and_leaves_nothing_behind(self):
        for how in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(how=how):
                command = self.start("--workers", "2")
                self.assertEqual(len(command.folders()), 1)
                self.eventually(lambda: len(command.descendants()) >= 3)
                running = command.descendants()
                self.assertEqual(len(running), 3)
                held = self.api.hold()
                self.api.replies["/slow"] = Reply(before=held)
                slow = self.connect(command)
                slow.send("GET /slow HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
                self.eventually(lambda: "/slow" in self.api.targets())
                command.process.send_signal(how)
                self.eventually(lambda: "gracefully shutting down" in command.log())
                held.set()
                self.assertEqual(slow.answer().status, 200)
                self.assertEqual(command.process.wait(ENDS_WITHIN_S), 0)
                self.assertEqual(command.folders(), [])
                for pid in running:
                    self.assertFalse(os.path.exists(f"/proc/{pid}"))
                self.api.requests.clear()

    def test_names_what_is_wrong(self):
        taken = f"127.0.0.1:{self.api.port}"
        api = f"http://{taken}"
        for options, code, words in (
                (("--upstream", "localhost:80"), 2, "--upstream: found localhost:80, allowed: http"),
                (("--upstream", api + "/v1"), 2, "--upstream: found"),
                (("--upstream", "http://a;b"), 2, "--upstream: found"),
                (("--upstream", "http://127.0.0.1:99999"), 2, "--upstream: found"),
                (("--upstream", api, "--listen", taken), 1, f"{taken} is taken"),
                (("--upstream", api, "--listen", "here"), 2, "expected HOST:PORT"),
                (("--upstream", api, "--listen", "127.0.0.1:0", "--ops-listen", taken), 1,
                 f"{taken} is taken"),
                (("--upstream", api, "--nginx", "/nowhere"), 2, "/nowhere"),
                ((), 2, "--upstream is required")):
            with self.subTest(options=options):
                done = self.run_gateway(*options)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(words, done.stderr)
        self.config.write_text("[rate_limiting]\ndefault_limit = -1\n")
        done = self.run_gateway("--upstream", api)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(f"{self.config}:2:", done.stderr)

    def test_says_where_the_module_should_come_from(self):
        alone = shutil.copy(harness.COMMAND, self.folder)
        done = subprocess.run([alone, "gateway", "--config", self.config, "--upstream", "http://x"],
                              capture_output=True, text=True, timeout=harness.WITHIN_S)
        self.assertEqual(done.returncode, 1)
        self.assertIn("ngx_http_tidegate_module.so is not there: build it", done.stderr)

    def test_prints_a_configuration_that_nginx_takes(self):
        api = f"http://127.0.0.1:{self.api.port}"
        done = self.run_gateway("--upstream", api, "--listen", "127.0.0.1:0", "--print")
        self.assertEqual(done.returncode, 0, done.stderr)
        (self.folder / "nginx.conf").write_text(done.stdout)
        tested = subprocess.run([gateway.NGINX, "-t", "-p", self.folder, "-c", "nginx.conf",
                                 "-e", "stderr"], capture_output=True, text=True,
                                env=harness.variables() | PRELOADED)
        self.assertEqual(tested.returncode, 0, tested.stderr)


if __name__ == "__main__":
    gateway.main()
