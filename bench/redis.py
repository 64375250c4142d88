"""What one decision costs through Redis, in processor time: of the server, against the scripts that
are usually written; and of its client, against redis-py's asyncio client with the same script.
Medians of five rounds that take turns, with one redis-server each on this machine."""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import peer
import report

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tests/redis"))
import servers

PEERS = HERE / "peers"
ROUNDS = 5


def cpu_us(*command) -> float:
    run = subprocess.run(list(map(str, command)), check=True, text=True, stdout=subprocess.PIPE)
    return json.loads(run.stdout)["cpu_us"]


def verdict(text: str, ratio: float, met: bool) -> None:
    print(f"{text}: {ratio:.2f} times, {'met' if met else 'MISSED'}")


def measure_server(binaries: pathlib.Path) -> None:
    run = subprocess.run([binaries / "bench_redis_scripts", PEERS], check=True, text=True,
                         stdout=subprocess.PIPE)
    found = [json.loads(line) for line in run.stdout.splitlines()]
    cost = {each["way"]: each["cpu_us"] for each in found}
    bucket, window = cost["peer, token bucket in a hash"], cost["peer, window in a sorted set"]
    print(report.table(["a decision", "µs of Redis", "hash bucket / it", "sorted set / it"],
                       [[way, f"{us:.2f}", f"{bucket / us:.2f}", f"{window / us:.2f}"]
                        for way, us in cost.items()]))
    ratio = bucket / cost["token_bucket, batches of 32"]
    verdict("2.5 times cheaper than the usual bucket, as a server under load asks", ratio,
            ratio >= 2.5)
    exact = window / cost["sliding_window, batches of 32"]
    verdict("an exact window cheaper than a sorted set", exact, exact > 1)


def measure_clients(binaries: pathlib.Path) -> None:
    python = peer.build_python("redis_asyncio")
    costs: dict[tuple[str, int], list[float]] = {}
    server = servers.Server()
    try:
        with tempfile.TemporaryDirectory() as folder:
            for batch in [1, 32] * ROUNDS:
                asked = [server.url, batch, folder]
                for way, command in [("tidegate", [binaries / "bench_redis_client"]),
                                     ("pipeline", [*python, "pipeline"]),
                                     ("gather", [*python, "gather"])]:
                    costs.setdefault((way, batch), []).append(cpu_us(*command, *asked))
    finally:
        server.close()
    cost = {key: statistics.median(values) for key, values in costs.items()}
    rows, ratios = [], {}
    for batch in (1, 32):
        ours = cost["tidegate", batch]
        ratios[batch] = cost["gather", 1] / ours
        rows.append([f"calls of {batch}", f"{ours:.2f}", f"{cost['pipeline', batch]:.2f}",
                     f"{cost['gather', batch]:.2f}", f"{cost['pipeline', batch] / ours:.1f}",
                     f"{cost['gather', batch] / ours:.1f}"])
    print("\n" + report.table(["µs of the client for a decision", "tidegate", "redis-py, pipeline",
                               "redis-py, gather", "pipeline / it", "gather / it"], rows))
    # A program on asyncio awaits a call for each of its requests; here those of a turn are one.
    for batch, ratio in ratios.items():
        verdict(f"a client 10 times cheaper than calls of one request that redis-py awaits, calls "
                f"of {batch}", ratio, ratio >= 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the programs")
    binaries = parser.parse_args().bin
    measure_server(binaries)
    measure_clients(binaries)


if __name__ == "__main__":
    main()
