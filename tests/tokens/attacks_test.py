"""Sends every token of make_attacks.py through the whole engine, and asks for the reason of each."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).parents[1]))
import command_under_test
import make_attacks
from command_under_test import tidegate


def run(*arguments: str | bytes, folder: pathlib.Path, environment: dict[str, str], **options) -> str:
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("RATE_LIMIT_") and name != "JWT_SECRET"}
    done = subprocess.run([tidegate(), *arguments, "--config", "limits.toml"], cwd=folder,
                          env=kept | environment, capture_output=True, text=True, timeout=120,
                          **options)
    if done.returncode != 0:
        raise AssertionError(f"{arguments}: {done.stdout}{done.stderr}")
    return done.stdout


def reason(lines: list[str], suite: make_attacks.Suite, folder: pathlib.Path) -> str:
    """The verdict as `explain` names it."""
    headers = [part for line in lines
               for part in ("-H", f"Authorization: {line}".encode("latin-1"))]
    text = run("explain", "--peer", "203.0.113.1", *headers, "GET", "/", folder=folder,
               environment=suite.environment)
    line = next(line for line in text.splitlines() if line.strip().startswith("jwt: "))
    if "as the token is valid" in line:
        return "valid"
    return line.rsplit("(", 1)[1].rstrip(")")


class Attacks(unittest.TestCase):
    def test_every_token_gets_what_it_deserves(self):
        suites = make_attacks.all_suites()
        cases = 0
        for suite in suites:
            verdicts = [case.verdict for case in suite.cases]
            self.assertIn("valid", verdicts, "keys that pass nothing would pass this test")
            with tempfile.TemporaryDirectory() as name:
                folder = pathlib.Path(name)
                make_attacks.write(suite, folder)
                self.check(suite, folder)
            cases += len(suite.cases)
        self.assertGreater(cases, 400)

    def check(self, suite: make_attacks.Suite, folder: pathlib.Path):
        # Each from an address of its own, so that no budget of failures is spent.
        requests = [{"t_us": make_attacks.NOW * 1_000_000, "method": "GET", "target": "/",
                     "peer": f"203.0.{number // 250}.{number % 250 + 1}",
                     "headers": {"Authorization": case.authorization}}
                    for number, case in enumerate(suite.cases)]
        answers = run("replay", folder=folder, environment=suite.environment,
                      input="".join(json.dumps(request) + "\n" for request in requests))
        for case, request, answer in zip(suite.cases, requests, answers.splitlines(), strict=True):
            with self.subTest(suite=suite.name, case=case.name, token=case.authorization,
                              keys=suite.files):
                decision = json.loads(answer)
                valid = case.verdict == "valid"
                client = f"user:{case.user}" if valid else f"ip:{request['peer']}"
                # replay writes bytes above 0x7f as characters of their own.
                self.assertEqual(decision["client"], client.encode().decode("latin-1"))
                self.assertEqual(decision["tier"], "premium" if valid else "anonymous")
                self.assertEqual(decision["limit"], 5000 if valid else 100)
                self.assertEqual(reason(case.authorization, suite, folder), case.verdict)


if __name__ == "__main__":
    command_under_test.main()
