"""What answering a scrape costs the worker: 100 rules, 100 named clients, a table half full.

A worker decides nothing meanwhile. Processor time, so that a busy machine makes no difference.
"""

import argparse
import json
import pathlib
import subprocess

import report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the programs")
    run = subprocess.run([parser.parse_args().bin / "bench_scrape"], check=True, text=True,
                         stdout=subprocess.PIPE)
    found = json.loads(run.stdout)
    print(report.table(
        [f"{found['rules']:,} rules, {found['entries']:,} entries", "µs"],
        [[what, f"{us:,.0f}"] for what, us in (
            ("/metrics, median", found["scrape_us"]), ("/metrics, longest", found["longest_us"]),
            ("status of the page, median", found["status_us"]),
            ("counting entries, once a second, longest", found["refresh_us"]),
            ("counting all entries, at the start", found["first_us"]))]))
    for what, us, at_most in (("a scrape under 5 ms", found["longest_us"], 5_000),
                              ("no decision waits above 1 ms",
                               max(found["longest_us"], found["refresh_us"]), 1_000)):
        print(f"{what}: {us:,.0f} µs, {'met' if us < at_most else 'MISSED'}")


if __name__ == "__main__":
    main()
