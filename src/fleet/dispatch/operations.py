"""What a person asked that takes several steps at the forge: cancel, close, reopen, retry, remark, assign.

The decision and the row that says what is left to do are one transaction; from then on all of it happens.
``carry_on`` takes every step again from the start, and each finds what was done before: control calls it at
once, the reconciler for what a crash left open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fleet.core.errors import Conflict, FleetError, TemporaryError
from fleet.core.event import subject_number
from fleet.core.journal import Draft, Stream
from fleet.core.live import LiveEffects, LiveState
from fleet.core.probe import probe
from fleet.core.work import DeliveryState
from fleet.dispatch.offering import offer_again
from fleet.store import deliveries, journal, operations, runs
from fleet.store.db import Database, Tx
from fleet.store.operations import Operation

Facts = Mapping[str, Any]
# Takes what was found at the forge; writes what else belongs to the last step; gives its entry.
Record = Callable[[Tx, Operation, Facts], tuple[str, str, Facts]]

_LEASE = 10_000_000  # microseconds; claimed and settled in one transaction
_PULL_IS_MERGED = "FLT-FRG-005"


@dataclass(frozen=True, slots=True)
class Places:
    """Where an operation acts."""

    db: Database
    live: LiveState
    effects: LiveEffects


def carry_on(places: Places, operation: Operation) -> bool:
    """Do what is left of an operation; True once its last step is on record.

    Repeatable. Raises TemporaryError when the forge cannot be asked now: the next call goes on. What else the
    forge raises is final, and on record.
    """
    act, record = _KINDS[operation.kind]
    try:
        found = act(places, operation)
    except TemporaryError:
        raise
    except FleetError as error:
        why = str(error)
        places.db.write(lambda tx: _give_up(tx, operation, why))
        raise
    probe("operation.acted")
    return found is not None and places.db.write(lambda tx: _finish(tx, operation, record, found))


def _finish(tx: Tx, operation: Operation, record: Record, found: Facts) -> bool:
    """The last step and its entry, once."""
    if not operations.finish(tx, operation.id):
        return False
    kind, summary, more = record(tx, operation, found)
    draft = Draft(
        Stream.ACTIVITY,
        kind,
        operation.actor,
        subject=operation.subject,
        work_item=str(operation.plan.get("work_item", "")),
        cause_id=operation.entry_id,
        dedup_key=f"operation:{operation.id}",
        summary=summary,
        payload={"operation": operation.id, "reason": operation.reason, **more},
    )
    return journal.append(tx, draft).fresh


def _give_up(tx: Tx, operation: Operation, why: str) -> None:
    """The forge says no, and will say so again: a person has to look."""
    operations.finish(tx, operation.id)
    draft = Draft(
        Stream.ACTIVITY,
        "operation.given_up",
        operation.actor,
        subject=operation.subject,
        work_item=str(operation.plan.get("work_item", "")),
        cause_id=operation.entry_id,
        dedup_key=f"operation:{operation.id}",
        summary=f"{operation.kind} of {operation.subject or 'work'} cannot be done: {why}",
        payload={"operation": operation.id, "kind": operation.kind, "error": why},
    )
    journal.append(tx, draft)


def interrupted(tx: Tx, subject: str) -> Operation | None:
    """An operation on this ticket or pull request that is not done yet."""
    opened = operations.open_ones(tx)
    return next((one for one in opened if one.subject == subject and one.kind != "ticket.comment"), None)


def deny_open(tx: Tx, work_item: str, *, actor: str, why: str) -> list[str]:
    """Deny every start of this work that still waits, each on record; the ids of those deliveries.

    One that is being judged at this moment is denied by the judge, who sees the cancellation.
    """
    denied: list[str] = []
    for one in deliveries.for_work_item(tx, work_item):
        token = tx.entropy(16).hex()
        if one.state not in (DeliveryState.PENDING, DeliveryState.HELD):
            continue
        assert deliveries.claim(tx, one.id, token=token, until=tx.now + _LEASE)
        assert deliveries.settle(tx, one.id, token=token, state=DeliveryState.DENIED, reason=why)
        draft = Draft(
            Stream.DECISION,
            "delivery.denied",
            actor,
            subject=one.subject,
            generation=one.generation,
            work_item=one.work_item,
            agent=one.agent,
            cause_id=one.event_id,
            summary=f"{one.agent} does not start on {one.event_type}: {why}",
            payload={"delivery": one.id, "event": one.event_id, "event_type": one.event_type, "reason": why},
        )
        journal.append(tx, draft)
        denied.append(one.id)
    return denied


# -- what each kind does at the forge, and what is recorded then -----------------------------------------


def _cancel(places: Places, operation: Operation) -> Facts | None:
    """Close the ticket first: from then on a run that is being stopped can push nothing more for it.

    Not over before those runs are: a pull request that one of them opened meanwhile is closed at the next look.
    """
    number, stopping = subject_number(operation.subject), set(operation.plan["runs"])
    over = not any(run.id in stopping for run in places.db.read(runs.live))
    _remark(places.effects, operation, f"Cancelled by {operation.actor}: {operation.reason}")
    places.effects.close_ticket(number)
    probe("operation.half")
    for pull in places.live.pulls():
        if pull.ticket == number and pull.state == "open":
            _close(places.effects, pull.number)
    return {} if over else None


def _close_pull(places: Places, operation: Operation) -> Facts:
    _close(places.effects, subject_number(operation.subject))
    return _remark(places.effects, operation, f"Closed by {operation.actor}: {operation.reason}")


def _close(effects: LiveEffects, number: int) -> None:
    """Close a pull request, unless it was merged in the meantime: then the merge stands."""
    try:
        effects.close_pull(number)
    except Conflict as error:
        if error.code != _PULL_IS_MERGED:
            raise


def _close_ticket(places: Places, operation: Operation) -> Facts:
    places.effects.close_ticket(subject_number(operation.subject))
    return _remark(places.effects, operation, f"Closed by {operation.actor}: {operation.reason}")


def _reopen(places: Places, operation: Operation) -> Facts:
    places.effects.reopen_ticket(subject_number(operation.subject))
    return {}


def _comment(places: Places, operation: Operation) -> Facts:
    return _remark(places.effects, operation, str(operation.plan["body"]))


def _remark(effects: LiveEffects, operation: Operation, body: str) -> Facts:
    effects.comment(subject_number(operation.subject), body, author=operation.actor, marker=operation.id)
    return {}


def _assign(places: Places, operation: Operation) -> Facts:
    """A ticket for each agent that was not given one: by agent, its number."""
    plan = operation.plan
    return {
        agent: plan["ticket"]
        or places.effects.open_ticket(
            plan["title"], plan["body"], author=operation.actor, marker=f"{operation.id}:{agent}"
        )
        for agent in plan["agents"]
    }


def _simply(kind: str, words: str) -> Record:
    """An entry that says only what was done."""

    def record(tx: Tx, operation: Operation, found: Facts) -> tuple[str, str, Facts]:
        why = f": {operation.reason}" if operation.reason else ""
        return kind, f"{operation.subject} {words} by {operation.actor}{why}", {}

    return record


def _retried(tx: Tx, operation: Operation, found: Facts) -> tuple[str, str, Facts]:
    """Offer each piece of work again, as if for the first time."""
    why = f": {operation.reason}" if operation.reason else ""
    for work in operation.plan["work"]:
        draft = offer_again(
            operation.actor,
            work["agent"],
            work["event_type"],
            subject=work["subject"],
            generation=work["generation"],
            work_item=operation.subject,
            run=work["run"],
            cause_id=operation.entry_id,
            dedup_key=f"retried:{operation.id}:{work['agent']}",
            summary=f"{operation.actor} asks {work['agent']} to take up {work['event_type']} again{why}",
            reason=f"retried by {operation.actor}{why}",
        )
        journal.append(tx, draft)
    names = ", ".join(work["agent"] for work in operation.plan["work"])
    return "ticket.retried", f"{operation.subject} is retried by {names}", {"work": operation.plan["work"]}


def _assigned(tx: Tx, operation: Operation, found: Facts) -> tuple[str, str, Facts]:
    """Ask every agent to start on its ticket."""
    for agent, number in found.items():
        subject = f"ticket/{number}"
        draft = Draft(
            Stream.EVENT,
            "agent_start_requested",
            operation.actor,
            kind="task",
            subject=subject,
            work_item=subject,
            agent=agent,
            cause_id=operation.entry_id,
            dedup_key=f"assigned:{operation.id}:{agent}",
            summary=f"{operation.actor} asks {agent} to work on {subject}",
            payload={"agent": agent, "ticket": number, "title": operation.plan["title"], "author": operation.actor},
        )
        journal.append(tx, draft)
    names = ", ".join(f"{agent} (ticket/{number})" for agent, number in found.items())
    return "task.assigned", f"{operation.actor} gave work to {names}", {"tickets": dict(found)}


_KINDS: Mapping[str, tuple[Callable[[Places, Operation], Facts | None], Record]] = MappingProxyType(
    {
        "ticket.cancel": (_cancel, _simply("ticket.cancelled", "was cancelled")),
        "ticket.close": (_close_ticket, _simply("ticket.closed", "was closed")),
        "ticket.reopen": (_reopen, _simply("ticket.reopened", "was opened again")),
        "ticket.retry": (_reopen, _retried),
        "ticket.comment": (_comment, _simply("comment.written", "was remarked upon")),
        "pr.close": (_close_pull, _simply("pr.closed", "was closed without a merge")),
        "task.assign": (_assign, _assigned),
    }
)
