"""What the middleware of the Python package costs an application, against what it would take
instead.

Each application is one worker of uvicorn (uvloop, httptools, no access log), all run at the same time
and take turns under load. A limiter's cost is what it adds to the CPU time of a request in the plain
application of the same round: medians of the rounds. All limits admit everybody.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import driven
import peer
import report

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.append(str(ROOT / "tests/redis"))
import servers

TREE = ROOT / "build/bench-python"
PACKAGE = TREE / "package"

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
MEMORY, REDIS_TOO = "in memory", "with Redis"
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
    shutil.rmtree(PACKAGE, ignore_errors=True)
    shutil.copytree(ROOT / "adapters/python/tidegate", PACKAGE / "tidegate",
                    ignore=shutil.ignore_patterns("__pycache__"))
    modules = list((TREE / "adapters/python").glob("_engine*.so"))
    if len(modules) != 1:
        sys.exit(f"one extension module should be in {TREE}, found: {modules}")
    shutil.copy(modules[0], PACKAGE / "tidegate")


class Worker:
    def __init__(self, stack: contextlib.ExitStack, command: list, *arguments: str):
        self.process, self.port = driven.start([*command, *arguments], PYTHONPATH=str(PACKAGE))
        stack.callback(driven.stop, self.process)

    def drive(self, seconds: int = 1) -> driven.Driven:
        return driven.drive([self.process.pid], self.port, seconds)

    def late_ms(self) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/late") as answer:
            return float(answer.read())


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


def measure_cost(command: list, folder: pathlib.Path, arguments: argparse.Namespace,
                 verdicts: Verdicts) -> None:
    with contextlib.ExitStack() as stack:
        redis = servers.Server()
        stack.callback(redis.close)
        os.sched_setaffinity(redis.process.pid, driven.LOAD_CORES)
        ours = CONFIG.format(limit=LIMIT, segment="")
        settings = {MEMORY: folder / "memory.toml", REDIS_TOO: folder / "redis.toml"}
        settings[MEMORY].write_text(ours)
        settings[REDIS_TOO].write_text(ours + REDIS.format(url=redis.url))
        places = {MEMORY: "memory://", REDIS_TOO: redis.url}

        workers = {(name, ""): Worker(stack, command, name) for name in ("starlette", "fastapi")}
        for where, setting in settings.items():
            workers["tidegate", where] = Worker(stack, command, "tidegate", str(setting))
            for name in PEERS:
                workers[name, where] = Worker(stack, command, name, places[where])
        for worker in workers.values():
            worker.drive()  # warm up
        plain, limited = ("starlette", ""), ("tidegate", MEMORY)
        pairs = rounds_of({name: workers[name] for name in (plain, limited)}, arguments.pairs)
        rounds = rounds_of(workers, arguments.rounds)
        if redis("DBSIZE") == 0:
            sys.exit("nobody has counted in Redis")

    ratio = statistics.median(pair[limited].per_second / pair[plain].per_second for pair in pairs)
    print(report.table(
        ["one worker, 32 connections", "requests a second", "CPU µs a request"],
        [[name, f"{statistics.median(pair[key].per_second for pair in pairs):,.0f}",
          f"{statistics.median(pair[key].cpu_us for pair in pairs):.1f}"]
         for name, key in (("Starlette", plain), ("with tidegate in memory", limited))]))

    added = {name: added_us(rounds, name) for name in rounds[0] if name[1]}
    added[limited] = added_us(pairs, limited)
    print(report.table(
        ["CPU µs added to a request", MEMORY, "it / tidegate", REDIS_TOO, "it / tidegate"],
        [[name] + [cell for where in places for cell in (
            f"{added[name, where]:.1f}",
            report.times(added[name, where] / added["tidegate", where]))]
         for name in ["tidegate", *PEERS]]))

    verdicts.add("throughput of the plain application kept, at least 0.95", f"{ratio:.3f}",
                 ratio >= 0.95)
    verdicts.add("CPU added in memory, at most 2 µs", f"{added[limited]:.1f} µs",
                 added[limited] <= 2)
    for where in places:
        for name in PEERS:
            share = added["tidegate", where] / added[name, where]
            verdicts.add(f"CPU added {where}, at most a tenth of {name}'s", f"{share:.2f}",
                         share <= 0.1)


def measure_reload(command: list, folder: pathlib.Path, tidegate: pathlib.Path,
                   arguments: argparse.Namespace, verdicts: Verdicts) -> None:
    """How late the loop wakes up a task under load, in seconds with a reload and without limiter."""
    segment = f"bench-python-{os.getpid()}"
    config = folder / "reload.toml"

    def write(limit: int) -> None:
        config.write_text(CONFIG.format(limit=limit, segment=segment) + "".join(
            RULE.format(number=number, limit=limit) for number in range(RULES)))

    def run(*words: str | pathlib.Path) -> None:
        subprocess.run([tidegate, *words], check=True, stdout=subprocess.DEVNULL,
                       preexec_fn=lambda: os.sched_setaffinity(0, driven.LOAD_CORES))

    late: dict[str, list[float]] = {"Starlette": [], f"with a reload of {RULES} rules": []}
    with contextlib.ExitStack() as stack:
        stack.callback(run, "segment", "remove", f"{segment}@default")
        write(LIMIT)
        workers = [Worker(stack, command, "starlette", "--watched"),
                   Worker(stack, command, "tidegate", str(config), "--watched")]
        for worker in workers:
            worker.drive()
        for number in range(arguments.reloads):
            for name, worker in zip(late, workers):
                write(LIMIT - 1 - number)
                worker.late_ms()
                load = stack.enter_context(subprocess.Popen(
                    ["wrk", "-t1", "-c32", "-d1s", f"http://127.0.0.1:{worker.port}/api/v1/hello"],
                    stdout=subprocess.DEVNULL,
                    preexec_fn=lambda: os.sched_setaffinity(0, driven.LOAD_CORES)))
                time.sleep(0.4)
                run("reload", "--config", config)  # of the other too: it takes the load's core
                load.wait()
                late[name].append(worker.late_ms())
    print(report.table(["the loop was late, ms", "median", "at worst"],
                       [[name, f"{statistics.median(found):.2f}", f"{max(found):.2f}"]
                        for name, found in late.items()]))
    plain, ours = (statistics.median(found) for found in late.values())
    verdicts.add("a reload blocks the loop for less than 1 ms more", f"{ours - plain:.2f} ms",
                 ours - plain < 1)


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
    parser.add_argument("--pairs", type=int, default=15, help="seconds of each in (plain, ours)")
    parser.add_argument("--rounds", type=int, default=7, help="seconds of each of all")
    parser.add_argument("--reloads", type=int, default=9, help="seconds of each with a reload")
    arguments = parser.parse_args()
    peer.BUILD.mkdir(parents=True, exist_ok=True)
    command = peer.build_python("asgi")
    build_package()
    verdicts = Verdicts()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        measure_cost(command, folder, arguments, verdicts)
        measure_reload(command, folder, arguments.bin / "tidegate", arguments, verdicts)
    measure_import(command[0], verdicts)
    print(report.table(["aim", "measured", ""], verdicts.rows))


if __name__ == "__main__":
    main()
