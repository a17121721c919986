"""How far an event is from its first cause: the starts of agents that led to it, one from the other.

A person begins at nothing. What an agent's run says is one further than the run. What the forge or a component
says about a piece of work is as far as the newest word of an agent or a person about it; work that comes back is
where it was.
"""

from __future__ import annotations

from fleet.core.errors import NotFound
from fleet.core.journal import Entry
from fleet.store import journal, runs
from fleet.store.db import Tx

_LOOKED_AT = 50  # entries about one piece of work among which the newest word is looked for


def hops_of(tx: Tx, event: Entry) -> int:
    """The hops of one event."""
    own = _of_speaker(tx, event)
    if own is not None:
        return own
    payload = event.payload or {}
    if event.type == "work_returned" and isinstance(payload.get("run"), str):
        return _of_run(tx, str(payload["run"]))
    if not event.work_item:
        return 0
    wanted = journal.Filter(stream="event", work_item=event.work_item)
    for entry in reversed(journal.select(tx, wanted, limit=_LOOKED_AT, newest=True)):
        found = _of_speaker(tx, entry) if entry.seq < event.seq else None
        if found is not None:
            return found
    return 0


def _of_speaker(tx: Tx, event: Entry) -> int | None:
    """By who said it; None for the forge and components."""
    if event.actor.startswith("human:"):
        return 0
    if event.actor.startswith("agent:"):
        return _of_run(tx, event.run_id) + 1
    return None


def _of_run(tx: Tx, run_id: str) -> int:
    try:
        return runs.get(tx, run_id).hops if run_id else 0
    except NotFound:
        return 0
