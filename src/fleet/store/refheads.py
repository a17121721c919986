"""Where branches of the fleet's repository were when they were last explained, and movements that nobody explains."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.store.db import Tx
from fleet.store.dialect import Row

_ALARM = "entry_id, ref, old_sha, new_sha, holds, text, found_at, answer"


@dataclass(frozen=True, slots=True)
class Alarm:
    """A movement without an entry. ``holds``: no merge until a person answers; ``answer`` names that entry."""

    entry_id: str
    ref: str
    old_sha: str
    new_sha: str
    holds: bool
    text: str
    found_at: int
    answer: str


def heads(tx: Tx) -> dict[str, str]:
    """Ref -> the commit it was last seen at."""
    return {ref: sha for ref, sha in tx.all("SELECT ref, sha FROM ref_heads")}


def set_head(tx: Tx, ref: str, sha: str, entry_seq: int) -> None:
    """A ref is at ``sha`` ("" = gone), explained or reported by an entry."""
    if not sha:
        tx.run("DELETE FROM ref_heads WHERE ref = :ref", ref=ref)
        return
    tx.run(
        "INSERT INTO ref_heads (ref, sha, entry_seq, seen_at) VALUES (:ref, :sha, :seq, :now) ON CONFLICT (ref)"
        " DO UPDATE SET sha = excluded.sha, entry_seq = excluded.entry_seq, seen_at = excluded.seen_at",
        ref=ref,
        sha=sha,
        seq=entry_seq,
        now=tx.now,
    )


def raise_alarm(tx: Tx, alarm: Alarm) -> None:
    """Keep a movement that nobody explains."""
    tx.run(
        f"INSERT INTO ref_alarms ({_ALARM}) VALUES (:entry, :ref, :old, :new, :holds, :text, :found, '')",
        entry=alarm.entry_id,
        ref=alarm.ref,
        old=alarm.old_sha,
        new=alarm.new_sha,
        holds=int(alarm.holds),
        text=alarm.text,
        found=alarm.found_at,
    )


def open_alarms(tx: Tx, *, holding: bool = False) -> list[Alarm]:
    """Movements that nobody has answered, oldest first; with ``holding`` only those that hold merges."""
    rows = tx.all(
        f"SELECT {_ALARM} FROM ref_alarms WHERE answer = '' AND holds >= :least ORDER BY found_at, entry_id",
        least=int(holding),
    )
    return [_alarm(row) for row in rows]


def answer_alarm(tx: Tx, entry_id: str, answer: str) -> None:
    """A person said what it was, in the entry ``answer``."""
    tx.run("UPDATE ref_alarms SET answer = :answer WHERE entry_id = :id", id=entry_id, answer=answer)


def _alarm(row: Row) -> Alarm:
    return Alarm(row[0], row[1], row[2], row[3], bool(row[4]), row[5], row[6], row[7])
