"""Write a part of the journal into a file that others can check: JSON lines byte for byte, or CSV and CEF to read.

Takes one snapshot and memory for one batch. The file appears whole, or not at all: it is written beside its
place, synced, and renamed. Only JSON lines without a filter carry the proof.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from fleet.audit.keys import Signer, sync_folder
from fleet.audit.statement import canonical
from fleet.core.errors import Conflict, PermanentError
from fleet.core.journal import GENESIS, Entry, sealed_columns
from fleet.store import audits, journal
from fleet.store.db import Tx
from fleet.store.journal import Filter

FORMAT = "fleet-export-1"
_COLUMNS = (
    "seq", "id", "writer", "stream", "type", "kind", "actor", "subject", "generation", "work_item", "agent", "run_id",
    "cause_id", "dedup_key", "summary", "at", "payload_hash",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would execute

Raw = tuple[Entry, bytes | None, bytes | None]


@dataclass(frozen=True, slots=True)
class Range:
    """Which entries: past ``after`` (whose hash is ``after_hash``), up to ``last``, and those that fit ``wanted``.

    ``until`` is an instant in microseconds, 0 for none. ``erased_later``: entries whose payload an entry past
    ``last`` says was erased.
    """

    after: int = 0
    after_hash: str = GENESIS
    last: int = 1 << 62
    wanted: Filter = field(default_factory=Filter)
    until: int = 0

    @property
    def whole(self) -> bool:
        """True when nothing is left out."""
        return self.wanted == Filter() and not self.until


@dataclass(frozen=True, slots=True)
class Written:
    """What a file holds."""

    entries: int
    first: int
    last: int
    head: str
    checkpoints: int
    sha256: str
    signed: bool
    whole: bool


class _Out:
    """A stream that counts and hashes what goes through it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def put(self, text: str) -> None:
        """One piece of ASCII or UTF-8 text."""
        data = text.encode("utf-8", "surrogateescape")
        self.digest.update(data)
        self._file.write(data)

    def row(self, value: dict[str, object]) -> None:
        """One JSON line in its one form."""
        self.put(canonical(value) + "\n")


def export(tx: Tx, file: BinaryIO, part: Range, *, form: str, fleet: str, signer: Signer | None) -> Written:
    """Write the entries of a range, as "jsonl", "csv" or "cef"; a ``signer`` signs the end of JSON lines."""
    out = _Out(file)
    write = {"jsonl": _jsonl, "csv": _csv, "cef": _cef}[form]
    return write(tx, out, part, fleet, signer)


def _rows(tx: Tx, part: Range) -> Iterator[Raw]:
    """The raw entries of a range."""
    for entry, salt, body in journal.walk(tx, after=part.after, wanted=part.wanted):
        if entry.seq > part.last:
            return
        if not part.until or entry.at < part.until:
            yield entry, salt, body


def _jsonl(tx: Tx, out: _Out, part: Range, fleet: str, signer: Signer | None) -> Written:
    keys = [
        {"statement": row.statement, "signed_by_new": row.signed_by_new, "signed_by_old": row.signed_by_old}
        for row in audits.keys(tx)
    ]
    header = {
        "record": "header",
        "format": FORMAT,
        "fleet": fleet,
        "made_at": tx.now,
        "whole": part.whole,
        "after": part.after,
        "after_hash": part.after_hash,
        "filter": {name: value for name, value in {**asdict(part.wanted), "until": part.until}.items() if value},
        "keys": keys,
        "erased_later": sorted(journal.erased_after(tx, part.last)),
    }
    out.row(header)
    count, first, last, head = 0, 0, part.after, part.after_hash
    for entry, salt, body in _rows(tx, part):
        out.row(entry_record(entry, salt, body))
        count, first, last, head = count + 1, first or entry.seq, entry.seq, entry.hash
    points = _points(tx, part, last) if part.whole else []
    for row in points:
        out.row({"record": "checkpoint", "statement": row.statement, "signature": row.signature})
    trailer: dict[str, object] = {
        "record": "trailer",
        "format": FORMAT,
        "fleet": fleet,
        "entries": count,
        "head": [last, head],
        "checkpoints": len(points),
        "sha256": out.digest.hexdigest(),
        "key": signer.id if signer is not None else "",
    }
    signature = signer.sign(canonical(trailer)) if signer is not None else ""
    out.row({**trailer, "signature": signature})
    return Written(count, first, last, head, len(points), out.digest.hexdigest(), signer is not None, part.whole)


