"""Service: turns every event into deliveries, once, in journal order.

An event, its deliveries, the record of who was (not) reached and the cursor are one transaction: a crash
leaves either all of it or nothing. The pair (event, agent) is unique in the store, so that even a cursor
set back makes no second delivery.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fleet.config.loader import LoadedConfig
from fleet.core.agent import AgentState
from fleet.core.journal import Draft, Entry, Stream
from fleet.core.principal import system
from fleet.core.probe import probe
from fleet.core.service import Tick
from fleet.fabric.hops import hops_of
from fleet.fabric.match import Match, match
from fleet.fabric.subscription import subscriptions
from fleet.store import agents, cursors, deliveries, journal
from fleet.store.db import Database, Tx

CURSOR = "router"
BATCH = 100  # events in one transaction


class Router:
    """Events -> deliveries. One instance runs at a time."""

    name = "router"

    def __init__(self, db: Database, config: Callable[[], LoadedConfig]) -> None:
        """Take the store, and who knows the configuration in force."""
        self._db = db
        self._config = config
        self._actor = str(system(self.name))

    def tick(self, now: int) -> Tick:
        """Route the next events; ``did`` is their number."""
        if not self._db.read(_waiting):
            return Tick(0)
        did = self._db.write(self._route_batch)
        probe("route.after_commit")
        return Tick(did)

    def _route_batch(self, tx: Tx) -> int:
        """The one transaction of a tick."""
        events = journal.events_after(tx, cursors.position(tx, CURSOR), BATCH)
        retired = frozenset(row.name for row in agents.every(tx) if row.state is AgentState.RETIRED)
        wanted = subscriptions(self._config().config.agents)
        for event in events:
            self._route(tx, event, match(event, wanted, retired), retired)
        if events:
            cursors.advance(tx, CURSOR, events[-1].seq)
        probe("route.before_commit")
        return len(events)

    def _route(self, tx: Tx, event: Entry, answers: tuple[Match, ...], retired: frozenset[str]) -> None:
        """Make the deliveries of one event and say who was reached, and why not the others."""
        trigger = _trigger(event)
        if trigger is None:
            self._bury(tx, event)
            return
        hops = hops_of(tx, event)
        for answer in answers:
            if answer.reached:
                _deliver(tx, event, answer.agent, trigger, hops)
        reached = ", ".join(answer.agent for answer in answers if answer.reached)
        facts: dict[str, object] = {
            "event": event.id,
            "event_type": event.type,
            "hops": hops,
            "to": {answer.agent: answer.why for answer in answers if answer.reached},
            "not": {answer.agent: answer.why for answer in answers if not answer.reached},
            "retired": sorted(retired),
        }
        self._record(tx, event, Stream.ACTIVITY, "event.routed", f"{event.type} reaches {reached or 'nobody'}", facts)

    def _bury(self, tx: Tx, event: Entry) -> None:
        """Returned work whose payload was erased before it was routed: nobody can tell what to start."""
        text = "the payload of this returned work was erased before it was routed"
        facts: dict[str, object] = {"event": event.id, "reason": text, "code": "FLT-FAB-010"}
        self._record(tx, event, Stream.DECISION, "delivery.dead_lettered", text, facts)

    def _record(self, tx: Tx, event: Entry, stream: Stream, kind: str, summary: str, facts: dict[str, object]) -> None:
        """One entry about the routing of one event; a replay adds none."""
        draft = Draft(
            stream,
            kind,
            self._actor,
            subject=event.subject,
            generation=event.generation,
            work_item=event.work_item,
            cause_id=event.id,
            dedup_key=f"routed:{event.id}",
            summary=summary,
            payload=facts,
        )
        journal.append(tx, draft)


@dataclass(frozen=True, slots=True)
class _Trigger:
    """What an agent is to react to: the event itself, or for returned work the original one."""

    event_type: str
    attempt: int = 1
    not_before: int = 0


def _waiting(tx: Tx) -> bool:
    return bool(journal.events_after(tx, cursors.position(tx, CURSOR), 1))


def _trigger(event: Entry) -> _Trigger | None:
    """What the deliveries of an event say; None for returned work that no longer says what it was."""
    if event.type != "work_returned":
        return _Trigger(event.type)
    payload = event.payload or {}
    event_type, attempt, not_before = payload.get("event_type"), payload.get("attempt"), payload.get("not_before", 0)
    if isinstance(event_type, str) and isinstance(attempt, int) and isinstance(not_before, int):
        return _Trigger(event_type, attempt, not_before)
    return None


def _deliver(tx: Tx, event: Entry, agent: str, trigger: _Trigger, hops: int) -> None:
    deliveries.create(
        tx,
        event_seq=event.seq,
        event_id=event.id,
        event_type=trigger.event_type,
        agent=agent,
        subject=event.subject,
        generation=event.generation,
        # Remarks about nothing in particular are no common piece of work.
        work_item=event.work_item or event.subject or f"event/{event.id}",
        attempt=trigger.attempt,
        not_before=trigger.not_before,
        hops=hops,
    )
