"""The demo's throw-away folder: a real repository, folders of its own, and the commands a person would type."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet import process
from fleet.cli.demo import story
from fleet.core.errors import FleetError

_COMMAND_SECONDS = 180.0  # longer than `fleet down` itself waits for runs and daemon, or it is cut off and they stay
_LONGEST_TMP = 40  # bytes; below it there must be room for a unix socket
_INHERITED = ("PATH", "TERM", "PYTHONPATH", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo plays. ``env`` is the whole environment of everything it starts."""

    folder: Path
    env: Mapping[str, str]

    @property
    def repo(self) -> Path:
        """The person's checkout."""
        return self.folder / story.NAME

    def fleet(self, *words: str) -> dict[str, Any]:
        """Run a fleet command with --json; its object. Raises FleetError FLT-CLI-020 with what it said."""
        done = process.run(
            [sys.executable, "-P", "-m", "fleet", *words, "--json"],
            timeout=_COMMAND_SECONDS,
            cwd=self.repo,
            env=self.env,
        )
        try:
            answer = json.loads(done.text)
        except ValueError:
            answer = {}
        if not done.ok or not isinstance(answer, dict):
            error = answer.get("error", {}) if isinstance(answer, dict) else {}
            said = str(error.get("message", "")) or done.error_text or done.text.strip()
            raise FleetError(
                "FLT-CLI-020",
                f"`fleet {' '.join(words)}` ended with exit code {done.code}: {said}",
                where=str(self.folder),
            )
        return answer

    def git(self, *words: str) -> str:
        """Run git in the checkout; what it printed. Raises FleetError FLT-CLI-020."""
        done = process.run(["git", *words], timeout=_COMMAND_SECONDS, cwd=self.repo, env=self.env)
        if not done.ok:
            raise FleetError("FLT-CLI-020", f"`git {words[0]}` failed: {done.error_text}", where=str(self.repo))
        return done.text.rstrip()

    def tests(self) -> tuple[bool, str]:
        """Run the program's own tests in the checkout: whether they pass, and their last line."""
        done = process.run(
            [sys.executable, "-B", "-m", "unittest"], timeout=_COMMAND_SECONDS, cwd=self.repo, env=self.env
        )
        lines = done.error_text.splitlines() or ["no output"]
        return done.ok, lines[-1]

    def remove(self) -> None:
        """Take the folder away."""
        shutil.rmtree(self.folder, ignore_errors=True)


def build(env: Mapping[str, str], files: Mapping[str, str] = story.FILES) -> Stage:
    """Make the folder and the repository with these files in it. Nothing outside the folder is read or written."""
    tmp = env.get("TMPDIR") or "/tmp"
    folder = Path(tempfile.mkdtemp(prefix="fleet-demo-", dir=tmp if len(os.fsencode(tmp)) <= _LONGEST_TMP else "/tmp"))
    stage = Stage(folder, _environment(folder, env))
    try:
        _furnish(stage, files)
    except FleetError:
        stage.remove()
        raise
    return stage


def _furnish(stage: Stage, files: Mapping[str, str]) -> None:
    for name in ("home", "state", "run"):
        (stage.folder / name).mkdir(mode=0o700)
    for name, text in files.items():
        path = stage.repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    stage.git("init", "--quiet", "--initial-branch=main")
    stage.git("config", "user.name", "You")
    stage.git("config", "user.email", "you@example.invalid")
    stage.git("add", "--all")
    stage.git("commit", "--quiet", "-m", "A small program, its tests, and a fleet")
    (stage.folder / "env").write_text(_look_around(stage), encoding="utf-8")


def _environment(folder: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the user's but the way to programs."""
    return {
        **{name: env[name] for name in _INHERITED if env.get(name)},
        "HOME": str(folder / "home"),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "XDG_CONFIG_HOME": str(folder / "home" / ".config"),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }


def _look_around(stage: Stage) -> str:
    """A file to source, after which ``fleet`` speaks of the demo."""
    return (
        f"export XDG_STATE_HOME={shlex.quote(stage.env['XDG_STATE_HOME'])}\n"
        f"export XDG_RUNTIME_DIR={shlex.quote(stage.env['XDG_RUNTIME_DIR'])}\n"
        f"cd {shlex.quote(str(stage.repo))}\n"
    )
