#!/usr/bin/env python3
"""Puts a fault into a copy of a source file: plant.py NAME ROOT OUTPUT

The simulation has to find each of them. A fault whose place is no longer in the source is an error:
it has to be put in anew.
"""

import pathlib
import sys

FAULTS = {
    # A charge whose reply was lost is sent again.
    "resend": ("src/store/redis/client_links.cpp",
               "    fail(each.call, failure, now);\n",
               "    calls_.at(each.call).link = 0;\n"
               "    calls_.at(each.call).node = nullptr;\n"
               "    unrouted_.push_back(each.call);\n"),
    # READONLY is an error like others: the server goes on being asked.
    "readonly_ignored": ("src/store/redis/link.cpp",
                         'Known{"READONLY", {ErrorType::readonly, true}}',
                         'Known{"READONLY", {ErrorType::readonly, false}}'),
    # The breaker never half-opens.
    "never_half_open": ("src/store/guard/breaker.cpp",
                        "  if (now < until) return Leave::no;\n",
                        "  if (until != 0) return Leave::no;\n"),
    # Scripts are given the clock of the host.
    "host_clock": ("src/store/guard/guard.cpp",
                   "codec_.encode(checks)", "codec_.encode(checks, now)"),
    # A sentinel that has not heard of a failover is believed.
    "old_master": ("src/store/redis/sentinel.cpp",
                   "if (epoch < epoch_) {", "if (false) {"),
}


def main() -> None:
    name, root, output = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    path, sound, faulty = FAULTS[name]
    text = (root / path).read_text()
    if text.count(sound) != 1:
        sys.exit(f"{path} no longer has the place of the fault {name}:\n{sound}")
    output.write_text(text.replace(sound, faulty))


if __name__ == "__main__":
    main()
