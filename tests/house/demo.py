"""The demonstration as `make run` starts it, on a free port and on counts of its own."""

import http.client
import os
import pathlib
import socket
import subprocess
import time

START_WITHIN_S = 60  # however busy the machine is
STOP_WITHIN_S = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def private_variables(purpose: str) -> dict[str, str]:
    """The environment, with a segment that nobody else counts in."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("RATE_LIMIT_") and name != "REDIS_URL"}
    return kept | {"RATE_LIMIT_MEMORY__SEGMENT": f"house-{purpose}-{os.getpid()}"}


def remove_segments(command: str | pathlib.Path, variables: dict[str, str]) -> None:
    """Removes what was counted in, whatever its namespace was: segments are named NAME@NAMESPACE."""
    listed = subprocess.run([command, "segment", "list"], capture_output=True, text=True,
                            timeout=30, check=True).stdout
    for line in listed.splitlines():
        if line.startswith(variables["RATE_LIMIT_MEMORY__SEGMENT"] + "@"):
            subprocess.run([command, "segment", "remove", line.split()[0]], capture_output=True,
                           timeout=30, check=True)


def get(port: int, path: str) -> tuple[int, dict[str, str]]:
    """Status and fields of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status, dict(answer.getheaders())
    finally:
        connection.close()


def wait_until_it_answers(process: subprocess.Popen, port: int) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while True:
        if process.poll() is not None:
            raise AssertionError(f"the server ended with exit code {process.returncode}")
        try:
            get(port, "/health")
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise AssertionError(f"the server does not answer: {error}") from error
            time.sleep(0.05)
