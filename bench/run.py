#!/usr/bin/env python3
"""Runs the benchmarks: run.py --bin FOLDER [NAME...]; all if none is named.

Each compares with its peers in one run. Absolute figures mean nothing on a shared machine: read the
ratios. Options that are not listed here go to the one benchmark that is named: `decisions --help`
lists its own.
"""

import argparse
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BENCHMARKS = ["decisions", "nginx", "python", "redis", "reload", "scrape", "server", "tokens"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, add_help=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the programs")
    parser.add_argument("name", nargs="*", help=", ".join(BENCHMARKS))
    arguments, options = parser.parse_known_args()
    if unknown := [name for name in arguments.name if name not in BENCHMARKS]:
        parser.error(f"no such benchmark: {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    if options and len(arguments.name) != 1:
        if options in (["-h"], ["--help"]):
            parser.print_help()
            return
        parser.error(f"{options[0]}: options are for one benchmark, name it")

    for name in arguments.name or BENCHMARKS:
        print(f"== {name}\n", flush=True)
        command = [sys.executable, HERE / f"{name}.py", "--bin", arguments.bin, *options]
        if subprocess.run(command).returncode != 0:
            sys.exit(1)
        print(flush=True)


if __name__ == "__main__":
    main()
