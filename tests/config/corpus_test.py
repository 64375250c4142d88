"""Checks faulty configurations, and compares what the command says of each to the letter.

A file of corpus/ ends with its faults, one for each line that begins with "#! ". Its name is the
mistake.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).parents[1]))
import command_under_test
from command_under_test import tidegate

CORPUS = pathlib.Path(__file__).parent / "corpus"

DURATION = ('"1ms" to "366d": one integer and one unit (ms, s, m, h, d), or an integer of '
            'seconds')
LIMIT = 'an integer from 0 to 1000000000 (0 rejects everything), or "unlimited"'

# A variable, its value, and what is said of it.
FAULTY_VARIABLES = [
    ("RATE_LIMIT_DEFAULT", "100/week",
     'rate_limiting.default_limit: found the string "100/week", allowed: a limit as "100", or with '
     'a unit as "100/minute" (second, minute, hour, day)'),
    ("RATE_LIMIT_DEFAULT", "",
     'rate_limiting.default_limit: found the string "", allowed: a limit as "100", or with a unit '
     'as "100/minute" (second, minute, hour, day)'),
    ("RATE_LIMIT_DEFAULT", "-5",
     f"rate_limiting.default_limit: found the integer -5, allowed: {LIMIT}"),
    ("RATE_LIMIT_DEFAULT_LIMIT", "many",
     f'rate_limiting.default_limit: found the string "many", allowed: {LIMIT}'),
    ("RATE_LIMIT_DEFAULT_LIMIT", "99999999999999999999",
     f'rate_limiting.default_limit: found the string "99999999999999999999", allowed: {LIMIT}'),
    ("RATE_LIMIT_DEFAULT_WINDOW", "1 minute",
     f'rate_limiting.default_window: found the string "1 minute", allowed: {DURATION}'),
    ("RATE_LIMIT_ENABLED", "maybe",
     'rate_limiting.enabled: found the string "maybe", allowed: true or false'),
    ("RATE_LIMIT_ALGORITHM", "gcra",
     'rate_limiting.algorithm: found the string "gcra", allowed: "token_bucket", '
     '"sliding_window", "sliding_window_counter", "fixed_window"'),
    ("RATE_LIMIT_FAILURE_MODE", "open",
     'rate_limiting.failure_mode: found the string "open", allowed: "fail_open", "fail_closed", '
     '"local"'),
    ("RATE_LIMIT_NAMESPACE", "a b",
     'rate_limiting.namespace: found the string "a b", allowed: a string of 1 to 64 characters of '
     "[A-Za-z0-9._-], not beginning with a dot"),
    ("RATE_LIMIT_MEMORY", "7", "rate_limiting.memory: found the integer 7, allowed: a table"),
    ("RATE_LIMIT_MEMORY__CAPACITY", "1",
     "rate_limiting.memory.capacity: found the integer 1, allowed: an integer from 8 to "
     "2147483648"),
    ("RATE_LIMIT_HEADERS", '["ietf", "all"]',
     'rate_limiting.headers[1]: found the string "all", allowed: "x-ratelimit", "ietf"'),
    ("RATE_LIMIT_HEADERS", '["ietf',
     'rate_limiting.headers: found the string "[\\"ietf", allowed: a TOML value (the string is not '
     "closed)"),
    ("RATE_LIMIT_ENDPOINTS", "[{pattern = '/a', limit = 5}]",
     f"rate_limiting.endpoints[0].window: found nothing, allowed: {DURATION} (the key is missing)"),
    ("RATE_LIMIT_TIERS", "[{name = 'other', limit = 5, window = 60}]",
     'rate_limiting.tiers[0].name: found the string "other", allowed: any name but "default", '
     '"preflight" and "other" (these name counts of our own)'),
    ("RATE_LIMIT_ADMIN__TOKEN_ENV", "TOKEN",
     'rate_limiting.admin.token_env: found the variable "TOKEN" that is not set, allowed: the name '
     "of a variable that holds the secret"),
    ("RATE_LIMIT_REDIS__URL", "redis://:hunter2@localhost/x",
     "rate_limiting.redis.url: found another string, allowed: redis://, rediss:// or "
     'unix://, as "redis://localhost:6379/0"; or "": no Redis (its database is not a number)'),
]


class Answer:
    def __init__(self, done: subprocess.CompletedProcess):
        self.code = done.returncode
        self.faults = done.stdout.decode(errors="surrogateescape").splitlines()
        self.aside = done.stderr.decode(errors="surrogateescape")


def run(*arguments: str, folder: pathlib.Path, variables: dict[str, str] | None = None,
        **options) -> Answer:
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("RATE_LIMIT_") and name != "REDIS_URL"}
    return Answer(subprocess.run([tidegate(), *arguments], cwd=folder, env=kept | (variables or {}),
                                 capture_output=True, timeout=60, **options))


class Corpus(unittest.TestCase):
    def test_every_file_gives_its_faults(self):
        files = sorted(CORPUS.glob("*.toml"))
        self.assertGreaterEqual(len(files), 100)
        for path in files:
            with self.subTest(file=path.name):
                lines = path.read_bytes().decode(errors="surrogateescape").split("\n")
                faults = [line.removeprefix("#! ") for line in lines if line.startswith("#! ")]
                self.assertTrue(faults, "it ends with no line that begins with #!")
                answer = run("check", path.name, folder=CORPUS)
                self.assertEqual(answer.faults, [f"{path.name}:{fault}" for fault in faults])
                self.assertEqual(answer.code, 1)
                self.assertEqual(answer.aside, "")


class InAFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def check(self, *arguments: str, variables: dict[str, str] | None = None) -> Answer:
        return run("check", *arguments, folder=self.folder, variables=variables)

    def expect(self, answer: Answer, *faults: str):
        self.assertEqual(answer.faults, list(faults))
        self.assertEqual(answer.code, 1)
        self.assertEqual(answer.aside, "")

    def expect_defaults(self, answer: Answer):
        self.assertEqual(answer.faults[:2],
                         ["ok", "  default: 100 requests per 60 s, sliding_window_counter"])
        self.assertEqual(answer.code, 0)

    def write(self, content: bytes | str) -> Answer:
        """What `check` says of a file of this content."""
        (self.folder / "f.toml").write_bytes(
            content if isinstance(content, bytes) else content.encode())
        return self.check("f.toml")


class Files(InAFolder):
    def test_no_file_and_an_empty_one_mean_the_defaults(self):
        self.expect_defaults(self.check())
        answer = self.write("")
        self.expect_defaults(answer)
        self.assertIn("no table [rate_limiting], so the defaults apply", answer.aside)

    def test_what_is_not_text(self):
        answer = self.write(bytes(range(256)) * 40)
        self.assertEqual(answer.code, 1)
        self.assertEqual(len(answer.faults), 1)
        self.assertTrue(answer.faults[0].startswith("f.toml:1:1: not TOML: "), answer.faults)
        self.assertTrue(answer.faults[0].isprintable())
        answer = self.write(b"[rate_limiting]\nnamespace = \"a\0b\"\n")
        self.assertEqual(len(answer.faults), 1)
        self.assertTrue(answer.faults[0].startswith("f.toml:2:15: not TOML: "), answer.faults)

    def test_line_ends_of_windows_count_as_one(self):
        self.expect(self.write("[rate_limiting]\r\n\r\nnamespace = \"a\r\n"),
                    "f.toml:3:15: not TOML: the string is not closed on its line")

    def test_ten_megabytes(self):
        self.expect(self.write(b"#" * 10_000_000),
                    "f.toml: found more than 2 MiB, allowed: at most 2 MiB")

    def test_a_megabyte_of_faults_is_all_reported(self):
        count = 50_000
        answer = self.write("[rate_limiting]\n" +
                            "".join(f"unknown_key_{i} = 1\n" for i in range(count)))
        self.assertEqual(len(answer.faults), count)
        self.assertTrue(answer.faults[-1].startswith(
            f"f.toml:{count + 1}:1: rate_limiting.unknown_key_{count - 1}: unknown key"))

    def test_more_windows_than_can_be_kept_apart(self):
        windows = ", ".join(f"{{ limit = 9, window = {w} }}" for w in range(2, 9))
        self.expect(self.write("".join(
            f"[[rate_limiting.endpoints]]\npattern = \"/{i}\"\nlimit = 9\nwindow = 1\n"
            f"windows = [ {windows} ]\n" for i in range(4_200))),
            "f.toml: rate_limiting: the configuration has 33602 windows over all rules and tiers; "
            "at most 32768 can be kept apart when the table is full: use fewer rules or fewer "
            "windows")

    def test_deep_nesting(self):
        for opening in ("[", "{ a = ", "[ { a = "):
            with self.subTest(opening=opening):
                answer = self.write("[rate_limiting]\nheaders = " + opening * 100_000)
                self.assertEqual(answer.code, 1)
                self.assertEqual(len(answer.faults), 1)
                self.assertTrue(
                    answer.faults[0].endswith("not TOML: values are nested more than 32 deep"))
        answer = self.write("[" + ".".join(["a"] * 100_000) + "]\n")
        self.expect(answer,
                    "f.toml:1:65: found a key of more than 32 parts, allowed: at most 32")

    def test_what_cannot_be_read(self):
        self.expect(self.check("missing.toml"),
                    "missing.toml: cannot be read: No such file or directory")
        self.expect(self.check("."), ".: found a directory, allowed: a file")
        (self.folder / "loop.toml").symlink_to("loop.toml")
        self.expect(self.check("loop.toml"),
                    "loop.toml: cannot be read: Too many levels of symbolic links")

    def test_a_file_without_permission(self):
        nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        # Where nobody may read and run it, wherever the build is.
        command = shutil.copy(tidegate(), self.folder / "tidegate")
        self.folder.chmod(0o755)
        (self.folder / "f.toml").touch(mode=0o000)
        done = subprocess.run([command, "check", "f.toml"], cwd=self.folder, capture_output=True,
                              timeout=60, **nobody)
        self.expect(Answer(done), "f.toml: cannot be read: Permission denied")

    def test_found_by_its_name(self):
        (self.folder / "config.toml").write_text("[rate_limiting]\nenabled = 1\n")
        self.expect(self.check(), "./config.toml:2:11: rate_limiting.enabled: found the integer 1, "
                                  "allowed: true or false")
        (self.folder / "tidegate.toml").write_text("[rate_limiting]\nenabled = 2\n")
        self.expect(self.check(), "./tidegate.toml:2:11: rate_limiting.enabled: found the integer "
                                  "2, allowed: true or false")
        self.expect(self.check(variables={"RATE_LIMIT_CONFIG": "missing.toml"}),
                    "missing.toml: cannot be read: No such file or directory "
                    "(the path is from RATE_LIMIT_CONFIG)")

    def test_nothing_starts_on_a_faulty_file(self):
        (self.folder / "f.toml").write_text("[rate_limiting]\nenabled = 1\nnamespace = \"\"\n")
        for command in (["serve", "--listen", "127.0.0.1:0"], ["explain", "GET", "/"], ["replay"],
                        ["peek", "ip:192.0.2.1"], ["reset", "ip:192.0.2.1"]):
            with self.subTest(command=command[0]):
                answer = run(*command, "--config", "f.toml", folder=self.folder,
                             stdin=subprocess.DEVNULL)
                self.assertEqual(answer.code, 1)
                self.assertEqual(answer.faults, [])
                self.assertEqual([line.split(": ")[:2] for line in answer.aside.splitlines()],
                                 [["f.toml:2:11", "rate_limiting.enabled"],
                                  ["f.toml:3:13", "rate_limiting.namespace"]])


class Variables(InAFolder):
    def test_every_faulty_one_is_named(self):
        for name, value, message in FAULTY_VARIABLES:
            with self.subTest(variable=f"{name}={value}"):
                self.expect(self.check(variables={name: value}), f"{name}: {message}")

    def test_faults_of_the_file_come_first(self):
        (self.folder / "tidegate.toml").write_text("[rate_limiting]\nenabled = 1\n")
        self.expect(self.check(variables={"RATE_LIMIT_SHADOW": "2", "RATE_LIMIT_LOG_LEVEL": "all"}),
                    "./tidegate.toml:2:11: rate_limiting.enabled: found the integer 1, allowed: "
                    "true or false",
                    'RATE_LIMIT_LOG_LEVEL: rate_limiting.log_level: found the string "all", '
                    'allowed: "debug", "info", "warning", "error"',
                    "RATE_LIMIT_SHADOW: rate_limiting.shadow: found the integer 2, allowed: true "
                    "or false")

    def test_one_that_mends_the_file_does(self):
        (self.folder / "tidegate.toml").write_text("[rate_limiting]\nenabled = 1\n")
        self.expect_defaults(self.check(variables={"RATE_LIMIT_ENABLED": "true"}))

    def test_a_short_secret(self):
        (self.folder / "tidegate.toml").write_text(
            "[rate_limiting.client_identification.jwt]\nsecret_env = \"KEY\"\n")
        answer = self.check(variables={"KEY": "hunter2" * 4})
        self.expect(answer, './tidegate.toml:2:14: rate_limiting.client_identification.jwt.'
                            'secret_env: found in the variable "KEY" a secret of 28 bytes, '
                            'allowed: at least 32')
        self.expect_defaults(self.check(variables={"KEY": "hunter2" * 5}))

    def test_keys_that_are_set_aside_are_a_warning(self):
        key = {"kty": "oct", "kid": "good", "k": "A" * 43}
        (self.folder / "keys.json").write_text(json.dumps(
            {"keys": [key, key | {"kid": "bad\n", "k": "AAAA"}, key | {"kid": "e", "use": "enc"}]}))
        answer = self.write('[rate_limiting.client_identification.jwt]\njwks_file = "keys.json"\n'
                            'algorithms = ["HS256", "ES256"]\n')
        self.expect_defaults(answer)
        path = "rate_limiting.client_identification.jwt"
        self.assertEqual(answer.aside.splitlines(), [
            f'warning: f.toml:3:24: {path}.algorithms[1]: "ES256" without a key for it, which would '
            'be a key of P-256',
            f'warning: f.toml:2:13: {path}.jwks_file: not all of "keys.json" is used, key 2 "bad\\u000a": a '
            'secret of 3 bytes, allowed: at least 32',
            f'warning: f.toml:2:13: {path}.jwks_file: not all of "keys.json" is used, key 3 "e": it is not '
            'for signatures (use)'])

    def test_tokens_that_nobody_verifies_are_a_warning(self):
        answer = self.write("[rate_limiting.client_identification.jwt]\nverify_signature = false\n")
        self.expect_defaults(answer)
        self.assertIn("every token is believed", answer.aside)

    def test_what_asks_for_nothing_passes(self):
        self.expect_defaults(self.write("[rate_limiting]\nshadow = false\nbackend = \"memory\"\n"))
        self.expect_defaults(self.check(variables={"RATE_LIMIT_SHADOW": "false",
                                                   "RATE_LIMIT_BACKEND": "memory"}))

    def test_a_redis_url_asks_for_redis_and_is_not_shown(self):
        answer = self.check(variables={"REDIS_URL": "redis://:hunter2@localhost/0"})
        self.assertEqual(answer.code, 0)
        self.assertNotIn("hunter2", "".join(answer.faults) + answer.aside)

    def test_an_unknown_one_is_a_warning(self):
        answer = self.check(variables={"RATE_LIMIT_DEFALT_LIMIT": "5"})
        self.expect_defaults(answer)
        self.assertEqual(answer.aside, "warning: RATE_LIMIT_DEFALT_LIMIT: no such key, so the "
                         "variable is ignored; the nearest is RATE_LIMIT_DEFAULT_LIMIT\n")


if __name__ == "__main__":
    command_under_test.main()
