"""What one decision costs Redis, in processor time of the server, against the scripts that are
usually written: medians of five rounds that take turns, in one redis-server on this machine."""

import argparse
import json
import pathlib
import subprocess

import report

PEERS = pathlib.Path(__file__).resolve().parent / "peers"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the programs")
    run = subprocess.run([parser.parse_args().bin / "bench_redis_scripts", PEERS], check=True,
                         text=True, stdout=subprocess.PIPE)
    found = [json.loads(line) for line in run.stdout.splitlines()]
    cost = {each["way"]: each["cpu_us"] for each in found}
    bucket, window = cost["peer, token bucket in a hash"], cost["peer, window in a sorted set"]
    print(report.table(["a decision", "µs of Redis", "hash bucket / it", "sorted set / it"],
                       [[way, f"{us:.2f}", f"{bucket / us:.2f}", f"{window / us:.2f}"]
                        for way, us in cost.items()]))
    ratio = bucket / cost["token_bucket, batches of 32"]
    print(f"2.5 times cheaper than the usual bucket, as a server under load asks: {ratio:.2f} "
          f"times, {'met' if ratio >= 2.5 else 'MISSED'}")
    exact = window / cost["sliding_window, batches of 32"]
    print(f"an exact window cheaper than a sorted set: {exact:.2f} times, "
          f"{'met' if exact > 1 else 'MISSED'}")


if __name__ == "__main__":
    main()
