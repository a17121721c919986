"""Small facts a service keeps between ticks: reading positions, single values, and what the watcher saw last."""

from __future__ import annotations

import json

from fleet.store.db import Tx


def position(tx: Tx, name: str) -> int:
    """How far a reader has come; 0 at first."""
    row = tx.one("SELECT position FROM cursors WHERE name = :name", name=name)
    return int(row[0]) if row else 0


def advance(tx: Tx, name: str, to: int) -> None:
    """Move a reader forward; never back."""
    tx.run(
        "INSERT INTO cursors (name, position) VALUES (:name, :to)"
        " ON CONFLICT (name) DO UPDATE SET position = max(position, excluded.position)",
        name=name,
        to=to,
    )


def value(tx: Tx, key: str) -> str:
    """A stored value; empty when unset."""
    row = tx.one("SELECT value FROM meta WHERE key = :key", key=key)
    return str(row[0]) if row else ""


def set_value(tx: Tx, key: str, text: str) -> None:
    """Store a value."""
    tx.run(
        "INSERT INTO meta (key, value) VALUES (:key, :text) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        key=key,
        text=text,
    )


def seen(tx: Tx) -> dict[str, dict[str, object]]:
    """What the watcher saw last, by subject."""
    return {subject: json.loads(facts) for subject, facts in tx.all("SELECT subject, facts FROM forge_seen")}


def set_seen(tx: Tx, subject: str, facts: dict[str, object]) -> None:
    """Remember what the watcher saw of one subject."""
    tx.run(
        "INSERT INTO forge_seen (subject, facts) VALUES (:subject, :facts)"
        " ON CONFLICT (subject) DO UPDATE SET facts = excluded.facts",
        subject=subject,
        facts=json.dumps(facts, sort_keys=True),
    )
