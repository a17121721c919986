"""Live runs whose work the forge has called off: the ticket was closed, or what made it ready was taken off.

The watcher's event says that it happened, the live ticket that it still holds; both are needed. A person who
closes a ticket with ``fleet ticket close`` has said that its runs go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from fleet.config.loader import LoadedConfig
from fleet.core.journal import Draft, Entry, Stream
from fleet.core.live import LivePull, LiveTicket
from fleet.core.work import Run
from fleet.dispatch.facts import root_event
from fleet.policy import recovery as policy
from fleet.policy.facts import CallOffFacts
from fleet.policy.record import recorded
from fleet.policy.under import call_off_under, pushes
from fleet.store import journal, runs
from fleet.store.db import Tx
from fleet.store.journal import Filter


def called_off(
    tx: Tx, tickets: Iterable[LiveTicket], pulls: Iterable[LivePull], loaded: LoadedConfig
) -> Iterator[tuple[Run, Entry, CallOffFacts]]:
    """Live runs that should end, each with the event that says so and what was judged."""
    live = {f"ticket/{ticket.number}": ticket for ticket in tickets}
    merging = {pull.work_item for pull in pulls if pull.state == "merged" and not _told(tx, pull)}
    for run in runs.live(tx):
        ticket = live.get(run.work_item)
        if run.cancel_reason or ticket is None or run.work_item in merging:
            continue
        facts = _facts(tx, run, ticket, loaded)
        word = journal.at(tx, policy.called_off(facts))  # there is no entry 0
        if word is not None:
            yield run, word, facts


def _facts(tx: Tx, run: Run, ticket: LiveTicket, loaded: LoadedConfig) -> CallOffFacts:
    closed = _closed(tx, run.work_item)
    role = loaded.roles.get(run.role)
    seen = CallOffFacts(
        agent=run.agent,
        event_type=run.event_type,
        root=root_event(tx, run.event_id).seq,
        state=ticket.state,
        labels=ticket.labels,
        closed=closed.seq if closed is not None else 0,
        unready=_seq(_newest(tx, "ticket_unready", run.work_item, 1)),
        merged=_seq(_newest(tx, "pr_merged", run.work_item, 1)),
        pushes=False,
        required_label="",
    )
    return replace(call_off_under(seen, loaded.config, loaded.roles), pushes=pushes(role))


def _seq(found: list[Entry]) -> int:
    return found[0].seq if found else 0


def _told(tx: Tx, pull: LivePull) -> bool:
    """True once a merge is on record."""
    return bool(journal.select(tx, Filter(type="pr_merged", subject=pull.subject), limit=1))


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


def call_off(tx: Tx, run: Run, word: Entry, facts: CallOffFacts, *, actor: str) -> bool:
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
        payload={"event": word.id, "event_type": word.type, "reason": why, "facts": recorded(facts)},
    )
    return journal.append(tx, draft).fresh
