"""What proves that a run did its work, whatever became of its process."""

from __future__ import annotations

from fleet.config.loader import LoadedConfig
from fleet.core.journal import Entry
from fleet.core.work import Run
from fleet.store import journal
from fleet.store.db import Tx
from fleet.store.journal import Filter


def result_of(tx: Tx, run: Run, loaded: LoadedConfig) -> Entry | None:
    """The event on record that proves it: one that its role expects, or one that its agent declares."""
    role, agent = loaded.roles.get(run.role), loaded.config.agent(run.agent)
    by_role = role.expected_after(run.event_type) if role is not None else ()
    for kind in (*by_role, *(agent.publishes if agent is not None else ())):
        found = journal.select(tx, Filter(type=kind, stream="event", run_id=run.id), limit=1)
        if found:
            return found[0]
    return None
