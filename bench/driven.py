"""Servers that wrk drives, and what their requests cost them.

Servers on one core, wrk on another: a scheduler that moves them about adds more noise than there is
to measure.
"""

import dataclasses
import os
import pathlib
import re
import subprocess

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORES, LOAD_CORES = {CORES[0]}, {CORES[-1]}


def start(command: list[str | pathlib.Path],
          **environment: str) -> tuple[subprocess.Popen, int]:
    """Starts a server that says where it listens, and returns it with its port."""
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                              env={**os.environ, **environment},
                              preexec_fn=lambda: os.sched_setaffinity(0, SERVER_CORES))
    for line in server.stdout:
        if found := re.search(r"127\.0\.0\.1:(\d+)", line):
            return server, int(found.group(1))
    raise SystemExit(f"{' '.join(map(str, command))} did not start")


def stop(server: subprocess.Popen) -> None:
    server.terminate()
    server.wait()


def children(parent: int) -> list[int]:
    listed = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return list(map(int, listed.split()))


def cpu_ns(processes: list[int]) -> int:
    """CPU time of processes, in nanoseconds, from the scheduler's own count."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for process in processes
               for task in pathlib.Path(f"/proc/{process}/task").iterdir())


@dataclasses.dataclass
class Driven:
    cpu_us: float  # for each request
    per_second: float


def drive(processes: list[int], port: int, seconds: int, headers: list[str] = []) -> Driven:
    """Drives one server for a while; `processes` are those that do its work."""
    before = cpu_ns(processes)
    done = subprocess.run(["wrk", "-t1", "-c32", f"-d{seconds}s", *headers,
                           f"http://127.0.0.1:{port}/api/v1/hello"],
                          capture_output=True, text=True, check=True,
                          preexec_fn=lambda: os.sched_setaffinity(0, LOAD_CORES))
    spent = cpu_ns(processes) - before
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise SystemExit("not all requests were answered with 200:\n" + done.stdout)
    requests = int(re.search(r"(\d+) requests in", done.stdout).group(1))
    per_second = float(re.search(r"Requests/sec: *([\d.]+)", done.stdout).group(1))
    return Driven(spent / requests / 1000, per_second)
