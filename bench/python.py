"""What the Python package's middleware costs an application, against what it would take instead.

Each application is a worker of uvicorn (uvloop, httptools, no access log). All run at the same time
and take turns under load. A limiter's cost is the CPU time of a request less that of the plain
application in the same round, and of all rounds the median. All limits admit everybody.
"""

import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import driven
import peer
import report

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.append(str(ROOT / "tests/redis"))
import servers

TREE = ROOT / "build/bench-python"
PACKAGE = TREE / "python"

CONFIG = """
[rate_limiting]
default_limit = {limit}
default_window = "1h"
algorithm = "fixed_window"
log = "/dev/null"
[rate_limiting.memory]
segment = "{segment}"
"""
REDIS = """
[rate_limiting.redis]
url = "{url}"
"""
RULE = """
[[rate_limiting.endpoints]]
pattern = "/api/v1/resource-{number}/*"
limit = {limit}
window = "1h"
"""
LIMIT = 1_000_000_000
RULES = 100  # of the configuration that is reloaded

PLAIN = {"fastapi_limiter": "fastapi"}  # the others are middleware of Starlette
PEERS = ["slowapi", "limits", "fastapi_limiter"]
LIMITERS = ["tidegate", *PEERS]
PLACES = MEMORY, REDIS_TOO = "in memory", "with Redis"
HELLO = "/api/v1/hello"
INTO_THE_LOAD_S = 0.4
IMPORTS = 15


def build_package() -> None:
    """The package as a wheel would have it, for the interpreter that runs the peers."""
    tools = ROOT / "build/python/bin/python"
    if not tools.exists():
        sys.exit("build/python is not there: tools/install-packages makes it")
    found = subprocess.run([tools, "-m", "nanobind", "--cmake_dir"], capture_output=True, text=True)
    if found.returncode != 0:
        sys.exit("nanobind is not in build/python: tools/install-packages installs it")
    options = ["-DTIDEGATE_PYTHON=ON", f"-DPython_EXECUTABLE={peer.BUILD / 'asgi/bin/python'}",
               f"-Dnanobind_DIR={found.stdout.strip()}"]
    for command in (["cmake", "--preset", "release", "-B", TREE, *options],
                    ["cmake", "--build", TREE, "--target", "_engine"]):
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        if done.returncode != 0:
            sys.exit(f"{done.stdout}\nbuilding the Python package failed")


class Worker:
    def __init__(self, stack: contextlib.ExitStack, command: list, *arguments: str):
        self.process, self.port = driven.start([*command, *arguments], PYTHONPATH=str(PACKAGE))
        stack.callback(driven.stop, self.process)

    def drive(self, seconds: int = 1) -> driven.Driven:
        return driven.drive([self.process.pid], self.port, seconds)

    def get(self, path: str):
        """An answer of it, whatever its status."""
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}")
        except urllib.error.HTTPError as rejection:
            return rejection

    def late_ms(self) -> float:
        return float(self.get("/late").read())


Rounds = list[dict[tuple[str, str], driven.Driven]]


def rounds_of(workers: dict[tuple[str, str], Worker], rounds: int) -> Rounds:
    """Drives each worker once in a round, one after the other, every second round backwards."""
    done = []
    for number in range(rounds):
        order = list(workers)[::-1 if number % 2 else 1]
        done.append({name: workers[name].drive() for name in order})
    return done


def added_us(rounds: Rounds, name: tuple[str, str]) -> float:
    plain = (PLAIN.get(name[0], "starlette"), "")
    return statistics.median(each[name].cpu_us - each[plain].cpu_us for each in rounds)


class Verdicts:
    def __init__(self):
        self.rows = []

    def add(self, text: str, found: str, met: bool) -> None:
        self.rows.append([text, found, "ok" if met else "MISSED"])


def settings(name: str, where: str, limit: int, redis: servers.Server) -> list[str]:
    if name == "tidegate":
        config = CONFIG.format(limit=limit, segment="")
        return [config + (REDIS.format(url=redis.url) if where == REDIS_TOO else "")]
    return [redis.url if where == REDIS_TOO else "memory://", "--limit", str(limit)]


def see_that_it_limits(command: list, redis: servers.Server) -> None:
    """What is wired in wrongly costs nothing."""
    for name in LIMITERS:
        for where in PLACES:
            with contextlib.ExitStack() as stack:
                worker = Worker(stack, command, name, *settings(name, where, 1, redis))
                answers = [worker.get(HELLO).status for _ in range(2)]
                if answers != [200, 429]:
                    sys.exit(f"{name} {where} answers two requests under a limit of 1 with "
                             f"{answers}")


