"""``insights``: what a lead should look at now, from the journal, the runs and the live forge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from fleet.assess.insights import Facts, Member, OpenWork, find
from fleet.control.collisions import collisions
from fleet.control.context import Context, Handlers
from fleet.core.agent import AgentState
from fleet.core.clock import SECOND
from fleet.core.principal import Principal
from fleet.core.work import DeliveryState, Run
from fleet.forge.port import Pull, Snapshot, Ticket
from fleet.store import agents as agent_rows
from fleet.store import deliveries, journal, runs
from fleet.store.db import Tx

_WINDOW = 7 * 86_400 * SECOND
_CHAIN = frozenset({"ready", "needs-review", "changes-requested", "approved"})
_WAITING = (DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.HELD)


def insights(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Every finding of a window, by default of the last seven days."""
    snapshot = ctx.forge.snapshot()
    heads = {f"pr/{pull.number}": pull.head_sha for pull in snapshot.pulls if pull.state == "open"}

    def read(tx: Tx) -> tuple[Facts, int]:
        since = args["since"] or max(0, tx.now - _WINDOW)
        found = runs.since(tx, since)
        facts = Facts(
            now=tx.now,
            runs=found,
            heard=_heard(tx, found),
            work=list(_work(tx, snapshot)),
            sent_back=_sent_back(tx, since),
            members=list(_members(ctx, tx)),
            collisions=list(collisions(tx, heads)),
        )
        return facts, since

    facts, since = ctx.db.read(read)
    return {"insights": [asdict(one) for one in find(facts)], "since": since}


def _heard(tx: Tx, found: Iterable[Run]) -> dict[str, tuple[int, int]]:
    """When and where the journal last heard of each run."""
    heard = {}
    for run in found:
        newest = journal.select(tx, journal.Filter(run_id=run.id), limit=1, newest=True)
        if newest:
            heard[run.id] = (newest[0].at, newest[0].seq)
    return heard


def _work(tx: Tx, snapshot: Snapshot) -> Iterator[OpenWork]:
    """Open tickets, and open pull requests that belong to none."""
    wanted: list[tuple[str, Ticket | Pull]] = [
        (f"ticket/{ticket.number}", ticket) for ticket in snapshot.tickets if ticket.state == "open"
    ]
    wanted += [(f"pr/{pull.number}", pull) for pull in snapshot.pulls if pull.state == "open" and not pull.ticket]
    pulls = {f"ticket/{pull.ticket}": pull for pull in snapshot.pulls if pull.state == "open" and pull.ticket}
    for subject, one in wanted:
        newest = journal.select(tx, journal.Filter(work_item=subject), limit=1, newest=True)
        if newest:
            labels = {mark.name for mark in (*one.labels, *(pulls[subject].labels if subject in pulls else ()))}
            waiting = sum(each.state in _WAITING for each in deliveries.for_work_item(tx, subject))
            yield OpenWork(subject, bool(labels & _CHAIN), waiting, newest[0].seq, newest[0].at)


def _sent_back(tx: Tx, since: int) -> list[tuple[str, int]]:
    """Rounds of review that sent a pull request back: each head once, whoever wanted the changes."""
    wanted = journal.Filter(type="pr_changes_requested", since=since)
    rounds = {(entry.subject, entry.generation): entry.seq for entry in journal.select(tx, wanted, limit=2000)}
    return [(subject, seq) for (subject, _), seq in rounds.items()]


def _members(ctx: Context, tx: Tx) -> Iterator[Member]:
    rows = {row.name: row for row in agent_rows.every(tx)}
    accepted = journal.Filter(type="config.accepted")
    for one in ctx.loaded.config.agents:
        row = rows.get(one.name)
        if row is None:
            continue  # the configuration is just coming into force
        by_itself = one.enabled and row.state is AgentState.ACTIVE and bool(one.subscribes_to or one.schedule)
        about = journal.Filter(agent=one.name)
        newest = journal.select(tx, about, limit=1, newest=True) or journal.select(tx, accepted, limit=1, newest=True)
        yield Member(one.name, one.role, by_itself, row.updated_at, newest[0].seq if newest else 0)


HANDLERS: Handlers = {"insights": insights}
