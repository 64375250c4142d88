"""`make run PORT=...` from the built tree: it starts, answers, and leaves nothing behind."""

import os
import pathlib
import signal
import subprocess
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).parents[1]))
import command_under_test
from command_under_test import tidegate
import demo

ROOT = pathlib.Path(__file__).parents[2]


def members_of_group(group: int) -> list[str]:
    """The command lines of the processes of a group that still run."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = stat.read_text().rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state != "Z":
                found.append((stat.parent / "cmdline").read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


class MakeRun(unittest.TestCase):
    def setUp(self):
        self.port = demo.free_port()
        self.variables = demo.private_variables("make-run")
        # Flags of a make that runs this test are not for the one that is tested.
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
            self.variables.pop(name, None)
        self.addCleanup(demo.remove_segments, tidegate(), self.variables)

    def make_run(self) -> subprocess.Popen:
        """In a group of its own, as a shell starts it: Ctrl-C is a signal to the group."""
        process = subprocess.Popen(["make", "run", f"PORT={self.port}"], cwd=ROOT,
                                   env=self.variables, start_new_session=True, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.addCleanup(self.make_sure_it_is_gone, process)
        return process

    @staticmethod
    def make_sure_it_is_gone(process: subprocess.Popen) -> None:
        if members_of_group(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=demo.STOP_WITHIN_S)

    def test_it_starts_answers_and_leaves_nothing_behind(self):
        process = self.make_run()
        demo.wait_until_it_answers(process, self.port)
        status, fields = demo.get(self.port, "/api/v1/hello")
        self.assertEqual(status, 200)
        self.assertEqual((fields["X-RateLimit-Limit"], fields["X-RateLimit-Remaining"]),
                         ("100", "99"))
        self.assertGreaterEqual(len(members_of_group(process.pid)), 3)  # a parent and two workers

        second = self.make_run()
        _, complaint = second.communicate(timeout=demo.START_WITHIN_S)
        lines = [line for line in complaint.splitlines() if not line.startswith("make")]
        self.assertNotEqual(second.returncode, 0)
        self.assertEqual(len(lines), 1, complaint)
        self.assertIn(str(self.port), lines[0])
        self.assertEqual(demo.get(self.port, "/api/v1/hello")[0], 200)  # the first one goes on

        os.killpg(process.pid, signal.SIGINT)
        printed, complaint = process.communicate(timeout=demo.STOP_WITHIN_S)
        self.assertEqual(members_of_group(process.pid), [])
        self.assertIn(f"http://127.0.0.1:{self.port}", printed)
        self.assertGreaterEqual(printed.count("curl "), 3)
        self.assertIn("/metrics", printed)


if __name__ == "__main__":
    command_under_test.main()
