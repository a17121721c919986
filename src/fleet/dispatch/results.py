"""What proves that a run did its work, whatever became of its process."""

from __future__ import annotations

from fleet.config.loader import LoadedConfig
from fleet.core.journal import Entry
from fleet.core.work import Run
from fleet.store import journal
from fleet.store.db import Tx
from fleet.store.journal import Filter


def result_of(tx: Tx, run: Run, loaded: LoadedConfig) -> Entry | None:
    """The event on record that proves it: one that its role expects, or one that its agent declares.

    A conflict at a head is told once, whoever finds it: told while the run lived, it answers that run too.
    """
    role, agent = loaded.roles.get(run.role), loaded.config.agent(run.agent)
    by_role = role.expected_after(run.event_type) if role is not None else ()
    for kind in (*by_role, *(agent.publishes if agent is not None else ())):
        found = journal.select(tx, Filter(type=kind, stream="event", run_id=run.id), limit=1)
        if found:
            return found[0]
    if "pr_conflict" not in by_role or not run.generation:
        return None
    told = journal.select(tx, Filter(type="pr_conflict", stream="event", subject=run.subject), limit=1000)
    return next((one for one in told if one.generation == run.generation and one.at >= run.queued_at), None)
