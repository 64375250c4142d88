"""Runs what README.md and docs/ tell a reader to run, and follows their links.

    <!-- run -->          the block of shell that follows is executed, all of a document's in order
    <!-- prints -->       the block that follows is what the shell before it prints to stdout; "..."
                          stands for any text, alone on a line for any number of lines
    <!-- serves -->       the block that follows is what the demonstration prints when it starts
    <!-- config NAME -->  `tidegate check` accepts the TOML that follows; with a NAME it is a file
                          for the blocks of shell after it

Blocks run in a folder of the document's own, with the command and tidegate.toml where a clone has
them. What talks to port 8000 finds the demonstration there, started as `make run` starts it.
"""

import dataclasses
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).parents[1]))
import command_under_test
from command_under_test import tidegate
import demo

ROOT = pathlib.Path(__file__).parents[2]

BLOCK = re.compile(r"<!-- (run|prints|serves|config)(?: ([\w.-]+))? -->\n+```\w*\n(.*?)^```$",
                   re.DOTALL | re.MULTILINE)
MARK = re.compile(r"^<!-- (?:run|prints|serves|config)\b.*-->$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
PORT = re.compile(r"\b8000\b")


@dataclasses.dataclass
class Block:
    kind: str
    name: str | None
    text: str
    line: int


def documents() -> list[pathlib.Path]:
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
                            cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


def blocks(path: pathlib.Path) -> list[Block]:
    text = path.read_text()
    found = [Block(match[1], match[2], match[3], text.count("\n", 0, match.start()) + 1)
             for match in BLOCK.finditer(text)]
    if len(found) != len(MARK.findall(text)):
        raise AssertionError(f"{path}: a mark is not followed by a block")
    return found


def anchors(path: pathlib.Path) -> set[str]:
    """What #... may name in a document, made of its headings as GitHub does."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub(lambda code: code[0].strip("`"), path.read_text()),
                          re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
            for heading in headings}


def pattern(expected: str) -> re.Pattern:
    parts = []
    for line in expected.splitlines():
        if line == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(r"[^\n]*".join(map(re.escape, line.split("..."))) + r"\n")
    return re.compile("".join(parts))


class Reading:
    """A reader who does what one document says."""

    def __init__(self, path: pathlib.Path, folder: pathlib.Path):
        self.path = path
        self.folder = folder
        self.port = demo.free_port()
        self.variables = demo.private_variables(path.stem.lower())
        self.server: subprocess.Popen | None = None
        self.printed = ""
        (folder / "build/release/bin").mkdir(parents=True)
        (folder / "build/release/bin/tidegate").symlink_to(tidegate())
        shutil.copy(ROOT / "tidegate.toml", folder)

    def close(self) -> None:
        if self.server:
            self.server.terminate()
            self.server.wait(demo.STOP_WITHIN_S)
        demo.remove_segments(tidegate(), self.variables)

    def here(self, text: str) -> str:
        return PORT.sub(str(self.port), text)

    def start_server(self) -> None:
        with (self.folder / "served").open("w") as served:
            self.server = subprocess.Popen(
                [tidegate(), "serve", "--demo", "--workers", "2", "--listen",
                 f"127.0.0.1:{self.port}", "--config", "tidegate.toml"],
                cwd=self.folder, env=self.variables, stdin=subprocess.DEVNULL, stdout=served,
                stderr=subprocess.DEVNULL)
        demo.wait_until_it_answers(self.server, self.port)

    def shell(self, text: str) -> None:
        if PORT.search(text) and not self.server:
            self.start_server()
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", self.here(text)], cwd=self.folder,
                              env=self.variables, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=120)
        if done.returncode != 0:
            raise AssertionError(f"exit code {done.returncode}\n{done.stdout}{done.stderr}")
        self.printed = done.stdout.replace("\r", "")

    def serves(self, text: str) -> None:
        if not self.server:
            self.start_server()
        self.printed = (self.folder / "served").read_text()
        self.prints(text)

    def prints(self, text: str) -> None:
        printed = self.printed if self.printed.endswith("\n") else self.printed + "\n"
        if not pattern(self.here(text)).fullmatch(printed):
            raise AssertionError(f"it should print\n{text}\nit prints\n{self.printed}")

    def config(self, text: str, name: str | None) -> None:
        path = self.folder / (name or "unnamed.toml")
        path.write_text(text)
        done = subprocess.run([tidegate(), "check", path.name], cwd=self.folder, env=self.variables,
                              capture_output=True, text=True, timeout=30)
        if done.returncode != 0 or done.stderr:
            raise AssertionError(done.stdout + done.stderr)

    def follow(self, block: Block) -> None:
        if block.kind == "run":
            self.shell(block.text)
        elif block.kind == "prints":
            self.prints(block.text)
        elif block.kind == "serves":
            self.serves(block.text)
        else:
            self.config(block.text, block.name)


class Documents(unittest.TestCase):
    def test_what_they_say_is_so(self):
        followed = 0
        for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
            with tempfile.TemporaryDirectory() as folder:
                reading = Reading(path, pathlib.Path(folder))
                self.addCleanup(reading.close)
                for block in blocks(path):
                    with self.subTest(place=f"{path.relative_to(ROOT)}:{block.line}"):
                        reading.follow(block)
                        followed += 1
                reading.close()
        self.assertGreater(followed, 5)

    def test_links_lead_somewhere(self):
        followed = 0
        for path in documents():
            for link in LINK.findall(CODE.sub("", path.read_text())):
                if re.match(r"[a-z]+:", link):
                    continue
                with self.subTest(document=str(path.relative_to(ROOT)), link=link):
                    name, _, anchor = link.partition("#")
                    target = (path.parent / name).resolve() if name else path
                    self.assertTrue(target.exists(), "nothing is there")
                    if anchor:
                        self.assertIn(anchor, anchors(target))
                    followed += 1
        self.assertGreater(followed, 20)


class TheRunnerItself(unittest.TestCase):
    def test_three_dots_stand_for_anything(self):
        self.assertTrue(pattern("a\n...\nd: ... e\n").fullmatch("a\nb\nc\nd: 7 e\n"))
        self.assertTrue(pattern("a\n...\nb\n").fullmatch("a\nb\n"))
        self.assertFalse(pattern("a\n...\nd: ...\n").fullmatch("a\nb\nc: 7\n"))
        self.assertFalse(pattern("a.c\n").fullmatch("abc\n"))


if __name__ == "__main__":
    command_under_test.main()
