"""Three servers and one Redis under load: exactness first, then latency beside a run without limiter.

Counts must be exact, and a wrong one fails. Latencies are of this machine, where servers, Redis and
load share the cores: read them against the run without a limiter.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tests/redis"))
import report
import servers

CONFIG = """
[rate_limiting]
namespace = "load"
default_limit = {limit}
default_window = "1h"
[rate_limiting.client_identification]
trusted_proxy_depth = 1
[rate_limiting.memory]
segment = ""
[rate_limiting.redis]
url = "{url}"
"""


class Served:
    def __init__(self, *command: str | pathlib.Path):
        self.process = subprocess.Popen([*command, "--listen", "127.0.0.1:0", "--demo", "--workers", "1"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                self.url = f"http://127.0.0.1:{found[1]}/api/v1/hello"
            if line.startswith("Metrics:"):
                return
        raise SystemExit(f"{command[0]} did not start")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


def load(command: pathlib.Path, urls: list[str], *options: str) -> dict:
    done = subprocess.run([command, "load", "--json", *options,
                           *(word for url in urls for word in ("--url", url))],
                          stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit("a count is wrong")
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the programs")
    parser.add_argument("--seconds", type=int, default=10, help="for each run at a rate")
    arguments = parser.parse_args()
    command = arguments.bin / "tidegate"
    redis = servers.Server()
    started = []
    try:
        def three(limit: int) -> list[str]:
            for server in started:
                server.close()
            redis("FLUSHALL")
            with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
                config.write(CONFIG.format(limit=limit, url=redis.url))
                config.flush()
                started[:] = [Served(command, "serve", "--config", config.name) for _ in range(3)]
            return [server.url for server in started]

        load(command, three(600), "--requests", "999", "--clients", "1", "--connections", "333",
             "--concurrent", "--expect-admitted", "600")
        print("999 requests at once to three servers with one Redis, limit 600: 600 admitted, exact\n")

        rate = ["--rate", "1000", "--duration", str(arguments.seconds), "--clients", "100"]
        expected = ["--expect-admitted", str(1000 * arguments.seconds)]
        rows = []
        with_redis = load(command, three(1_000_000), *rate, *expected)
        started.append(Served(arguments.bin / "bench_bare_server"))
        bare = load(command, [started[-1].url], *rate, *expected)
        urls = three(1_000_000)
        redis.kill()
        load(command, urls, "--requests", "300", "--clients", "1")  # opens the breakers
        broken = load(command, urls, *rate, *expected)
        for name, found in (("three servers, one Redis", with_redis),
                            ("their breakers open, Redis dead", broken),
                            ("without a limiter", bare)):
            rows.append([name, *(f"{found[each]:.2f}" for each in
                                 ("p50_ms", "p95_ms", "p99_ms", "max_ms"))])
        print(report.table(["1,000 requests a second, 100 clients", "P50 ms", "P95 ms", "P99 ms",
                            "max ms"], rows))
        for name, part, target in (("P95", "p95_ms", 5), ("P99", "p99_ms", 10), ("P99", "p99_ms", 0.5)):
            added = with_redis[part] - bare[part]
            print(f"added at {name}, below {target} ms: {added:.2f} ms, "
                  f"{'met' if added < target else 'MISSED'}")
        added = broken["p99_ms"] - bare["p99_ms"]
        print(f"added at P99 with the breaker open, at most 1 ms and nobody refused: "
              f"{added:.2f} ms, {'met' if added <= 1 else 'MISSED'}")
    finally:
        for server in started:
            server.close()
        redis.close()


if __name__ == "__main__":
    main()
