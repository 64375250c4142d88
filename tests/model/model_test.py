"""Lets Spin look at every order of steps of a few processes, on models of the table's protocol.

What is as it is must have no error in the whole space of states; what has a part left out must have
one. Every process may stop for ever after any step. With --large the bounds are those that take
tens of minutes.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).parent
LARGE = False
MEMORY_MB = 3_500

# One pair of buckets, two clients x and y; see table.pml.
REAL = ["SLOTS=2 TIME=3 REQUESTS=2 OVERFLOW=0 XS=2 YS=0",
        "SLOTS=2 TIME=3 REQUESTS=1 OVERFLOW=0 XS=2 YS=1 OCCUPIED",
        "SLOTS=1 TIME=3 REQUESTS=1 OVERFLOW=1 XS=2 YS=1"]
REAL_LARGE = ["SLOTS=2 TIME=3 REQUESTS=2 OVERFLOW=0 XS=2 YS=1"]
CYCLES = ["SLOTS=2 TIME=2 REQUESTS=1 OVERFLOW=0 XS=2 YS=1",
          "SLOTS=1 TIME=2 REQUESTS=1 OVERFLOW=1 XS=2 YS=1"]
CYCLES_LARGE = ["SLOTS=2 TIME=2 REQUESTS=1 OVERFLOW=0 XS=3 YS=0"]
BROKEN = ["SLOTS=2 TIME=3 REQUESTS=2 OVERFLOW=0 XS=2 YS=1 OCCUPIED NO_PENDING",
          "SLOTS=2 TIME=3 REQUESTS=2 OVERFLOW=0 XS=2 YS=1 NO_RESCAN",
          "SLOTS=2 TIME=3 REQUESTS=2 OVERFLOW=0 XS=2 YS=1 NO_HORIZON",
          "SLOTS=2 TIME=3 REQUESTS=2 OVERFLOW=0 XS=2 YS=1 HORIZON_EARLY",
          "SLOTS=1 TIME=3 REQUESTS=2 OVERFLOW=1 XS=2 YS=1 OVERFLOW_IGNORED",
          "SLOTS=1 TIME=3 REQUESTS=2 OVERFLOW=1 XS=2 YS=1 OVERFLOW_NO_RESCAN"]


def explore(model: str, names: str, cycles: bool = False) -> str:
    """What the checker says. `names` are definitions, without their -D."""
    defines = [f"-D{name}" for name in names.split()]
    with tempfile.TemporaryDirectory() as scratch:
        def run(*command: str) -> str:
            return subprocess.run(command, cwd=scratch, check=True, timeout=3_600,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True).stdout
        run("spin", *defines, "-a", str(HERE / f"{model}.pml"))
        run("gcc", "-O2", "-w", "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MB}",
            "-DNP" if cycles else "-DSAFETY", "-o", "pan", "pan.c")
        return run("./pan", "-m50000", *(["-l"] if cycles else []))


class Model(unittest.TestCase):
    def holds(self, model: str, names: str, cycles: bool = False):
        said = explore(model, names, cycles)
        self.assertIn("errors: 0", said)
        for cut_short in ("max search depth too small", "out of memory", "Search not completed"):
            self.assertNotIn(cut_short, said)
        print(f"{model} {names}{' (cycles)' if cycles else ''}:",
              re.search(r"(\d\S*) states, stored", said).group(1), "states", flush=True)

    def is_caught(self, model: str, names: str):
        said = explore(model, names)
        self.assertRegex(said, "assertion violated", names)

    def test_nobody_gets_more_than_the_bound(self):
        for names in REAL + (REAL_LARGE if LARGE else []):
            with self.subTest(names):
                self.holds("table", names)

    def test_no_run_goes_on_for_ever(self):
        for names in CYCLES + (CYCLES_LARGE if LARGE else []):
            with self.subTest(names):
                self.holds("table", names, cycles=True)

    def test_what_a_part_is_missing_of_is_caught(self):
        for names in BROKEN:
            with self.subTest(names):
                self.is_caught("table", names)

    def test_groups_are_put_back_exactly(self):
        self.holds("group", "TIME=2 REQUESTS=2")
        self.holds("group", "TIME=2 REQUESTS=2", cycles=True)
        self.is_caught("group", "TIME=2 REQUESTS=2 UNDO_BY_SUBTRACTION")

    def test_penalties_count_what_happened(self):
        for names in ("RULES=2 TIME=5 PROCESSES=2 REQUESTS=2",
                      "RULES=1 TIME=5 PROCESSES=3 REQUESTS=2"):
            with self.subTest(names):
                self.holds("penalty", names)
                self.holds("penalty", names, cycles=True)
        for part in "MARKER_STORED", "COUNT_STORED", "COOLDOWN_STORED":
            with self.subTest(part):
                self.is_caught("penalty", f"RULES=2 TIME=4 PROCESSES=2 REQUESTS=2 {part}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", action="store_true", help="bounds that take tens of minutes")
    arguments, rest = parser.parse_known_args()
    LARGE = arguments.large
    unittest.main(argv=[sys.argv[0], *rest])
