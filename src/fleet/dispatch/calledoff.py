"""Live runs whose work the forge has called off: the ticket was closed, or what made it ready was taken off.

The watcher's event says that it happened, the live ticket that it still holds; both are needed. A person who
closes a ticket with ``fleet ticket close`` has said that its runs go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fleet.config.loader import LoadedConfig
from fleet.core.journal import Draft, Entry, Stream
from fleet.core.live import LivePull, LiveTicket
from fleet.core.work import Run
from fleet.dispatch.facts import root_event
from fleet.policy.freshness import READY
from fleet.store import journal, runs
from fleet.store.db import Tx
from fleet.store.journal import Filter

# Work that reacts to the end of a ticket is not called off by it.
_AFTERWARDS = frozenset({"ticket_closed", "ticket_unready", "ticket_shipped", "pr_merged", "pr_closed"})


def called_off(
    tx: Tx, tickets: Iterable[LiveTicket], pulls: Iterable[LivePull], loaded: LoadedConfig
) -> Iterator[tuple[Run, Entry]]:
    """Live runs that should end, each with the event that says so."""
    live = {f"ticket/{ticket.number}": ticket for ticket in tickets}
    merging = {pull.work_item for pull in pulls if pull.state == "merged" and not _told(tx, pull)}
    for run in runs.live(tx):
        ticket = live.get(run.work_item)
        if run.cancel_reason or ticket is None or run.work_item in merging or run.event_type in _AFTERWARDS:
            continue
        word, root = _word(tx, ticket, run, loaded), root_event(tx, run.event_id).seq
        done = [entry.seq for entry in _newest(tx, "pr_merged", run.work_item, 1)]
        if word is not None and word.seq > root and not any(seq > root for seq in done):
            yield run, word


def _told(tx: Tx, pull: LivePull) -> bool:
    """True once a merge is on record."""
    return bool(journal.select(tx, Filter(type="pr_merged", subject=pull.subject), limit=1))


def _word(tx: Tx, ticket: LiveTicket, run: Run, loaded: LoadedConfig) -> Entry | None:
    """The newest event that calls this run's work off, if the live ticket bears it out."""
    if ticket.state == "closed":
        return _closed(tx, run.work_item)
    role = loaded.roles.get(run.role)
    needed = {READY, loaded.config.required_label or READY}
    if role is None or "pr.push" not in role.verbs or needed <= ticket.labels:
        return None
    return next(iter(_newest(tx, "ticket_unready", run.work_item, 1)), None)


def _closed(tx: Tx, subject: str) -> Entry | None:
    """The newest closing, unless a person asked for it here, in words that leave the runs alone."""
    last, before = (*_newest(tx, "ticket_closed", subject, 2), None, None)[:2]
    asked = next(iter(_newest(tx, "ticket.close_requested", subject, 1)), None)
    if asked is not None and last is not None and asked.seq > (before.seq if before is not None else 0):
        return None
    return last


def _newest(tx: Tx, kind: str, item: str, count: int) -> list[Entry]:
    """Entries about a ticket, newest first."""
    return journal.select(tx, Filter(type=kind, work_item=item), limit=count, newest=True)[::-1]


def call_off(tx: Tx, run: Run, word: Entry, *, actor: str) -> bool:
    """Ask the run to end (its work is saved first) and record it, in one transaction; False when it was asked."""
    why = f"{word.subject} was closed" if word.type == "ticket_closed" else f"{word.subject} is not ready any more"
    if not runs.ask_cancel(tx, run.id, why):
        return False
    draft = Draft(
        Stream.ACTIVITY,
        "run.stop_requested",
        actor,
        subject=f"run/{run.id}",
        work_item=run.work_item,
        agent=run.agent,
        run_id=run.id,
        cause_id=word.id,
        dedup_key=f"called_off:{run.id}",
        summary=f"{run.agent} is to stop, its work is saved: {why}",
        payload={"event": word.id, "event_type": word.type, "reason": why},
    )
    return journal.append(tx, draft).fresh
