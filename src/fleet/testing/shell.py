"""The ``fleet`` command as a person or a script runs it: a process of its own, words in, exit code and text out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet.process import Completed, run

_SECONDS = 240.0
_NOT_A_PERSONS = ("FLEET_SOCKET", "FLEET_CAPABILITY_FILE", "FLEET_RUN", "FLEET_DEBUG", "NO_COLOR", "FORCE_COLOR")


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs commands in one folder. ``more`` is added to this process's environment at the time of the call."""

    folder: Path
    more: Mapping[str, str]

    def fleet(self, *words: str | bytes, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Completed:
        """One command to its end; words that are bytes need not be UTF-8."""
        argv = [sys.executable, "-m", "fleet", *(os.fsdecode(word) for word in words)]
        return run(argv, timeout=_SECONDS, cwd=self.folder, env={**self._env(), **(env or {})}, stdin=stdin)

    def answer(self, *words: str) -> dict[str, Any]:
        """The object that a command prints with --json. Raises AssertionError when it fails."""
        done = self.fleet(*words, "--json")
        assert done.ok, f"fleet {' '.join(words)} ended with {done.code}: {done.text}{done.error_text}"
        return object_of(done)

    @contextmanager
    def up(self) -> Iterator[Shell]:
        """Its fleet is up for the body, and down afterwards."""
        self.answer("up")
        try:
            yield self
        finally:
            self.fleet("down")

    def _env(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in _NOT_A_PERSONS}
        return {**inherited, "COLUMNS": "100", "TZ": "UTC", **self.more}


def object_of(done: Completed) -> dict[str, Any]:
    """The one JSON object on standard output, with its schema version checked."""
    found = json.loads(done.text)
    assert isinstance(found, dict), done.text
    assert found["schema_version"] == 1, done.text
    return found
