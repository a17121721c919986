"""What ``fleet doctor`` looks at: one finding a line, each with what to do. Starts programs, changes nothing."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fleet import __version__, process
from fleet.cli import entry
from fleet.config.paths import FleetPaths
from fleet.core.errors import FleetError
from fleet.keeping.gauge import DiskGauge

_OLDEST = {"python": (3, 11), "sqlite": (3, 51, 3), "git": (2, 38), "tmux": (3, 2)}
_PROBE_SECONDS = 10.0
_NUMBERS = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, whether it is well, what was found, and what to do."""

    name: str
    state: Literal["ok", "warning", "wrong"]
    found: str
    advice: str = ""

    def as_dict(self) -> dict[str, str]:
        """The finding as doors print it."""
        return {"name": self.name, "state": self.state, "found": self.found, "advice": self.advice}


def machine(env: Mapping[str, str]) -> Iterator[Finding]:
    """Findings about this machine and this installation."""
    yield _system()
    yield Finding("fleet", "ok", f"{__version__} in {Path(entry.__file__).parents[1]}")
    yield _version("python", ".".join(map(str, sys.version_info[:3])), "Install Python 3.11 or newer.")
    asked = [sys.executable, "-c", "import apsw; print(apsw.sqlite_lib_version())"]
    yield _version("sqlite", _output(asked, env), "Install apsw again: it brings its own SQLite.")
    yield _version("git", _output(["git", "--version"], env), "Install git 2.38 or newer.")
    yield _version("tmux", _output(["tmux", "-V"], env), "Install tmux 3.2a or newer.")
    yield _bytecode(env)


def place(paths: FleetPaths) -> Iterator[Finding]:
    """Findings about the folders of this fleet."""
    for name, folder in (("state", paths.state), ("sockets", paths.runtime)):
        if not folder.exists():
            yield Finding(name, "ok", f"{folder} (not there yet; fleet up makes it)")
        elif folder.stat().st_mode & 0o077 or folder.stat().st_uid != os.getuid():
            yield Finding(name, "wrong", f"{folder} is open to others", f"chmod 700 {folder}")
        else:
            yield Finding(name, "ok", str(folder))


def disk(gauge: DiskGauge) -> Iterator[Finding]:
    """The finding about free space, if the state folder is there."""
    found = gauge.look()
    if found is None:
        return
    free, floor = (f"{size / 1_000_000:.0f} MB" for size in (found.free, found.floor))
    if found.low:
        advice = f"Free some space, or see what can go: fleet gc. Starts wait until more than {floor} are free."
        yield Finding("disk", "wrong", f"only {free} are free for {found.path}: nothing new starts", advice)
    else:
        yield Finding("disk", "ok", f"{free} free for {found.path}; starts wait below {floor}")


# How a process of the same user can leave its run's process tree, or go round the daemon. What stands in the first
# column must exist for the way to be open; "" is always open.
ESCAPES: tuple[tuple[str, str], ...] = (
    ("", "open the database or the run folders directly: same user, same rights"),
    ("", "read the memory or environment of another process of this user (ptrace, /proc)"),
    ("", "write to a start-up file (.profile, .bashrc, git hooks) that a person's shell runs later"),
    ("systemd-run", "systemd-run --user starts a process outside the run's tree"),
    ("at", "at starts a process later, outside the run's tree"),
    ("crontab", "crontab starts a process later, outside the run's tree"),
    ("ssh", "ssh to this machine starts a process outside the run's tree"),
    ("docker", "docker starts a process as root, outside the run's tree"),
    ("dbus-send", "D-Bus activation starts a process outside the run's tree"),
    ("screen", "another terminal server of this user (screen, a tmux of yours) runs what it is sent"),
)


def escapes(env: Mapping[str, str]) -> list[str]:
    """The known ways round shared-uid mode that this machine offers, one line each."""
    return [text for program, text in ESCAPES if not program or shutil.which(program, path=env.get("PATH"))]


def _system() -> Finding:
    system = os.uname()
    if system.sysname == "Linux":
        return Finding("system", "ok", f"Linux {system.release}")
    return Finding("system", "wrong", system.sysname, "Only Linux can keep the promises about process trees so far.")


def _output(argv: list[str], env: Mapping[str, str]) -> str:
    """What a program says about its version; "" when it cannot be asked."""
    try:
        return process.run(argv, timeout=_PROBE_SECONDS, env=env).text.strip()
    except FleetError:
        return ""


def _version(name: str, said: str, advice: str) -> Finding:
    oldest = _OLDEST[name]
    found = _NUMBERS.search(said)
    if found is None:
        return Finding(name, "wrong", "not found", advice)
    numbers = tuple(int(part) for part in found.groups() if part)
    letter = said[found.end() :][:1]
    shown = found[0] + (letter if letter.isalpha() else "")
    if numbers < oldest:
        return Finding(name, "wrong", f"{shown} is older than {'.'.join(map(str, oldest))}", advice)
    return Finding(name, "ok", shown)


def _bytecode(env: Mapping[str, str]) -> Finding:
    """Without compiled bytecode every start compiles again, which costs several times a start."""
    cached = importlib.util.cache_from_source(entry.__file__)
    if Path(cached).exists():
        return Finding("bytecode", "ok", "compiled")
    command = f"{sys.executable} -m compileall -q {Path(entry.__file__).parents[1]}"
    why = " (PYTHONDONTWRITEBYTECODE is set)" if env.get("PYTHONDONTWRITEBYTECODE") else ""
    return Finding("bytecode", "warning", f"not compiled{why}: every start is slow", f"Run: {command}")
