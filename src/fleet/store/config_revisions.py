"""Configurations by number: what was meant to come into force, what did, when, by whom, and its text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.core.errors import NotFound
from fleet.store.db import Tx

KEPT = 50  # rows; the file is at most 1 MiB, usually a few KiB

_COLUMNS = "number, digest, before, actor, reason, changes, phase, at, accepted_at"


@dataclass(frozen=True, slots=True)
class Revision:
    """One row without its text. ``changes`` are lines for people; ``accepted_at`` is None until it is in force."""

    number: int
    digest: str
    before: str
    actor: str
    reason: str
    changes: tuple[str, ...]
    phase: str
    at: int
    accepted_at: int | None


def intend(
    tx: Tx,
    *,
    digest: str,
    before: str,
    actor: str,
    reason: str,
    changes: Sequence[str],
    body: bytes,
    roles: Mapping[str, bytes],
) -> int:
    """Keep a text that is about to come into force; returns its number. The oldest rows make room.

    ``roles`` are the files of the repository's own roles by name; they are UTF-8.
    """
    row = tx.one("SELECT max(number) FROM config_revisions")
    number = 1 + (int(row[0]) if row and row[0] is not None else 0)
    tx.run(
        "INSERT INTO config_revisions (number, digest, before, actor, reason, changes, phase, body, roles, at)"
        " VALUES (:number, :digest, :before, :actor, :reason, :changes, 'intended', :body, :roles, :now)",
        number=number,
        digest=digest,
        before=before,
        actor=actor,
        reason=reason,
        changes=json.dumps(list(changes)),
        body=body,
        roles=json.dumps({name: text.decode("utf-8") for name, text in roles.items()}),
        now=tx.now,
    )
    tx.run(
        "DELETE FROM config_revisions WHERE number <= :last AND number < coalesce("
        "(SELECT max(number) FROM config_revisions WHERE phase = 'accepted'), :last + 1)",
        last=number - KEPT,
    )
    return number


def accept(tx: Tx, number: int) -> None:
    """This one is in force now."""
    tx.run(
        "UPDATE config_revisions SET phase = 'accepted', accepted_at = :now"
        " WHERE number = :number AND phase = 'intended'",
        number=number,
        now=tx.now,
    )


def abandon(tx: Tx, number: int) -> None:
    """This one never came into force."""
    tx.run(
        "UPDATE config_revisions SET phase = 'abandoned' WHERE number = :number AND phase = 'intended'", number=number
    )


def intended(tx: Tx) -> list[Revision]:
    """Those whose outcome nobody has written yet: whoever meant them was interrupted. Oldest first."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM config_revisions WHERE phase = 'intended' ORDER BY number")
    return [_revision(row) for row in rows]


def accepted(tx: Tx, limit: int = KEPT) -> list[Revision]:
    """Those that are or were in force, newest first."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM config_revisions WHERE phase = 'accepted' ORDER BY number DESC LIMIT :limit",
        limit=limit,
    )
    return [_revision(row) for row in rows]


def newest(tx: Tx, limit: int = KEPT) -> list[Revision]:
    """All of them, newest first."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM config_revisions ORDER BY number DESC LIMIT :limit", limit=limit)
    return [_revision(row) for row in rows]


def text_of(tx: Tx, number: int) -> bytes:
    """The file's bytes of one revision. Raises NotFound FLT-CFG-108."""
    return _kept(tx, number)[0]


def roles_of(tx: Tx, number: int) -> dict[str, bytes]:
    """The files of the own roles of one revision, by name. Raises NotFound FLT-CFG-108."""
    found: dict[str, str] = json.loads(_kept(tx, number)[1])
    return {name: text.encode("utf-8") for name, text in found.items()}


def role_texts(tx: Tx) -> frozenset[tuple[str, bytes]]:
    """Every text that a file of an own role had in any revision that is kept, with the role's name."""
    rows = tx.all("SELECT DISTINCT roles FROM config_revisions")
    return frozenset((name, text.encode("utf-8")) for row in rows for name, text in json.loads(str(row[0])).items())


def _kept(tx: Tx, number: int) -> tuple[bytes, str]:
    row = tx.one("SELECT body, roles FROM config_revisions WHERE number = :number", number=number)
    if row is None:
        raise NotFound(
            "FLT-CFG-108", "no such revision", where=str(number), hint="fleet config revisions lists what is kept"
        )
    return bytes(row[0]), str(row[1])


def _revision(row: Sequence[object]) -> Revision:
    number, digest, before, actor, reason, changes, phase, at, accepted_at = row
    return Revision(
        number=int(str(number)),
        digest=str(digest),
        before=str(before),
        actor=str(actor),
        reason=str(reason),
        changes=tuple(json.loads(str(changes))),
        phase=str(phase),
        at=int(str(at)),
        accepted_at=int(str(accepted_at)) if accepted_at is not None else None,
    )
