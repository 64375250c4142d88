"""Builds the wheels, and uses each on the CPythons there are, with nothing else installed."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import typing
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PIP = ROOT / "build/python/bin/pip"
VERSION = re.search(r"project\(tidegate VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
OLDEST = (3, 10)

# The system has these, of a version that the name of the wheel promises. All else a wheel carries.
OF_THE_SYSTEM = {"ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libgcc_s.so.1",
                 "libstdc++.so.6"}
CARRIED = {"libcrypto", "libssl"}

# What the example in README.md needs: of the versions that all tests have, but for the oldest
# CPython, with one from before included routers stayed whole.
PINNED = dict(re.findall(r"^pip:(\S+)==(\S+)", (ROOT / "packages.txt").read_text(), re.MULTILINE))
FASTAPI = [f"fastapi=={PINNED['fastapi']}; python_version >= '3.11'",
           "fastapi==0.115.14; python_version < '3.11'", f"httpx=={PINNED['httpx']}"]
EXAMPLE_CONFIG = """
[rate_limiting.memory]
segment = ""
capacity = 1000
"""

ABOUT = """
import json, pathlib, sys, sysconfig
headers = pathlib.Path(sysconfig.get_path("include"), "Python.h").exists()
free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
usable = sys.implementation.name == "cpython" and headers and not free_threaded
print(json.dumps([str(pathlib.Path(sys.executable).resolve()), usable, sys.version_info[:3]]))
"""


def run(*command: str | pathlib.Path, folder: pathlib.Path | None = None) -> str:
    """What the command prints; an error with all it said if it fails."""
    done = subprocess.run(list(map(str, command)), cwd=folder, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1500)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


class CPython(typing.NamedTuple):
    program: str
    version: tuple[int, int, int]

    @property
    def branch(self) -> tuple[int, int]:
        return self.version[:2]

    def __str__(self) -> str:
        return f"CPython {'.'.join(map(str, self.version))} ({self.program})"


def find_cpythons() -> list[CPython]:
    folders = [pathlib.Path(name) for name in os.environ["PATH"].split(":")]
    folders += pathlib.Path.home().glob(".pyenv/versions/*/bin")
    found = set()
    for program in (program for folder in folders for program in folder.glob("python3.*")):
        if not re.fullmatch(r"python3\.\d+", program.name):
            continue
        asked = subprocess.run([program, "-c", ABOUT], capture_output=True, text=True)
        if asked.returncode != 0:
            continue  # the name of one that is not there, as version managers have them
        program, usable, version = json.loads(asked.stdout)
        if usable and tuple(version[:2]) >= OLDEST:
            found.add(CPython(program, tuple(version)))
    return sorted(found, key=lambda cpython: cpython.version)


class Wheel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.dist = cls.folder / "dist"
        cls.cpythons = find_cpythons()
        assert cls.cpythons, "no CPython with its headers: tools/install-packages test installs one"
        print("built for and installed on:", *cls.cpythons, sep="\n  ", flush=True)
        builders = {cpython.branch: cpython.program for cpython in cls.cpythons}
        run(ROOT / "tools/build-wheel", "--out", cls.dist, *builders.values())
        cls.unpacked = []
        for wheel in sorted(cls.dist.iterdir()):
            cls.unpacked.append(cls.folder / wheel.stem)
            zipfile.ZipFile(wheel).extractall(cls.unpacked[-1])
        assert len(cls.unpacked) == len(builders)

    def test_it_limits_and_the_command_runs_on_each_cpython(self):
        for cpython in self.cpythons:
            with self.subTest(str(cpython)), tempfile.TemporaryDirectory() as folder:
                python = pathlib.Path(folder) / "bin/python"
                run(cpython.program, "-m", "venv", "--without-pip", folder)
                run(PIP, "--python", python, "install", "--no-index", "--no-deps", "--find-links",
                    self.dist, "tidegate")
                first, second = json.loads(run(python, "-I", ROOT / "tests/python/decide_twice.py",
                                               folder=self.folder))
                self.assertEqual((first["status"], first["body"]), (200, "hello"))
                self.assertEqual(first["fields"]["x-ratelimit-limit"], "1")
                self.assertEqual(first["fields"]["x-ratelimit-remaining"], "0")
                self.assertEqual(second["status"], 429)
                self.assertGreaterEqual(int(second["fields"]["retry-after"]), 1)
                self.assertEqual(json.loads(second["body"])["error"], "rate_limit_exceeded")
                self.assertEqual(run(python.parent / "tidegate", "version"),
                                 f"tidegate {VERSION}\n")

                run(PIP, "--python", python, "install", "--quiet", *FASTAPI)
                pathlib.Path(folder, "tidegate.toml").write_text(EXAMPLE_CONFIG)
                answers = json.loads(run(python, "-I", ROOT / "tests/python/readme_example.py",
                                         ROOT / "README.md", folder=pathlib.Path(folder)))
                self.assertEqual(answers, [[200, "8"], [200, "6"], [200, "4"], [200, "2"],
                                           [200, "0"], [429, "0"]])

    def test_nothing_is_exported_but_the_entry_point(self):
        for wheel in self.unpacked:
            (engine,) = wheel.glob("tidegate/_engine.*.so")
            symbols = run("nm", "--dynamic", "--defined-only", "--format=just-symbols", engine)
            self.assertEqual(symbols.split(), ["PyInit__engine"], engine)

    def test_it_carries_openssl_and_needs_nothing_but_the_c_and_cpp_libraries(self):
        for wheel in self.unpacked:
            carried = {path.name for path in wheel.glob("tidegate.libs/*")}
            self.assertEqual({name.split("-")[0] for name in carried}, CARRIED, wheel.name)
            programs = [path for path in wheel.rglob("*")
                        if path.is_file() and path.read_bytes().startswith(b"\x7fELF")]
            self.assertEqual(len(programs), 2 + len(CARRIED))
            for program in programs:
                needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", program)))
                self.assertLessEqual(needed, OF_THE_SYSTEM | carried, program)

    def test_it_names_the_glibc_it_needs(self):
        for wheel in self.unpacked:
            self.assertRegex(wheel.name, r"-manylinux_2_\d+_x86_64$")


if __name__ == "__main__":
    unittest.main()
