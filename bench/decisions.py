"""One decision from a string key: tidegate against what a program would otherwise take.

All contenders of a table hold their clients at the same time, in processes of their own, and take
turns within each of five rounds; the median of each is told. About ten minutes, and 6 GB.
"""

import argparse
import collections
import contextlib
import dataclasses
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import peer
import report

# The time is handed in, but for limits, which takes none.
GIVEN = ["single", "batch", "governor", "rate", "map", "flat", "limits"]
# These read a clock.
OWN = ["single_clock", "batch_clock", "governor_clock", "rate_clock"]
# More clients would take minutes to fill in, and threads of Python take turns.
MOST_CLIENTS = {"limits": 1_000_000}
MOST_THREADS = {"limits": 1}


@dataclasses.dataclass
class Scale:
    clients: list[int]
    clients_by_clock: list[int]
    calls: int
    rounds: int
    options: list[str]  # of the programs that measure tidegate alone


FULL = Scale([10_000, 1_000_000, 10_000_000], [10_000, 10_000_000], 1_000_000, 5, [])
QUICK = Scale([10_000, 100_000], [10_000], 100_000, 3, ["--quick"])


class Contender:
    """A process that holds all clients and decides when told to."""

    def __init__(self, command: list[str | pathlib.Path], name: str, clients: int, folder: str):
        self.name = name
        self.process = subprocess.Popen([*command, name, str(clients), folder], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def answer(self) -> dict:
        if not (line := self.process.stdout.readline()):
            sys.exit(f"{self.name} ended early, exit code {self.process.wait()}")
        return json.loads(line)

    def ns(self, keys: str, threads: int) -> float:
        print(keys, threads, file=self.process.stdin, flush=True)
        return self.answer()["ns"]

    def __enter__(self) -> "Contender":
        return self

    def __exit__(self, *_) -> None:
        self.process.stdin.close()
        self.process.wait()


def commands(folder: pathlib.Path, without: list[str]) -> dict[str, list[str | pathlib.Path]]:
    """The command that starts each contender."""
    ours = [folder / "bench_decisions"]
    peers = peer.build(without)
    found = {name: peers.get(name.removesuffix("_clock"), ours) for name in GIVEN + OWN}
    return {name: command for name, command in found.items()
            if name.removesuffix("_clock") not in without}


def compare(names: list[str], command: dict[str, list], scale: Scale, folder: pathlib.Path,
            populations: list[int], threads: list[int]) -> report.Figures:
    """Medians of what `names` take, by (contender, clients, keys, threads)."""
    figures = {}
    for clients in populations:
        with tempfile.TemporaryDirectory() as keys, contextlib.ExitStack() as stack:
            subprocess.run([folder / "bench_keys", str(clients), str(scale.calls), keys],
                           check=True)
            running = [stack.enter_context(Contender(command[name], name, clients, keys))
                       for name in names
                       if name in command and clients <= MOST_CLIENTS.get(name, clients)]
            for contender in running:
                if contender.answer()["clients"] != clients:
                    sys.exit(f"{contender.name} does not hold {clients:,} clients")
            spent = collections.defaultdict(list)
            for order in [(keys, count) for keys in ("uniform", "zipf") for count in threads]:
                for _ in range(scale.rounds):
                    for contender in running:
                        if order[1] > MOST_THREADS.get(contender.name, order[1]):
                            continue
                        spent[contender.name, clients, *order].append(contender.ns(*order))
            figures |= {key: statistics.median(values) for key, values in spent.items()}
        print(f"-- measured with {clients:,} clients: "
              f"{', '.join(contender.name for contender in running)}", flush=True)
    return figures


def alone(folder: pathlib.Path, name: str, scale: Scale) -> list[dict]:
    """The lines of a program that measures tidegate alone."""
    done = subprocess.run([folder / f"bench_{name}", *scale.options], text=True,
                          stdout=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"bench_{name} failed")
    print(f"-- measured {name}", flush=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the programs")
    parser.add_argument("--without", action="append", default=[], metavar="PEER",
                        choices=[each.name for each in peer.PEERS],
                        help="leave a peer out, for want of the tool that builds it; may be "
                             "repeated: " + ", ".join(each.name for each in peer.PEERS))
    parser.add_argument("--quick", action="store_true",
                        help="few clients and calls, to see that it works: figures mean nothing")
    parser.add_argument("--write", action="store_true",
                        help="put tables and plot into docs/performance.md and docs/decisions.svg")
    arguments = parser.parse_args()
    if arguments.write and (arguments.quick or arguments.without):
        parser.error("--write is for a whole run")
    scale = QUICK if arguments.quick else FULL
    folder = arguments.bin

    machine = report.machine()
    command = commands(folder, arguments.without)
    measured = report.Measured(
        given=compare(GIVEN, command, scale, folder, scale.clients, [1, 2]),
        own=compare(OWN, command, scale, folder, scale.clients_by_clock, [1]),
        windows=alone(folder, "windows", scale),
        flood=alone(folder, "flood", scale),
        rules=alone(folder, "rules", scale),
        machine=", ".join([machine, *peer.versions(arguments.without)]))
    print("\n" + measured.text())
    if arguments.write:
        measured.write()


if __name__ == "__main__":
    main()
