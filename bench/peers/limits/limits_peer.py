"""limits' fixed window in memory. See ../README.md for what it is asked."""

import json
import pathlib
import sys
import time

from limits import RateLimitItemPerHour
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

KEY_LENGTH = 20
# As many decisions as take about a second.
CALLS = 50_000


def read_keys(path: pathlib.Path) -> list[str]:
    with path.open() as file:
        text = file.read(CALLS * KEY_LENGTH)
    return [text[i:i + KEY_LENGTH] for i in range(0, len(text), KEY_LENGTH)]


def main() -> None:
    contender, clients, folder = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
    # An hour's window: no client of the fill is forgotten before the rounds are over.
    item = RateLimitItemPerHour(1_000_000_000)
    storage = MemoryStorage()
    limiter = FixedWindowRateLimiter(storage)
    for client in range(clients):
        limiter.hit(item, f"ip:client-{client:010d}")
    streams = {name: read_keys(folder / f"{name}-0") for name in ("uniform", "zipf")}
    print(json.dumps({"clients": len(storage.storage)}), flush=True)

    for order in sys.stdin:
        keys, threads = order.split()
        if threads != "1":
            sys.exit("threads of Python take turns: one is as fast as two")
        start = time.perf_counter_ns()
        admitted = sum(limiter.hit(item, key) for key in streams[keys])
        spent = time.perf_counter_ns() - start
        if admitted != len(streams[keys]):
            sys.exit("a decision was denied that all should admit")
        storage.timer.join()  # a sweep through all clients: not into the next contender's turn
        print(json.dumps({"contender": contender, "clients": len(storage.storage), "keys": keys,
                          "threads": 1, "ns": round(spent / admitted, 2)}), flush=True)


if __name__ == "__main__":
    main()
