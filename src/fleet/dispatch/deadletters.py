"""Dead letters: what was given up, its attempts, whether it could be taken up again. Judged, nothing changed here.

A dead letter is an entry of the journal. What a person did about it is an entry too, whose dedup key names the
first one: so it is done once, and nothing has to be kept beside the record.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.config.loader import LoadedConfig
from fleet.core.decision import Verdict
from fleet.core.errors import NotFound
from fleet.core.journal import Entry
from fleet.core.work import DeliveryState, Run
from fleet.dispatch.cancelled import cancelled
from fleet.dispatch.facts import agent_facts, pull_facts, root_event, ticket_facts
from fleet.dispatch.glance import Look
from fleet.dispatch.results import result_of
from fleet.policy.facts import WorkFacts
from fleet.policy.freshness import still_wanted
from fleet.store import deliveries, journal, runs
from fleet.store.db import Tx

_ENDS = ("ticket_shipped", "pr_merged", "pr_closed", "ticket.cancelled", "ticket.closed")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Work that was given up. ``root`` is the event that first asked for it, "" where nobody can tell any more."""

    entry: Entry
    root: str
    event_type: str

    @property
    def key(self) -> str:
        """The dedup key of what is done about it."""
        return resolved_key(self.entry.id)


def resolved_key(entry_id: str) -> str:
    """The dedup key of the entry that says what a person did about a dead letter."""
    return f"dead_letter:{entry_id}"


def read(tx: Tx, entry: Entry) -> DeadLetter:
    """A dead letter from its entry."""
    payload = entry.payload or {}
    asked = payload.get("of") or payload.get("event")
    event_type = payload.get("event_type")
    try:
        root = root_event(tx, str(asked)).id if asked and event_type and entry.agent else ""
    except NotFound:
        root = ""  # so old that it is in an archive
    return DeadLetter(entry, root, str(event_type or ""))


def attempts(tx: Tx, dead: DeadLetter) -> list[Run]:
    """Every run that tried it before it was given up, oldest first."""
    return [
        run
        for run in runs.for_work_item(tx, dead.entry.work_item)
        if run.agent == dead.entry.agent and run.event_id == dead.root and run.queued_at <= dead.entry.at
    ]


def resolution(tx: Tx, dead: DeadLetter) -> Entry | None:
    """What a person did about it; None while nobody did anything."""
    found = journal.find_dedup(tx, dead.key)
    return journal.get(tx, found.id) if found is not None else None


def settled_since(tx: Tx, dead: Entry) -> bool:
    """Whether the same work was taken up again, or came to its end, after it was given up."""
    if not dead.work_item:
        return False
    later = [one for one in deliveries.for_work_item(tx, dead.work_item) if one.event_seq > dead.seq]
    if any(one.agent == dead.agent and one.state is DeliveryState.DISPATCHED for one in later):
        return True
    item = dead.work_item
    narrow = [journal.Filter(type=end, subject=item, work_item=item, after=dead.seq) for end in _ENDS]
    return any(journal.select(tx, wanted, limit=1) for wanted in narrow)


def why_not(tx: Tx, dead: DeadLetter, seen: Look, loaded: LoadedConfig) -> str:
    """Why it cannot be taken up again as things stand; "" when it can. ``seen`` is the live state of its subject."""
    entry = dead.entry
    if not dead.root:
        return "nobody can tell any more what was to be started"
    if loaded.config.agent(entry.agent) is None:
        return f"{entry.agent} is no longer in the configuration"
    tried = attempts(tx, dead)
    proof = result_of(tx, tried[-1], loaded) if tried else None
    if proof is not None:
        return f"its result is on record: {proof.type}"
    seq, words = cancelled(tx, entry.work_item)
    work = WorkFacts(
        dead.event_type,
        journal.get(tx, dead.root).seq,
        entry.subject,
        entry.generation,
        1,
        returned=True,
        cancelled_seq=seq,
        cancelled=words,
    )
    agent = agent_facts(tx, entry.agent, loaded.config, loaded.roles)
    pull = pull_facts(seen.pull, loaded.config, loaded.roles) if seen.pull is not None else None
    reason = still_wanted(work, agent, pull, ticket_facts(tx, seen, loaded.config))
    return reason.text if reason.verdict is Verdict.DENY else ""
