"""Counts the instructions of the hot paths under Callgrind and compares them with the pinned ones.

A count that is more than ten per cent off fails, in either direction: a pin that is far too high
would let the next loss through unseen. Pins are filed by the compiler's version; without those of
the compiler at hand nothing can be compared, which fails too. `--pin` writes the counts down.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

PINS = pathlib.Path(__file__).with_name("pins.json")
MEASURE = pathlib.Path(__file__).with_name("measure.hpp")
ROOM_PERCENT = 10

# The C library picks its routines by what the processor has. These are those of the baseline that
# tidegate is built for, so that one machine counts what another does.
BASELINE = ("glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX_Fast_Unaligned_Load,"
            "-ERMS,-FSRM")


def operations() -> int:
    found = re.search(r"kOperations = ([\d']+);", MEASURE.read_text())
    return int(found.group(1).replace("'", ""))


def count(program: pathlib.Path) -> tuple[str, dict[str, float]]:
    """The compiler, and instructions per operation by the name of the path."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--collect-atstart=no",
             f"--callgrind-out-file={folder}/out", program],
            env={"PATH": os.environ["PATH"], "GLIBC_TUNABLES": BASELINE},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=240)
        if done.returncode != 0:
            sys.exit(f"{done.stdout}{done.stderr}\n{program.name} failed under valgrind ({done.returncode})")
        counts = {}
        for dump in pathlib.Path(folder).glob("out.*"):
            text = dump.read_text()
            name = re.search(r"^desc: Trigger: Client Request: (\S+)$", text, re.MULTILINE)
            total = re.search(r"^(?:totals|summary): (\d+)$", text, re.MULTILINE)
            if name and total:
                counts[name.group(1)] = int(total.group(1)) / operations()
    if not counts:
        sys.exit("Callgrind counted nothing")
    return done.stdout.strip(), dict(sorted(counts.items()))


def faults_of(counts: dict[str, float], pins: dict[str, float]) -> list[str]:
    faults = [f"{name}: is pinned, but nobody counts it" for name in pins.keys() - counts.keys()]
    for name, found in counts.items():
        if name not in pins:
            faults.append(f"{name}: {found:.1f}, not pinned yet")
            continue
        percent = 100 * (found / pins[name] - 1)
        if percent > ROOM_PERCENT:
            faults.append(f"{name}: {found:.1f} instructions, {percent:.1f} % above the "
                          f"{pins[name]:.1f} pinned")
        elif percent < -ROOM_PERCENT:
            faults.append(f"{name}: {found:.1f} instructions, {-percent:.1f} % below the "
                          f"{pins[name]:.1f} pinned: well done, pin it")
    return sorted(faults)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--pin", action="store_true", help="write the counts down")
    arguments = parser.parse_args()

    pinned = json.loads(PINS.read_text())
    compiler, counts = count(arguments.program)
    pins = pinned.get(compiler, {})
    print(f"instructions per operation, {compiler}")
    for name, found in counts.items():
        known = f"{pins[name]:10.1f} {100 * (found / pins[name] - 1):+7.1f} %" if name in pins else ""
        print(f"{name:36} {found:10.1f} {known}")
    if arguments.pin:
        pinned[compiler] = {name: round(found, 1) for name, found in counts.items()}
        PINS.write_text(json.dumps(pinned, indent=2) + "\n")
    elif not pins:
        sys.exit(f"cannot compare: {PINS.name} has counts of {', '.join(pinned) or 'no compiler'}, "
                 f"not of {compiler}; ./dev instructions --pin writes them down")
    elif faults := faults_of(counts, pins):
        sys.exit("\n".join(faults) + "\nif that is meant, ./dev instructions --pin writes it down")


if __name__ == "__main__":
    main()
