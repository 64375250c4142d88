"""nginx with the module: in a folder, on a free port and on a segment of its own."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
sys.path += [str(HERE.parent / "server"), str(HERE.parent / "redis")]
import harness
import servers
from upstream import Upstream

NGINX = "/usr/sbin/nginx"
ENDS_WITHIN_S = 20  # nothing is left to wait for
MODULE = pathlib.Path()
# What nginx, which is not built with a sanitizer, needs for a module that is.
PRELOADED = {"LD_PRELOAD": os.environ["NGINX_PRELOAD"]} if "NGINX_PRELOAD" in os.environ else {}
TOKEN = "correct horse battery staple"
ENVIRONMENT = {"ADMIN_TOKEN": TOKEN}
ADMIN = '\n[rate_limiting.admin]\ntoken_env = "ADMIN_TOKEN"\n'
API = "tidegate on;\nlocation / { proxy_pass http://api; }\n"
OPERATIONS = "location /ops/ { tidegate_operations; }\n"
# What the variables say of a request, as a field of its response.
SEEN = ('add_header X-Seen "$tidegate_outcome $tidegate_client $tidegate_endpoint $tidegate_tier '
        '$tidegate_limit $tidegate_remaining" always;\n')


def main() -> None:
    """Runs the tests of the calling file: FILE MODULE COMMAND [unittest's options]."""
    global MODULE
    MODULE = pathlib.Path(sys.argv.pop(1)).resolve()
    harness.main()


class Gateway:
    """nginx with `rules`, TOML below [rate_limiting], and with `server` and `http` in those contexts
    of its configuration. There http://api is the upstream, and files come from the folder `html`."""

    def __init__(self, rules: str = "", server: str = API, *, http: str = "",
                 upstream: Upstream | None = None, workers: int = 1, user: str = "root",
                 listen: str = "", segment: str | None = None,
                 environment: dict[str, str] | None = None):
        self.segment = segment or harness.unique_name()
        self.environment = environment or {}
        self.folder = tempfile.TemporaryDirectory()
        self.prefix = pathlib.Path(self.folder.name)
        self.prefix.chmod(0o755)  # workers may be another user's
        self.html = self.prefix / "html"
        self.html.mkdir()
        (self.prefix / "etc").mkdir()
        # A relative name is looked for where nginx's own configuration is.
        self.config = self.prefix / "etc" / "limits.toml"
        self.nginx_config = self.prefix / "etc" / "nginx.conf"
        self.log_path = self.prefix / "error.log"
        self.log_path.touch()
        self.may_alert = "nothing"
        self.port = servers.free_port()
        self.write(rules)
        temporary = "".join(f"{name}_temp_path {name};\n" for name in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        api = f"upstream api {{ server 127.0.0.1:{upstream.port}; }}\n" if upstream else ""
        owner = f"user {user};\n" if os.geteuid() == 0 else ""
        self.nginx_config.write_text(
            f"load_module {MODULE};\ndaemon off;\nworker_processes {workers};\npid nginx.pid;\n"
            f"error_log error.log info;\n{owner}"
            "events { worker_connections 1024; }\n"
            f"http {{\naccess_log off;\ndefault_type text/html;\n{temporary}{api}"
            f"tidegate_config limits.toml;\n{http}\n"
            f"server {{\nlisten 127.0.0.1:{self.port} {listen};\nroot html;\n{server}\n}}\n}}\n")
        self.process = subprocess.Popen(self.command(), env=self.variables_of_nginx(), cwd=self.prefix,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, preexec_fn=_die_with_parent)
        try:
            self.wait_for(lambda: len(self.workers()) == workers)
        except BaseException:
            self.close()
            raise

    write = harness.Server.write
    log = harness.Server.log

    def workers(self) -> list[int]:
        """Those that are shutting down too, but no other child of the master."""
        found = []
        for pid in harness.Server.workers(self):
            try:
                title = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if title.startswith(b"nginx: worker process"):
                found.append(pid)
        return found

    def command(self, *options: str) -> list[str]:
        return [NGINX, "-p", str(self.prefix), "-c", "etc/nginx.conf", "-e", "error.log", *options]

    def variables(self) -> dict[str, str]:
        return harness.variables() | self.environment

    def variables_of_nginx(self) -> dict[str, str]:
        return self.variables() | PRELOADED

    def wait_for(self, condition) -> None:
        """While nginx runs."""
        end = time.monotonic() + harness.WITHIN_S
        while not condition():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"nginx is not as it should be:\n{self.log()}")
            time.sleep(0.01)

    def nginx(self, *options: str) -> subprocess.CompletedProcess:
        """Another nginx, to test the configuration or to send a signal."""
        return subprocess.run(self.command(*options), capture_output=True, text=True,
                              timeout=harness.WITHIN_S, env=self.variables_of_nginx(), cwd=self.prefix)

    def reload(self) -> None:
        """Returns when none of the former workers is left."""
        former = self.workers()
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: len(self.workers()) == len(former) and
                      not set(self.workers()) & set(former))

    def stop(self, how: int = signal.SIGQUIT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(ENDS_WITHIN_S)

    def alerts(self) -> list[str]:
        """Such as workers that died, and sockets that were left open when they ended."""
        return [line for line in self.log().splitlines()
                if "[alert]" in line and self.may_alert not in line]

    def close(self) -> None:
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            for pid in [self.process.pid, *self.workers()]:
                os.kill(pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError(f"nginx does not end:\n{self.log()}") from None
        finally:
            subprocess.run([harness.COMMAND, "segment", "remove", f"{self.segment}@test"],
                           capture_output=True, timeout=harness.WITHIN_S)
            self.folder.cleanup()


def _die_with_parent() -> None:
    # Its workers would outlive a master that is killed, not one that is told to end.
    servers._libc.prctl(1, signal.SIGTERM)


class GatewayTest(harness.ServerTest):
    """Gateways and upstreams that a test starts are stopped; nginx must have nothing to complain
    about by then."""

    def upstream(self) -> Upstream:
        upstream = Upstream()
        self.addCleanup(upstream.close)
        return upstream

    def gateway(self, *arguments, **more) -> Gateway:
        gateway = Gateway(*arguments, **more)
        self.addCleanup(self._close, gateway)
        return gateway

    def _close(self, gateway: Gateway) -> None:
        try:
            code = gateway.stop()
            self.assertEqual((code, gateway.alerts()), (0, []))
        finally:
            gateway.close()

    def statuses(self, gateway: Gateway, count: int, target: str = "/hello") -> list[int]:
        """Those of requests one after the other, each on a connection of its own."""
        return [self.ask(gateway, target).status for _ in range(count)]

    def limits_everywhere(self, server) -> set[str]:
        """What requests on many connections meet, which are any worker's."""
        return {self.ask(server, "/hello")["X-RateLimit-Limit"] for _ in range(12)}

    def statuses_at_once(self, *gateways: Gateway, each: int) -> list[int]:
        """The statuses of requests that are all there before any answer is read."""
        connections = [self.connect(gateway) for _ in range(each) for gateway in gateways]
        for connection in connections:
            connection.send("GET /hello HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        return [connection.answer().status for connection in connections]

    def encrypted(self) -> str:
        """What a server with TLS is configured by, besides `listen`."""
        made = servers.Certificates()
        self.addCleanup(made.close)
        return f"ssl_certificate {made.certificate};\nssl_certificate_key {made.key};\n"

    def curl(self, *options: str) -> str:
        return subprocess.run(["curl", "-s", "-S", *options], capture_output=True, text=True,
                              timeout=harness.WITHIN_S, check=True).stdout

    def sample(self, server: Gateway, name: str) -> int:
        return super().sample(server, name, "/ops/metrics")

    def error(self, answer: harness.Answer) -> str:
        self.assertEqual(answer["Content-Type"], "application/json")
        return json.loads(answer.body)["error"]

    def run_command(self, gateway: Gateway, *words: str) -> str:
        done = subprocess.run([harness.COMMAND, *words, "--config", gateway.config],
                              capture_output=True, text=True, timeout=harness.WITHIN_S,
                              env=gateway.variables())
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout
