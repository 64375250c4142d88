"""Replays every case and compares what comes out with what must come out.

A case is NAME.toml, NAME.in.jsonl and NAME.out.jsonl. The order of members does not matter; a member
that the case leaves out may be there; of a bad request only status and error code are compared.
"""

import json
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).parents[1]))
import command_under_test
from command_under_test import tidegate

CASES = pathlib.Path(__file__).parent / "cases"


def replay(config: pathlib.Path, lines: bytes) -> list[bytes]:
    done = subprocess.run([tidegate(), "replay", "--config", str(config)],
                          input=lines, capture_output=True, timeout=120, check=True)
    return done.stdout.splitlines()


class Replay(unittest.TestCase):
    def test_every_case_gives_its_decisions(self):
        configs = sorted(CASES.glob("*.toml"))
        self.assertGreater(len(configs), 3)
        for config in configs:
            requests = config.with_suffix(".in.jsonl").read_bytes()
            expected = config.with_suffix(".out.jsonl").read_text().splitlines()
            answers = replay(config, requests)
            self.assertEqual(len(answers), len(expected), config.name)
            for number, (answer, wanted) in enumerate(zip(answers, expected), 1):
                with self.subTest(case=config.stem, line=number):
                    self.compare(json.loads(answer), json.loads(wanted))

    def compare(self, answer: dict, wanted: dict):
        if wanted["status"] == 400:
            self.assertEqual(answer["status"], 400)
            self.assertEqual(answer["error"], "bad_request")
            return
        for name, value in wanted.items():
            self.assertEqual(answer[name], value, name)

    def test_the_ten_members_come_first_and_in_order(self):
        lines = (CASES / "who.in.jsonl").read_bytes()
        for answer in replay(CASES / "who.toml", lines)[:-1]:
            self.assertEqual(
                list(json.loads(answer))[:10],
                ["t_us", "status", "error", "client", "tier", "endpoint", "limit", "remaining",
                 "reset_us", "retry_after_us"])

    def test_several_charges_are_all_shown(self):
        lines = (CASES / "windows.in.jsonl").read_bytes()
        first = json.loads(replay(CASES / "windows.toml", lines)[0])
        self.assertEqual(first["windows"], [
            {"rule": "default", "limit": 2, "window_us": 1_000_000, "remaining": 1,
             "reset_us": 1_000_000, "retry_after_us": None},
            {"rule": "default", "limit": 3, "window_us": 10_000_000, "remaining": 2,
             "reset_us": 10_000_000, "retry_after_us": None}])

    def test_lines_that_are_no_request_are_answered_in_their_place(self):
        good = b'{"t_us":1800000000000000,"peer":"203.0.113.1","method":"GET","target":"/x"}'
        bad = [b"", b"[]", b"{", b'{"t_us":-1,"method":"GET","target":"/"}',
               b'{"t_us":1,"target":"/"}', b'{"t_us":1,"method":"GET"}',
               b'{"t_us":1,"method":"GET","target":7}', b'{"t_us":1.5,"method":"GET","target":"/"}',
               b'{"t_us":1,"method":"GET","target":"/","cost":-1}',
               b'{"t_us":1,"method":"GET","target":"/","headers":{"A":1}}',
               b'{"t_us":1,"method":"GET","target":"/\xff"}',
               '{"t_us":1,"method":"GET","target":"/\u0100"}'.encode(), b"\x00\x01", b"[" * 100_000]
        answers = replay(CASES / "counter.toml", b"\n".join([good, *bad, good]) + b"\n")
        self.assertEqual(len(answers), len(bad) + 2)
        for line, answer in zip(bad, answers[1:-1]):
            with self.subTest(line=line[:60]):
                fault = json.loads(answer)
                self.assertEqual((fault["status"], fault["error"]), (400, "bad_request"))
                self.assertTrue(fault["message"])
        self.assertEqual(json.loads(answers[0])["remaining"], 2)
        self.assertEqual(json.loads(answers[-1])["remaining"], 1)

    def test_keys_of_any_size_and_any_bytes_are_clients_with_short_names(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
            config.write('[rate_limiting]\ndefault_limit = 1\n'
                         '[rate_limiting.client_identification]\nidentify = ["header:X-API-Key"]\n')
            config.flush()
            seed = random.randrange(1 << 32)
            rng = random.Random(seed)
            keys = ["k" * 65_536, *(rng.randbytes(size).decode("latin-1").strip(" \t")
                                    for size in (1, 100, 10_000, 65_536)), "".join(map(chr, range(256)))]
            lines = [json.dumps({"t_us": 1, "peer": "1.2.3.4", "method": "GET", "target": "/",
                                 "headers": {"X-API-Key": key}}) for key in keys if key]
            answers = [json.loads(line) for line in
                       replay(pathlib.Path(config.name), "\n".join(lines * 2).encode())]
        names = {answer["client"] for answer in answers}
        with self.subTest(seed=seed):
            self.assertEqual(len(names), len(lines))
            for name in names:
                self.assertRegex(name, "^key:[0-9a-f]{12}$")
            self.assertEqual([answer["status"] for answer in answers],
                             [200] * len(lines) + [429] * len(lines))

    def test_bytes_above_0x7f_come_back_as_they_went_in(self):
        config = CASES / "counter.toml"
        line = '{"t_us":1,"peer":"1.2.3.4","method":"GET","target":"/\u00e4\u00ff"}\n'
        answer = json.loads(replay(config, line.encode())[0])
        self.assertEqual(answer["status"], 200)


if __name__ == "__main__":
    command_under_test.main()
