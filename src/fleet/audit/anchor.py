"""Checkpoints in a file outside the store: one line each, only ever appended to.

What the store says can be compared with it, so that cutting the journal's tail together with its checkpoints
shows. It is worth as much as the place it lies in: another disk, a mount that only grows.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fleet.audit.statement import canonical, parsed
from fleet.core.errors import TemporaryError
from fleet.store.audits import CheckpointRow


@dataclass(frozen=True, slots=True)
class Line:
    """One anchored checkpoint, as it was written."""

    number: int
    statement: str
    signature: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """What an anchor file holds; ``torn`` counts lines that cannot be read (a crash cut one short)."""

    lines: tuple[Line, ...]
    torn: int


def read_anchor(path: Path) -> Anchor:
    """Every line of an anchor; an empty one for no file. Raises TemporaryError FLT-AUD-006 if it cannot be read."""
    try:
        text = path.read_text("ascii", "replace")
    except FileNotFoundError:
        return Anchor((), 0)
    except OSError as error:
        raise _unusable(path, "read", error) from error
    found = [_line(line) for line in text.split("\n") if line]
    lines = tuple(line for line in found if line is not None)
    return Anchor(lines, len(found) - len(lines))


def _line(text: str) -> Line | None:
    facts = parsed(text)
    if facts is None or set(facts) != {"statement", "signature"}:
        return None
    statement, signature = str(facts["statement"]), str(facts["signature"])
    inner = parsed(statement)
    number = inner.get("number") if inner is not None else None
    return Line(number, statement, signature) if isinstance(number, int) else None


def append(path: Path, rows: Iterable[CheckpointRow]) -> None:
    """Add checkpoints; on the disk when this returns. Raises TemporaryError FLT-AUD-006."""
    text = "".join(canonical({"statement": row.statement, "signature": row.signature}) + "\n" for row in rows)
    if not text:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                text = "\n" + text  # a crash cut the last line short
            os.write(descriptor, text.encode("ascii"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unusable(path, "written", error) from error


def _unusable(path: Path, verb: str, error: OSError) -> TemporaryError:
    return TemporaryError(
        "FLT-AUD-006",
        f"the anchor cannot be {verb}: {error.strerror or error}",
        where=str(path),
        hint="Mend the place, or name another one with audit.anchor.",
        retry_after=5.0,
    )
