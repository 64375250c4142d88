"""The peers of other languages: what they need, how they are built, how they are started.

Each is built by its own tool from its own registry, pinned by a file of its own. peers/README.md
says what they are.
"""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable

HERE = pathlib.Path(__file__).resolve().parent / "peers"
BUILD = HERE.parent.parent / "build/peers"

# What the C++ contenders are compiled for, too.
CPU = "x86-64-v2"


def run(*command: str | pathlib.Path, folder: pathlib.Path = HERE, **environment: str) -> None:
    done = subprocess.run(command, cwd=folder, env=os.environ | environment)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed in {folder}")


def build_governor() -> list[str | pathlib.Path]:
    run("cargo", "build", "--release", "--quiet", "--target-dir", BUILD / "governor",
        folder=HERE / "governor", RUSTFLAGS=f"-Ctarget-cpu={CPU}")
    return [BUILD / "governor/release/peer-governor"]


def build_rate() -> list[str | pathlib.Path]:
    run("go", "build", "-mod=readonly", "-o", BUILD / "rate", ".", folder=HERE / "rate",
        GOAMD64=CPU.removeprefix("x86-64-"))
    return [BUILD / "rate"]


def build_python(name: str) -> list[str | pathlib.Path]:
    python = BUILD / name / "bin/python"
    if not python.with_name("pip").exists():
        run(sys.executable, "-m", "venv", BUILD / name)
    run(python, "-m", "pip", "install", "--quiet", "-r", HERE / name / "requirements.txt")
    return [python, HERE / name / f"{name}_peer.py"]


def build_limits() -> list[str | pathlib.Path]:
    return build_python("limits")


@dataclasses.dataclass
class Peer:
    name: str
    library: str
    tool: str  # the command that builds it
    needs: str
    build: Callable[[], list[str | pathlib.Path]]  # gives the command that starts it
    version_command: list[str]
    pinned: str  # the file that names the version
    pattern: str

    def described(self) -> str:
        """The version of the library and of what built it."""
        version = re.search(self.pattern, (HERE / self.pinned).read_text()).group(1)
        tool = subprocess.run(self.version_command, capture_output=True, text=True, check=True)
        tool_version = re.search(r"\d+(\.\d+)+", tool.stdout).group()
        return f"{self.library} {version} ({self.version_command[0]} {tool_version})"


PEERS = [
    Peer("governor", "governor", "cargo",
         "Rust's cargo, 1.78 or later (Debian 12 has an older one)", build_governor,
         ["rustc", "--version"], "governor/Cargo.toml", r'governor = "=(.*)"'),
    Peer("rate", "golang.org/x/time", "go", "Go, 1.26 or later (Debian 12 has an older one)",
         build_rate, ["go", "version"], "rate/go.mod", r"golang.org/x/time v(\S+)"),
    Peer("limits", "limits", "python3", "Python 3.10 or later with venv",
         build_limits, ["python3", "--version"], "limits/requirements.txt", r"limits==(\S+)"),
]


def build(without: list[str]) -> dict[str, list[str | pathlib.Path]]:
    """Builds all peers but those left out, and gives the command of each."""
    wanted = [peer for peer in PEERS if peer.name not in without]
    if missing := [peer for peer in wanted if shutil.which(peer.tool) is None]:
        sys.exit("\n".join(f"{peer.name} needs {peer.needs}; to measure without it: "
                           f"--without {peer.name}" for peer in missing))
    for peer in PEERS:
        print(f"-- {'building' if peer in wanted else 'leaving out'} {peer.name}", flush=True)
    BUILD.mkdir(parents=True, exist_ok=True)
    return {peer.name: peer.build() for peer in wanted}


def versions(without: list[str]) -> list[str]:
    return [peer.described() for peer in PEERS if peer.name not in without]
