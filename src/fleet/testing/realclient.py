"""The real Claude Code for tests: installed once into a folder that git ignores, exactly the pinned version.

It is never committed and never talks to anything but loopback: tests start it in a clean environment with a HOME of
its own and a scripted model. Where it cannot be had (no npm, no network), tests that need it are skipped and say so.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import sys
from pathlib import Path

from fleet.core.errors import FleetError
from fleet.process import run

PACKAGE = "@anthropic-ai/claude-code"
_SECONDS = 300.0
# What reaches npm: how the machine gets at packages, and nothing of a person's own.
_KEPT = ("PATH", "HOME", "LANG", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class Missing(Exception):
    """The client cannot be had here; the text says why."""


def real_client(folder: Path) -> Path:
    """The program, installed on first use. ``folder`` holds package.json and package-lock.json. Raises Missing."""
    wanted = json.loads((folder / "package.json").read_text("utf-8"))["dependencies"][PACKAGE]
    with open(folder / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes start at once
        program = _program(folder)
        if _version(program) != wanted:
            _install(folder)
        if _version(program) != wanted:
            raise Missing(f"{program} is not {PACKAGE} {wanted} after npm ci")
    return program


def _program(folder: Path) -> Path:
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return folder / "node_modules" / "@anthropic-ai" / f"claude-code-{sys.platform}-{machine}" / "claude"


def _version(program: Path) -> str:
    if not program.is_file():
        return ""
    try:
        done = run([program, "--version"], timeout=60, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}, cwd="/")
    except FleetError:
        return ""
    return done.text.split(" ", 1)[0].strip()


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Missing("there is no npm on this machine")
    env = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # the platform's package is the program itself: its parent's install script has nothing to add
    argv = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)]
    try:
        done = run(argv, timeout=_SECONDS, env=env, cwd=folder)
    except FleetError as error:
        raise Missing(f"npm ci: {error.message}") from error
    if not done.ok:
        raise Missing(f"npm ci failed: {done.error_text[-300:]}")
