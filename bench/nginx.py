"""CPU per request of nginx with our module, against nginx's own limit_req and against no limit.

One worker each, on loopback, driven by wrk with keep-alive connections: serving a small file, and
passing requests on to another nginx. All run at the same time and take turns under load; each round
gives one ratio. All limits admit everybody.
"""

import argparse
import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import driven
import report

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests/redis"))
import servers

LIMITS = """
[rate_limiting]
default_limit = {limit}
default_window = "1h"
algorithm = "token_bucket"
[rate_limiting.memory]
segment = ""
"""
CONFIGURATION = """
{user}
{load}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  keepalive_requests 100000000;
  open_file_cache max=10;
  {http}
  server {{
    listen 127.0.0.1:{port};
    {server}
    location / {{ {location} }}
  }}
}}
"""
FILE = "root {root};"
PASS = ("proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection \"\"; "
        "proxy_set_header Host $host;")
API = "upstream api {{ server 127.0.0.1:{port}; keepalive 64; keepalive_requests 100000000; }}"
NONE, LIMIT_REQ, OURS = "no limit", "limit_req", "tidegate"
HELLO = "/api/v1/hello"
NO_LIMIT = 1_000_000_000


class Nginx:
    """A worker of nginx, on the cores of servers."""

    def __init__(self, stack: contextlib.ExitStack, *, load: str = "", http: str = "",
                 server: str = "", location: str):
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.port = servers.free_port()
        (folder / "api/v1").mkdir(parents=True)
        (folder / HELLO[1:]).write_text("hello\n")
        (folder / "limits.toml").write_text(LIMITS.format(limit=NO_LIMIT))
        (folder / "nginx.conf").write_text(CONFIGURATION.format(
            user="user root;" if os.geteuid() == 0 else "", load=load, http=http, port=self.port,
            server=server, location=location.format(root=folder)))
        process = subprocess.Popen(
            ["/usr/sbin/nginx", "-p", folder, "-c", "nginx.conf", "-e", "error.log"],
            preexec_fn=lambda: os.sched_setaffinity(0, driven.SERVER_CORES))
        stack.callback(driven.stop, process)
        self.answer = self.wait()
        self.worker = driven.children(process.pid)

    def wait(self):
        for _ in range(500):
            with contextlib.suppress(OSError):
                return urllib.request.urlopen(f"http://127.0.0.1:{self.port}{HELLO}")
            time.sleep(0.01)
        sys.exit("nginx does not answer")

    def drive(self) -> driven.Driven:
        return driven.drive(self.worker, self.port, 1)


def ways(module: pathlib.Path) -> dict[str, dict[str, str]]:
    return {
        NONE: {},
        LIMIT_REQ: {"http": "limit_req_zone $binary_remote_addr zone=all:10m rate=1000000r/s;",
                    "server": "limit_req zone=all burst=1000000 nodelay;"},
        OURS: {"load": f"load_module {module};", "http": "tidegate_config limits.toml;",
               "server": "tidegate on;"},
    }


def measure(title: str, module: pathlib.Path, location: str, further: str, rounds: int) -> None:
    with contextlib.ExitStack() as stack:
        workers = {}
        for name, settings in ways(module).items():
            workers[name] = Nginx(stack, location=location,
                                  **{**settings, "http": settings.get("http", "") + further})
        if workers[OURS].answer.headers["X-RateLimit-Limit"] != str(NO_LIMIT):
            sys.exit("the module does not limit")
        for worker in workers.values():
            worker.drive()  # warm up
        found = []
        for number in range(rounds):
            order = list(workers)[::-1 if number % 2 else 1]
            found.append({name: workers[name].drive() for name in order})

    def ratio(name: str) -> str:
        ratios = [each[OURS].cpu_us / each[name].cpu_us for each in found]
        return f"{statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"

    print(report.table([title, "CPU µs a request", "tidegate / it"],
                       [[name, f"{statistics.median(each[name].cpu_us for each in found):.2f}",
                         "" if name == OURS else ratio(name)] for name in workers]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the programs")
    parser.add_argument("--rounds", type=int, default=15, help="seconds of each")
    arguments = parser.parse_args()
    module = (arguments.bin.parent / "nginx/ngx_http_tidegate_module.so").resolve()
    with contextlib.ExitStack() as stack:
        measure("a small file", module, FILE, "", arguments.rounds)
        api = Nginx(stack, location="return 200 hello;")
        measure("passed on", module, PASS, API.format(port=api.port), arguments.rounds)


if __name__ == "__main__":
    main()