def _points(tx: Tx, part: Range, last: int) -> list[audits.CheckpointRow]:
    """Checkpoints that saw an entry of the range."""
    return [row for row in audits.checkpoints(tx) if part.after < row.seq <= last]


def entry_record(entry: Entry, salt: bytes | None, body: bytes | None) -> dict[str, object]:
    """An entry with everything its proof needs; payload bytes as text that encodes back to the same bytes."""
    return {
        "record": "entry",
        **dict(zip(_COLUMNS, sealed_columns(entry), strict=True)),
        "prev_hash": entry.prev_hash,
        "hash": entry.hash,
        "salt": salt.hex() if salt is not None else None,
        "payload": body.decode("utf-8", "surrogateescape") if body is not None else None,
    }


def _csv(tx: Tx, out: _Out, part: Range, fleet: str, signer: Signer | None) -> Written:
    """For spreadsheets. Cells that would be executed there begin with an apostrophe; no proof survives that."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")

    def line(cells: Iterable[object]) -> None:
        writer.writerow([_cell(value) for value in cells])
        out.put(buffer.getvalue())
        buffer.seek(0)
        buffer.truncate()

    line((*_COLUMNS, "hash", "payload"))

    def each(entry: Entry, body: bytes | None) -> None:
        line((*sealed_columns(entry), entry.hash, body.decode("utf-8", "backslashreplace") if body else ""))

    return _plain(tx, out, part, each)


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _cef(tx: Tx, out: _Out, part: Range, fleet: str, signer: Signer | None) -> Written:
    """Lines of the Common Event Format, for log collectors."""

    def each(entry: Entry, body: bytes | None) -> None:
        facts = {
            "rt": entry.at // 1000,
            "externalId": entry.id,
            "suser": entry.actor,
            "msg": entry.summary,
            "cs1Label": "subject",
            "cs1": entry.subject,
            "cs2Label": "run",
            "cs2": entry.run_id,
            "cs3Label": "hash",
            "cs3": entry.hash,
            "cn1Label": "seq",
            "cn1": entry.seq,
        }
        extension = " ".join(f"{name}={_cef_value(value)}" for name, value in facts.items() if value != "")
        severity = {"decision": 5, "event": 3}.get(str(entry.stream), 1)
        name = _cef_head(entry.summary or entry.type)
        out.put(f"CEF:0|Fleet|fleet|1|{_cef_head(entry.type)}|{name}|{severity}|{extension}\n")

    return _plain(tx, out, part, each)


def _cef_head(text: str) -> str:
    return _cef_line(text).replace("\\", "\\\\").replace("|", "\\|")


def _cef_value(value: object) -> str:
    return _cef_line(str(value)).replace("\\", "\\\\").replace("=", "\\=")


def _cef_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _plain(tx: Tx, out: _Out, part: Range, each: Callable[[Entry, bytes | None], None]) -> Written:
    """The walk of the formats that carry no proof."""
    count, first, last, head = 0, 0, 0, ""
    for entry, _, body in _rows(tx, part):
        each(entry, body)
        count, first, last, head = count + 1, first or entry.seq, entry.seq, entry.hash
    return Written(count, first, last, head, 0, out.digest.hexdigest(), signed=False, whole=False)


def write_whole(path: Path, fill: Callable[[BinaryIO], Written]) -> Written:
    """Fill a new file beside its place, sync it, and give it its name; only its owner reads it.

    Raises Conflict FLT-AUD-011 when the name is taken, PermanentError FLT-AUD-012 when it cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    if path.exists():
        raise Conflict("FLT-AUD-011", "this file is there already", where=str(path), hint="Name another one.")
    try:
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            written = fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, path)  # unlike a rename it never replaces what somebody put there meanwhile
        partial.unlink()
        sync_folder(path.parent)
    except FileExistsError as error:
        raise Conflict(
            "FLT-AUD-011", "this file is there already", where=str(path), hint="Name another one."
        ) from error
    except OSError as error:
        partial.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise PermanentError("FLT-AUD-012", f"the file cannot be written: {reason}", where=str(path)) from error
    return written
