"""What a reload of ten thousand rules does to whoever decides meanwhile.

Two processes on one segment: one decides all the time, the other does nothing for as long as its
reloads will take, then reloads. A busy machine stops a process for milliseconds whatever it does:
the quiet half shows how often, and processor time leaves it out.
"""

import argparse
import json
import pathlib
import subprocess

import report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the programs")
    run = subprocess.run([parser.parse_args().bin / "bench_reload"], check=True, text=True,
                         stdout=subprocess.PIPE)
    found = json.loads(run.stdout)
    rows = []
    for what, key in (("without reloads", "quiet"),
                      (f"with {found['reloads']} reloads of {found['rules']:,} rules",
                       "with_reloads")):
        pauses = found[key]
        rows.append([what, f"{pauses['decisions']:,}", f"{pauses['cpu_us']:,.0f}",
                     f"{pauses['wall_us']:,.0f}", f"{pauses['above_1_ms_wall']:,}"])
    print(report.table(["", "decisions", "longest, processor µs", "longest, wall µs",
                        "above 1 ms on the wall"], rows))
    longest = found["with_reloads"]["cpu_us"]
    print(f"no decision does above 1 ms of work for a reload: {longest:,.0f} µs in the longest, "
          f"{'met' if longest < 1_000 else 'MISSED'}; a reload took "
          f"{found['longest_reload_us'] / 1000:,.0f} ms at most")


if __name__ == "__main__":
    main()