def measure_cost(command: list, arguments: argparse.Namespace, verdicts: Verdicts) -> None:
    with contextlib.ExitStack() as stack:
        redis = servers.Server()
        stack.callback(redis.close)
        os.sched_setaffinity(redis.process.pid, driven.LOAD_CORES)
        see_that_it_limits(command, redis)
        redis("FLUSHALL")

        workers = {(name, ""): Worker(stack, command, name)
                   for name in ("starlette", "fastapi", "three_fields")}
        for where in PLACES:
            for name in LIMITERS:
                workers[name, where] = Worker(stack, command, name,
                                              *settings(name, where, LIMIT, redis))
        for worker in workers.values():
            worker.drive()  # warm up
        plain, limited = ("starlette", ""), ("tidegate", MEMORY)
        pairs = rounds_of({name: workers[name] for name in (plain, limited)}, arguments.pairs)
        rounds = rounds_of(workers, arguments.rounds)

    ratio = statistics.median(pair[limited].per_second / pair[plain].per_second for pair in pairs)
    print(report.table(
        ["one worker, 32 connections", "requests a second", "CPU µs a request"],
        [[name, f"{statistics.median(pair[key].per_second for pair in pairs):,.0f}",
          f"{statistics.median(pair[key].cpu_us for pair in pairs):.1f}"]
         for name, key in (("Starlette", plain), ("with tidegate in memory", limited))]))

    added = {name: added_us(rounds, name) for name in rounds[0] if name[1]}
    added[limited] = added_us(pairs, limited)
    fields = added_us(rounds, ("three_fields", ""))
    print(report.table(
        ["CPU µs added to a request", MEMORY, "it / tidegate", REDIS_TOO, "it / tidegate"],
        [[name] + [cell for where in PLACES for cell in (
            f"{added[name, where]:.1f}",
            report.times(added[name, where] / added["tidegate", where]))]
         for name in LIMITERS]))
    print(f"Three fixed fields in each response and no limiter add {fields:.1f} µs: what the server "
          "takes to write them.\n")

    verdicts.add("throughput of the plain application kept, at least 0.95", f"{ratio:.3f}",
                 ratio >= 0.95)
    verdicts.add("CPU added in memory, at most 2 µs", f"{added[limited]:.1f} µs",
                 added[limited] <= 2)
    for where in PLACES:
        for name in PEERS:
            ours, theirs = added["tidegate", where], added[name, where]
            verdicts.add(f"CPU added {where}, at most a tenth of {name}'s",
                         f"{ours:.1f} of {theirs:.1f} µs", 10 * ours <= theirs)


def measure_reload(command: list, tidegate: pathlib.Path, arguments: argparse.Namespace,
                   verdicts: Verdicts) -> None:
    """How late the loop wakes up a task in a second under load: without a limiter, and with one
    whose configuration is replaced meanwhile."""
    segment = f"bench-python-{os.getpid()}"

    def config(limit: int) -> str:
        return CONFIG.format(limit=limit, segment=segment) + "".join(
            RULE.format(number=number, limit=limit) for number in range(RULES))

    def run(*words: str) -> None:
        subprocess.run([tidegate, *words], check=True, stdout=subprocess.DEVNULL,
                       preexec_fn=lambda: os.sched_setaffinity(0, driven.LOAD_CORES))

    def late_ms(worker: Worker, meanwhile) -> float:
        worker.late_ms()  # up to now
        with concurrent.futures.ThreadPoolExecutor() as pool:
            load = pool.submit(worker.drive)
            time.sleep(INTO_THE_LOAD_S)
            meanwhile()
            load.result()
        return worker.late_ms()

    late: dict[str, list[float]] = {"Starlette": [], f"with a reload of {RULES} rules": []}
    with contextlib.ExitStack() as stack:
        stack.callback(run, "segment", "remove", f"{segment}@default")
        plain = Worker(stack, command, "starlette", "--watched")
        ours = Worker(stack, command, "tidegate", config(LIMIT), "--watched")
        file = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory())) / "tidegate.toml"
        for worker in (plain, ours):
            worker.drive()  # warm up
        for limit in range(LIMIT - arguments.reloads, LIMIT):
            file.write_text(config(limit))
            for found, worker, meanwhile in zip(late.values(), (plain, ours), (
                    lambda: None, lambda: run("reload", "--config", str(file)))):
                found.append(late_ms(worker, meanwhile))
            if ours.get(HELLO).headers["X-RateLimit-Limit"] != str(limit):
                sys.exit("a reload was not taken up")
    print(report.table(["the loop was late, ms", "median", "at worst"],
                       [[name, f"{statistics.median(found):.2f}", f"{max(found):.2f}"]
                        for name, found in late.items()]))
    plain_ms, ours_ms = (statistics.median(found) for found in late.values())
    verdicts.add("a reload blocks the loop for less than 1 ms more", f"{ours_ms - plain_ms:.2f} ms",
                 ours_ms - plain_ms < 1)


def measure_import(python: pathlib.Path, verdicts: Verdicts) -> None:
    def seconds(statement: str) -> float:
        began = time.perf_counter()
        subprocess.run([python, "-c", statement], check=True,
                       env={**os.environ, "PYTHONPATH": str(PACKAGE)})
        return time.perf_counter() - began

    seconds("import tidegate")  # compiles it
    took_ms = 1000 * statistics.median(seconds("import tidegate") - seconds("pass")
                                       for _ in range(IMPORTS))
    verdicts.add("import tidegate, under 50 ms", f"{took_ms:.0f} ms", took_ms < 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the programs")
    parser.add_argument("--pairs", type=int, default=25, help="seconds of each in (plain, ours)")
    parser.add_argument("--rounds", type=int, default=7, help="seconds of each of all")
    parser.add_argument("--reloads", type=int, default=25, help="seconds of each with a reload")
    arguments = parser.parse_args()
    peer.BUILD.mkdir(parents=True, exist_ok=True)
    command = peer.build_python("asgi")
    build_package()
    verdicts = Verdicts()
    measure_cost(command, arguments, verdicts)
    measure_reload(command, arguments.bin / "tidegate", arguments, verdicts)
    measure_import(command[0], verdicts)
    print(report.table(["aim", "measured", ""], verdicts.rows))


if __name__ == "__main__":
    main()
