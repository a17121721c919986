"""Names that exist in a fleet, read from the store as it lies: for shell completion, which cannot wait for a daemon."""

from __future__ import annotations

from fleet.config.paths import FleetPaths
from fleet.store import agents, forge_local, runs
from fleet.store.db import Tx
from fleet.store.open import open_read_only

RECENT = 50  # closed tickets, ended runs


def names(paths: FleetPaths, kind: str) -> list[tuple[str, str]]:
    """(name, what it is) of all agents, tickets, pulls or runs; texts are as people wrote them.

    Raises KeyError for another kind, and what the store raises; an empty list where there is no store.
    """
    read = _READERS[kind]
    if not paths.database.exists():
        return []
    db = open_read_only(paths.database)
    try:
        return db.read(read)
    finally:
        db.close()


def _agents(tx: Tx) -> list[tuple[str, str]]:
    return [(row.name, f"{row.role}, {row.state}") for row in agents.every(tx)]


def _tickets(tx: Tx) -> list[tuple[str, str]]:
    return [(f"ticket/{row.number}", row.title) for row in forge_local.tickets(tx, recent=RECENT)]


def _pulls(tx: Tx) -> list[tuple[str, str]]:
    return [(f"pr/{row.number}", row.title) for row in forge_local.pulls(tx, recent=RECENT)]


def _runs(tx: Tx) -> list[tuple[str, str]]:
    return [(run.id, f"{run.agent} on {run.subject}, {run.state}") for run in runs.recent(tx, limit=RECENT)]


_READERS = {"agents": _agents, "tickets": _tickets, "pulls": _pulls, "runs": _runs}
