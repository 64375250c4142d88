"""The command that a test drives, as its command line names it.

    FILE --tidegate COMMAND [unittest's options]
"""

import argparse
import pathlib
import sys
import unittest

_command: pathlib.Path | None = None


def tidegate() -> pathlib.Path:
    assert _command is not None, "main() has not run"
    return _command


def main() -> None:
    """Runs the tests of the calling file."""
    global _command
    parser = argparse.ArgumentParser()
    parser.add_argument("--tidegate", required=True, type=pathlib.Path)
    arguments, rest = parser.parse_known_args()
    _command = arguments.tidegate.resolve()
    unittest.main(module="__main__", argv=[sys.argv[0], *rest])
