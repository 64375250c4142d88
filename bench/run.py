#!/usr/bin/env python3
"""Runs the benchmarks: run.py --bin FOLDER [decisions] [server]; both if none is named.

Each compares with its peers in one run. Absolute figures mean nothing on a shared machine: read the
ratios.
"""

import argparse
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BENCHMARKS = {
    "decisions": lambda folder: [folder / "bench_decisions"],
    "server": lambda folder: [sys.executable, HERE / "server.py", "--bin", folder],
}


def machine() -> str:
    """The processor and the number of cores, for whoever reads the figures later."""
    info = pathlib.Path("/proc/cpuinfo").read_text()
    models = [line.split(":", 1)[1].strip() for line in info.splitlines()
              if line.startswith("model name")]
    return f"{models[0] if models else 'unknown processor'}, {len(models)} cores"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the programs")
    parser.add_argument("name", nargs="*", help=", ".join(BENCHMARKS))
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.name if name not in BENCHMARKS]:
        parser.error(f"no such benchmark: {unknown[0]}; there are {', '.join(BENCHMARKS)}")

    print(f"on {machine()}\n", flush=True)
    for name in arguments.name or BENCHMARKS:
        print(f"== {name}\n", flush=True)
        if subprocess.run(BENCHMARKS[name](arguments.bin)).returncode != 0:
            sys.exit(1)
        print(flush=True)


if __name__ == "__main__":
    main()
