"""Lets Spin look at every order of steps of a few processes, on models of the table's protocol.

What is as it should be must have no error in the whole space of states, and no run that goes on for
ever; what has a part left out must have an error. Every process may stop for ever after any step.
With --large there are bounds more, which take minutes.
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

# The bounds of each model: what they mean stands at its top.
TABLE_OCCUPIED = "SLOTS=2 TIME=3 REQUESTS=1 OVERFLOW=0 XS=3 YS=0 OCCUPIED"
TABLE_PAIR = "SLOTS=2 TIME=3 REQUESTS=2 OVERFLOW=0 XS=2 YS=1"
TABLE_SHARED = "SLOTS=1 TIME=3 REQUESTS=2 OVERFLOW=1 XS=2 YS=1"
GROUP_TAKEN = "SLOTS=1 TIME=2 REQUESTS=1 BOTH=2 FIRSTS=0 SECONDS=0 TAKES=1"
GROUP_ONE_FIRST = "SLOTS=1 TIME=2 REQUESTS=1 BOTH=1 FIRSTS=1 SECONDS=0 TAKES=1"
GROUP_CROWD = "SLOTS=1 TIME=2 REQUESTS=1 BOTH=1 FIRSTS=2 SECONDS=1 TAKES=0 FILLED"
RING_STALE = "SLOTS=1 RING=2 LIMIT=1 COST=1 WINDOW=1 TIME=2 REQUESTS=1 XS=1 YS=2 ATTEMPTS=1"
RING_MOVES = "SLOTS=2 RING=1 LIMIT=1 COST=1 WINDOW=1 TIME=2 REQUESTS=1 XS=2 YS=1 ATTEMPTS=1"
PENALTY_RULES = "RULES=2 TIME=5 PROCESSES=2 REQUESTS=2"
PENALTY_CROWD = "RULES=1 TIME=4 PROCESSES=3 REQUESTS=1"

HOLDS = [
    ("table", "SLOTS=2 TIME=3 REQUESTS=2 OVERFLOW=0 XS=2 YS=0"),
    ("table", "SLOTS=2 TIME=3 REQUESTS=1 OVERFLOW=0 XS=2 YS=1 OCCUPIED"),
    ("table", "SLOTS=1 TIME=3 REQUESTS=1 OVERFLOW=1 XS=2 YS=1"),
    ("table", TABLE_OCCUPIED),
    ("group", GROUP_TAKEN),
    ("group", "SLOTS=2 TIME=2 REQUESTS=1 BOTH=2 FIRSTS=0 SECONDS=0 TAKES=1"),
    ("group", "SLOTS=1 TIME=2 REQUESTS=1 BOTH=1 FIRSTS=0 SECONDS=1 TAKES=2"),
    ("group", "SLOTS=1 TIME=2 REQUESTS=1 BOTH=1 FIRSTS=1 SECONDS=1 TAKES=1 FILLED"),
    ("group", GROUP_CROWD),
    ("ring", RING_STALE),
    ("ring", RING_STALE.replace("LIMIT=1", "LIMIT=2")),
    ("ring", RING_MOVES),
    ("penalty", PENALTY_RULES),
    ("penalty", PENALTY_CROWD),
]
HOLDS_LARGE = [
    ("table", TABLE_PAIR),
    ("group", "SLOTS=1 TIME=3 REQUESTS=1 BOTH=2 FIRSTS=0 SECONDS=0 TAKES=2"),
    ("ring", "SLOTS=1 RING=2 LIMIT=1 COST=1 WINDOW=2 TIME=3 REQUESTS=1 XS=1 YS=2 ATTEMPTS=1"),
    ("ring", "SLOTS=1 RING=2 LIMIT=1 COST=1 WINDOW=1 TIME=2 REQUESTS=1 XS=2 YS=1 ATTEMPTS=2"),
    ("ring", "SLOTS=1 RING=3 LIMIT=2 COST=2 WINDOW=1 TIME=2 REQUESTS=1 XS=1 YS=2 ATTEMPTS=1"),
]
ENDS = [
    ("table", "SLOTS=2 TIME=2 REQUESTS=1 OVERFLOW=0 XS=2 YS=1"),
    ("table", "SLOTS=2 TIME=2 REQUESTS=1 OVERFLOW=0 XS=3 YS=0"),
    ("table", "SLOTS=1 TIME=2 REQUESTS=1 OVERFLOW=1 XS=2 YS=1"),
    ("group", f"{GROUP_TAKEN} ATTEMPTS=2"),
    ("ring", RING_STALE),
    ("penalty", PENALTY_RULES),
    ("penalty", PENALTY_CROWD),
]
CAUGHT = [
    ("table", f"{TABLE_PAIR} OCCUPIED NO_PENDING"),
    ("table", f"{TABLE_PAIR} NO_RESCAN"),
    ("table", f"{TABLE_PAIR} NO_HORIZON"),
    ("table", f"{TABLE_PAIR} HORIZON_EARLY"),
    ("table", f"{TABLE_OCCUPIED} NO_NONCE"),
    ("table", f"{TABLE_SHARED} OVERFLOW_IGNORED"),
    ("table", f"{TABLE_SHARED} OVERFLOW_NO_RESCAN"),
    ("group", f"{GROUP_CROWD} UNDO_BY_SUBTRACTION"),
    ("group", f"{GROUP_CROWD} NO_UNDO"),
    ("group", f"{GROUP_ONE_FIRST} INSERTION_CHARGES"),
    ("group", f"{GROUP_ONE_FIRST} HORIZON_IGNORED"),
    ("ring", f"{RING_STALE} ONE_TURN"),
    ("ring", f"{RING_STALE} NO_TURNS"),
    ("ring", f"{RING_STALE} OLD_STAMP_BACK"),
    ("ring", f"{RING_MOVES} NOT_RAISED"),
    ("ring", f"{RING_MOVES} NOT_PROVED"),
    ("penalty", f"{PENALTY_CROWD} MARKER_STORED"),
    ("penalty", f"{PENALTY_CROWD} COUNT_STORED"),
    ("penalty", f"{PENALTY_CROWD} ANY_PERIOD"),
    ("penalty", f"{PENALTY_CROWD} COOLDOWN_STORED"),
]


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
        said = run("./pan", "-m50000", *(["-l"] if cycles else []))
    return "\n".join(line for line in said.splitlines() if not line.startswith("Depth="))


class Model(unittest.TestCase):
    def holds(self, model: str, names: str, cycles: bool = False):
        said = explore(model, names, cycles)
        self.assertIn("errors: 0", said)
        for cut_short in ("max search depth too small", "out of memory", "Search not completed"):
            self.assertNotIn(cut_short, said)
        print(f"{model} {names}{' (cycles)' if cycles else ''}:",
              re.search(r"(\d\S*) states, stored", said).group(1), "states,",
              re.search(r"elapsed time (\S+)", said).group(1), "s", flush=True)

    def test_nobody_gets_more_than_the_bound(self):
        for model, names in HOLDS + (HOLDS_LARGE if LARGE else []):
            with self.subTest(f"{model} {names}"):
                self.holds(model, names)

    def test_no_run_goes_on_for_ever(self):
        for model, names in ENDS:
            with self.subTest(f"{model} {names}"):
                self.holds(model, names, cycles=True)

    def test_what_a_part_is_missing_of_is_caught(self):
        for model, names in CAUGHT:
            with self.subTest(f"{model} {names}"):
                # By the model's own assertions: an index out of its array is the model's fault.
                self.assertRegex(explore(model, names), r"assertion violated \(")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", action="store_true", help="more bounds, which take minutes")
    arguments, rest = parser.parse_known_args()
    LARGE = arguments.large
    unittest.main(argv=[sys.argv[0], *rest])
