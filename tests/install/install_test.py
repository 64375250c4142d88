"""Installs the build into an empty folder, and builds programs against nothing but that."""

import argparse
import http.client
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parents[2]
CONSUMER = pathlib.Path(__file__).parent / "consumer"
EXAMPLE = ROOT / "examples/beast"
OPTIONS = argparse.Namespace()


def run(*command: str | pathlib.Path, variables: dict[str, str] | None = None) -> str:
    """What the command prints; an error with all it said if it fails."""
    done = subprocess.run(list(map(str, command)), env=os.environ | (variables or {}),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, timeout=240)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.prefix = cls.folder / "prefix"
        run(OPTIONS.cmake, "--install", OPTIONS.build, "--prefix", cls.prefix)
        cls.config = cls.folder / "limits.toml"
        cls.config.write_text("[rate_limiting]\ndefault_limit = 2\nlog = \"/dev/null\"\n"
                              "[rate_limiting.memory]\nsegment = \"\"\ncapacity = 1000\n"
                              "log_slots = 0\n")

    def build(self, source: pathlib.Path) -> pathlib.Path:
        """Builds a project that knows only the prefix; returns the folder with its programs."""
        tree = self.folder / source.name
        run(OPTIONS.cmake, "-S", source, "-B", tree, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
            f"-DCMAKE_CXX_COMPILER={OPTIONS.compiler}", f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run(OPTIONS.cmake, "--build", tree)
        return tree

    def test_the_public_headers_are_all_there_and_nothing_else(self):
        def headers(root: pathlib.Path) -> list[str]:
            return sorted(str(path.relative_to(root)) for path in root.rglob("*.hpp"))

        self.assertEqual(headers(self.prefix), [f"include/{name}" for name in
                                                headers(ROOT / "include")])

    def test_the_command_runs(self):
        self.assertRegex(run(self.prefix / "bin/tidegate", "version"), r"^tidegate \d+\.\d+\.\d+\n$")

    def test_cmake_finds_it(self):
        program = self.build(CONSUMER) / "consumer"
        self.assertEqual(run(program, self.config), "200\n200\n429\n")

    def test_a_server_on_beast_limits_its_clients(self):
        program = self.build(EXAMPLE) / "hello"
        server = subprocess.Popen([program, self.config, "0"], stdout=subprocess.PIPE, text=True,
                                  stdin=subprocess.DEVNULL)
        self.addCleanup(server.communicate)
        self.addCleanup(server.kill)
        port = int(server.stdout.readline().rsplit(":", 1)[1])

        answers = []
        for _ in range(3):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/")
            answer = connection.getresponse()
            answers.append((answer.status, answer.read().decode(), answer.headers))
            connection.close()
        self.assertEqual([status for status, _, _ in answers], [200, 200, 429])
        self.assertEqual([fields["X-RateLimit-Remaining"] for _, _, fields in answers],
                         ["1", "0", "0"])
        _, body, fields = answers[2]
        self.assertIn('"error":"rate_limit_exceeded"', body)
        self.assertGreaterEqual(int(fields["Retry-After"]), 1)

    def test_pkg_config_finds_it(self):
        found = {path.parent for path in self.prefix.rglob("tidegate.pc")}
        variables = {"PKG_CONFIG_PATH": ":".join(map(str, found))}
        flags = run("pkg-config", "--static", "--cflags", "--libs", "tidegate", variables=variables)
        program = self.folder / "program"
        run(OPTIONS.compiler, "-std=c++23", CONSUMER / "main.cpp", *flags.split(), "-o", program)
        self.assertEqual(run(program, self.config), "200\n200\n429\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("cmake", "compiler", "build"):
        parser.add_argument(f"--{name}", required=True)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
