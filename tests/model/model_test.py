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
