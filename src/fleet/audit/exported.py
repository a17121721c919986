"""Read an export back and judge it with the program's own chain. The stand-alone verifier does the same by itself.

Two implementations that share no code must give the same answer; a test compares them over thousands of changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fleet.audit.chain import verify
from fleet.audit.export import FORMAT
from fleet.audit.keys import is_signed
from fleet.audit.statement import CHECKPOINT_FORMAT, KEY_FORMAT, canonical, key_id_of, link_of, parsed
from fleet.core.errors import IntegrityError
from fleet.core.journal import GENESIS, Entry

_TEXT = (
    "id", "writer", "stream", "type", "kind", "actor", "subject", "generation", "work_item", "agent", "run_id",
    "cause_id", "summary", "payload_hash", "prev_hash", "hash",
)  # fmt: skip
_FIELDS = {
    "header": {
        "record",
        "format",
        "fleet",
        "made_at",
        "whole",
        "after",
        "after_hash",
        "filter",
        "keys",
        "erased_later",
    },
    "entry": {"record", "seq", "at", "dedup_key", "salt", "payload", *_TEXT},
    "checkpoint": {"record", "statement", "signature"},
    "trailer": {"record", "format", "fleet", "entries", "head", "checkpoints", "sha256", "key", "signature"},
}
_ORDER = ("header", "entry", "checkpoint", "trailer")


@dataclass
class Pieces:
    """What has been read of the journal so far, over one file or several in their order."""

    pinned: str = ""
    fleet: str = ""
    seq: int = 0
    hash: str = GENESIS
    entries: int = 0
    hashes: dict[int, str] = field(default_factory=dict)
    publics: dict[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)
    point: tuple[int, str] = (0, "")


def verify_files(paths: Iterable[Path], *, pinned: str = "") -> Pieces:
    """Check exports or archives as one journal. Raises IntegrityError FLT-AUD-013 with the first fault."""
    pieces = Pieces(pinned)
    for path in paths:
        _verify_file(path, pieces)
    unexplained = pieces.missing - pieces.erased - pieces.later
    if unexplained:
        raise _bad("", 0, f"{sorted(unexplained)[0]} lost its payload, and no entry says that it was erased")
    return pieces


def entries_of(path: Path) -> Iterator[Entry]:
    """The entries of an export whose bytes are known to be what was written, with their payloads; nothing is verified.

    Raises IntegrityError FLT-AUD-013 for a line that is none of an export.
    """
    for number, _, row in _lines(path):
        if row["record"] == "entry":
            entry = Entry(**{name: row[name] for name in (*_TEXT, "seq", "at", "dedup_key")})
            yield replace(entry, payload=_payload(path, number, row["payload"]))


def _payload(path: Path, number: int, body: object) -> dict[str, object] | None:
    found: dict[str, object] | None = None if body is None else parsed(str(body))
    if body is not None and found is None:
        raise _bad(path, number, "a payload is malformed")
    return found


def _bad(path: object, line: int, what: str) -> IntegrityError:
    where = f"{path}:{line}" if line else str(path)
    return IntegrityError("FLT-AUD-013", f"the file is not what was written: {what}", where=where)


def _verify_file(path: Path, pieces: Pieces) -> None:
    digest, rank = hashlib.sha256(), -1
    entries = points = 0
    for number, raw, row in _lines(path):
        now = _ORDER.index(row["record"])
        if now < rank or (now == rank and now in (0, 3)) or (rank == -1 and now != 0):
            raise _bad(path, number, "its lines are out of order")
        rank = now
        if now == 0:
            what = _header(row, pieces)
        elif now == 1:
            what, entries = _entry(row, pieces), entries + 1
        elif now == 2:
            what, points = _point(row, pieces), points + 1
        else:
            what = _trailer(row, pieces, digest.hexdigest(), entries, points)
        if what:
            raise _bad(path, number, what)
        digest.update(raw)
    if rank != 3:
        raise _bad(path, 0, "its end is missing")


def _lines(path: Path) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            text = raw[:-1].decode("ascii", "replace") if raw.endswith(b"\n") else ""
            row: dict[str, Any] | None = parsed(text)
            kind = row.get("record") if row is not None else None
            if row is None or not isinstance(kind, str) or row.keys() != _FIELDS.get(kind, set()):
                raise _bad(path, number, "a line is not in the form that an export has")
            yield number, raw, row


def _header(row: dict[str, Any], pieces: Pieces) -> str:
    after, digest = row["after"], row["after_hash"]
    if row["format"] != FORMAT or row["whole"] is not True:
        return "it is filtered, or of another format, and carries no proof"
    if not isinstance(row["fleet"], str) or not _is_count(after) or not isinstance(digest, str):
        return "its first line is malformed"
    if (after == 0 and digest != GENESIS) or (
        pieces.fleet and (row["fleet"], after, digest) != (pieces.fleet, pieces.seq, pieces.hash)
    ):
        return "it does not continue what comes before it"
    later = row["erased_later"]
    if not isinstance(later, list) or not all(isinstance(name, str) for name in later):
        return "its first line is malformed"
    pieces.fleet, pieces.seq, pieces.hash = row["fleet"], after, digest
    pieces.later |= set(later)
    return _keys(row["keys"], pieces)


def _keys(rows: object, pieces: Pieces) -> str:
    """Fill the keys that count: all, or those in one line of trust with the pinned one."""
    if not isinstance(rows, list):
        return "its keys are malformed"
    lines: list[dict[str, str]] = [{}]
    name = public = ""
    for row in rows:
        what, facts = _key(row, pieces.fleet)
        if what:
            return what
        if facts["replaces"] != name:
            return "a key does not follow the one before it"
        if name and facts["lost"]:
            lines.append({})
        elif name and not is_signed(public, row["statement"], row["signed_by_old"]):
            return "a key is not signed by the one before it"
        name, public = facts["key"], facts["public"]
        lines[-1][name] = public
    chosen = [line for line in lines if not pieces.pinned or pieces.pinned in line.values()]
    if pieces.pinned and not chosen:
        return "the given key never signed for this fleet"
    pieces.publics = {key: value for line in chosen for key, value in line.items()}
    return ""


def _key(row: object, fleet: str) -> tuple[str, dict[str, Any]]:
    names = {"statement", "signed_by_new", "signed_by_old"}
    if not isinstance(row, dict) or row.keys() != names or not all(isinstance(text, str) for text in row.values()):
        return "a key is malformed", {}
    facts: dict[str, Any] | None = parsed(row["statement"])
    if facts is None or facts.keys() != {"format", "fleet", "key", "public", "replaces", "lost", "reason", "at"}:
        return "a key is malformed", {}
    public = facts["public"]
    if facts["format"] != KEY_FORMAT or facts["fleet"] != fleet or not isinstance(public, str):
        return "a key is of another kind or fleet", {}
    if not is_signed(public, row["statement"], row["signed_by_new"]) or facts["key"] != key_id_of(public):
        return "a key does not vouch for itself", {}
    return "", facts


def _entry(row: dict[str, Any], pieces: Pieces) -> str:
    texts = all(isinstance(row[name], str) for name in _TEXT)
    dedup = row["dedup_key"] is None or isinstance(row["dedup_key"], str)
    if not texts or not dedup or type(row["seq"]) is not int or type(row["at"]) is not int:
        return "a column has the wrong type"
    salt, body = row["salt"], row["payload"]
    try:
        raw = None if salt is None and body is None else (bytes.fromhex(salt), body.encode("utf-8", "surrogateescape"))
    except (TypeError, AttributeError, ValueError):
        return "a payload is malformed"
    if raw is not None and raw[0].hex() != salt:
        return "a payload is malformed"
    entry = Entry(**{name: row[name] for name in (*_TEXT, "seq", "at", "dedup_key")})
    erasures = frozenset({entry.id}) if raw is None else frozenset[str]()  # whether one did it, the end of all tells
    found = verify([(entry, *(raw or (None, None)))], erasures=erasures, after=pieces.seq, prev_hash=pieces.hash)
    if found.fault is not None:
        return f"entry {entry.seq} {found.fault.what}"
    if raw is None:
        pieces.missing.add(entry.id)
    if (entry.type, entry.stream) == ("payload.erased", "decision"):
        pieces.erased.add(entry.cause_id)
    pieces.seq, pieces.hash = entry.seq, entry.hash
    pieces.hashes[entry.seq] = entry.hash
    pieces.entries += 1
    return ""


def _point(row: dict[str, Any], pieces: Pieces) -> str:
    if not isinstance(row["statement"], str) or not isinstance(row["signature"], str):
        return "a checkpoint is malformed"
    facts: dict[str, Any] | None = parsed(row["statement"])
    names = {"format", "fleet", "number", "heads", "entries", "previous", "key", "at"}
    if facts is None or facts.keys() != names or not _is_count(facts["number"]):
        return "a checkpoint is malformed"
    if facts["format"] != CHECKPOINT_FORMAT or facts["fleet"] != pieces.fleet:
        return "a checkpoint is of another kind or fleet"
    number, link = pieces.point
    if number and (facts["number"], facts["previous"]) != (number + 1, link):
        return "a checkpoint does not follow the one before it"
    if not is_signed(pieces.publics.get(str(facts["key"]), ""), row["statement"], row["signature"]):
        return "a checkpoint is forged: no key that counts signed it"
    heads = facts["heads"]
    seen = heads.get("local") if isinstance(heads, dict) and len(heads) == 1 else None
    if not isinstance(seen, list) or len(seen) != 2 or type(seen[0]) is not int:
        return "a checkpoint is malformed"
    if pieces.hashes.get(seen[0]) != seen[1]:
        return f"a checkpoint saw entry {seen[0]} with another content"
    pieces.point = (facts["number"], link_of(row["statement"], row["signature"]))
    return ""


def _trailer(row: dict[str, Any], pieces: Pieces, digest: str, entries: int, points: int) -> str:
    told = [row["format"], row["fleet"], row["entries"], row["head"], row["checkpoints"], row["sha256"]]
    due = [FORMAT, pieces.fleet, entries, [pieces.seq, pieces.hash], points, digest]
    if told != due or [type(one) for one in told] != [type(one) for one in due]:
        return "its last line does not match what comes before it"
    if row["key"] == "" and row["signature"] == "":
        return "nobody signed what it says about erased payloads" if pieces.later else ""
    statement = canonical({name: value for name, value in row.items() if name != "signature"})
    if not is_signed(pieces.publics.get(str(row["key"]), ""), statement, str(row["signature"])):
        return "its end is forged: no key that counts signed it"
    return ""


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0
