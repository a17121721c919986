"""Service: judges open deliveries and queues runs. It starts nothing itself: the runner of some host does.

Judged first on a reading snapshot; only when that would change something the delivery is claimed, judged
again from the store inside the deciding transaction, and moved on together with the journal entry.
"""

from __future__ import annotations

from collections.abc import Callable

from fleet.config.loader import LoadedConfig
from fleet.core.clock import SECOND
from fleet.core.decision import Decision, Reason, Verdict
from fleet.core.errors import Conflict, Unreadable
from fleet.core.event import subject_number
from fleet.core.journal import Draft, Stream
from fleet.core.live import LiveState
from fleet.core.principal import system
from fleet.core.probe import probe
from fleet.core.service import Tick, earliest
from fleet.core.work import Delivery, DeliveryState
from fleet.dispatch.approvals import Waiting, ask, not_asked_yet
from fleet.dispatch.facts import parent_run, root_event, start_facts
from fleet.dispatch.glance import Glance, Known, Look, look
from fleet.dispatch.plan import answered_together, plan
from fleet.dispatch.unreadable import say_failed
from fleet.policy.approval import start_question
from fleet.policy.budget import allowance
from fleet.policy.conditions import CHECK as GATE
from fleet.policy.conditions import next_opening, waits_for_time
from fleet.policy.decide import decide_start
from fleet.policy.facts import AttemptFacts, DiskFacts, StartFacts
from fleet.policy.record import recorded
from fleet.policy.recovery import used_up
from fleet.store import deliveries, journal, runs
from fleet.store.db import Database, Tx

LEASE = 10 * SECOND  # a verdict takes milliseconds; a crash in it costs this much
RECHECK = 5 * SECOND  # held deliveries are looked at again, because the forge changes without telling us
RECHECK_CLOCK = 60 * SECOND  # what waits for the hour alone: a clock that was put forward is noticed in this time
TOKEN_BYTES = 16
_WAITING = frozenset({DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.HELD})


class Dispatcher:
    """Deliveries -> runs. Several may run: every move is a compare-and-set under a lease."""

    name = "dispatcher"

    def __init__(
        self,
        db: Database,
        live: LiveState,
        config: Callable[[], LoadedConfig],
        *,
        disk: Callable[[], DiskFacts | None] = lambda: None,
    ) -> None:
        """Take the store, the live state, and who knows the configuration in force.

        ``disk`` measures the disk that starts will write to; it is asked once for each look at a delivery.
        """
        self._db = db
        self._live = live
        self._config = config
        self._loaded = config()  # of this tick
        self._disk = disk
        self._known: Known = {}
        self._again: int | None = None  # when to look again at what was looked at in this tick
        self._actor = str(system(self.name))

    def tick(self, now: int) -> Tick:
        """Judge what is due; ``did`` counts deliveries that moved."""
        self._loaded = self._config()
        opened = self._db.read(deliveries.open_ones)
        todo = plan(opened, now)
        seen = Glance(self._live, self._known)
        self._again = None
        did = sum(self._consider(delivery, seen) for delivery in todo.consider)
        self._known = seen.known
        return Tick(did, earliest(todo.next_at, self._again))

    def _consider(self, delivery: Delivery, glance: LiveState) -> int:
        """One delivery, from looking to settling; 1 when it moved."""
        try:
            seen = look(glance, delivery.subject, self._loaded, delivery.agent)
        except Unreadable as error:
            return self._leave_out(delivery, glance, error)
        disk = self._disk()
        nothing_new, again = self._db.read(lambda tx: self._first_look(tx, delivery, seen, disk))
        self._again = earliest(self._again, again)
        if nothing_new and not self._used_up(delivery):
            return 0
        token = self._db.write(lambda tx: _claim(tx, delivery))
        if not token:
            return 0
        probe("dispatch.claimed")
        try:
            self._db.write(lambda tx: self._settle(tx, delivery, token, seen, disk))
        except Conflict:
            return 0  # the lease ran out under us: whoever holds the delivery now decides
        probe("dispatch.after_commit")
        return 1

    def _leave_out(self, delivery: Delivery, glance: LiveState, error: Unreadable) -> int:
        """What it is about cannot be read: it stays where it is, that is on record once, and all others go on."""
        self._again = earliest(self._again, self._db.read(lambda tx: tx.now) + RECHECK)
        pull = glance.pull(subject_number(delivery.subject))
        if pull is None:
            return 0
        return int(self._db.write(lambda tx: say_failed(tx, pull, error, self._actor)))

    def _judge(self, tx: Tx, delivery: Delivery, seen: Look, disk: DiskFacts | None) -> tuple[Decision, StartFacts]:
        facts = start_facts(tx, delivery, seen, self._loaded, disk)
        return decide_start(facts), facts

    def _first_look(self, tx: Tx, delivery: Delivery, seen: Look, disk: DiskFacts | None) -> tuple[bool, int]:
        """Whether there is nothing to write, and when to look again although nothing was recorded meanwhile.

        There is nothing to write about a delivery that is held for the same reasons, with nobody to ask. One that
        waits for the hour alone is looked at again then; only the clock may have been changed meanwhile.
        """
        decision, facts = self._judge(tx, delivery, seen, disk)
        held = decision.verdict is Verdict.HOLD and delivery.state is DeliveryState.HELD
        nothing_new = held and delivery.reason == decision.text and not _question(tx, delivery, seen, facts)[1]
        for_the_hour = waits_for_time(facts) if {one.check for one in decision.binding} == {GATE} else None
        pause = RECHECK if for_the_hour is None else RECHECK_CLOCK
        return nothing_new, earliest(tx.now + pause, for_the_hour, next_opening(facts)) or tx.now + pause

    def _used_up(self, delivery: Delivery) -> bool:
        return used_up(self._attempt(delivery))

    def _attempt(self, delivery: Delivery) -> AttemptFacts:
        return AttemptFacts(delivery.agent, delivery.attempt, self._loaded.config.retry.attempts)

    # -- the deciding transaction --------------------------------------------------------------

    def _settle(self, tx: Tx, delivery: Delivery, token: str, seen: Look, disk: DiskFacts | None) -> None:
        """Judge again on what the store says now, and write the outcome."""
        if self._used_up(delivery):
            self._bury(tx, delivery, token)
            return
        decision, facts = self._judge(tx, delivery, seen, disk)
        if decision.verdict is Verdict.ALLOW:
            self._dispatch(tx, delivery, token, decision, facts)
            return
        held = decision.verdict is Verdict.HOLD
        state = DeliveryState.HELD if held else DeliveryState.DENIED
        _move(tx, delivery, token, state, decision.text)
        if held:
            self._ask_a_person(tx, delivery, seen, facts)
        if not (held and delivery.reason == decision.text):
            kind = "delivery.held" if held else "delivery.denied"
            word = "waits" if held else "does not start"
            summary = f"{delivery.agent} {word} on {delivery.event_type}: {decision.text}"
            self._record(tx, delivery, kind, summary, {"decision": decision.as_dict(), "facts": recorded(facts)})

    def _ask_a_person(self, tx: Tx, delivery: Delivery, seen: Look, facts: StartFacts) -> None:
        """Where only a person's word is missing, ask for it; once."""
        asked, why = _question(tx, delivery, seen, facts)
        if why and seen.pull is not None and seen.content is not None:
            waiting = Waiting(self._actor, delivery.agent, delivery.event_id, delivery.created_at)
            ask(tx, seen.pull, asked, seen.content, why, waiting, self._loaded)

    def _dispatch(self, tx: Tx, delivery: Delivery, token: str, decision: Decision, facts: StartFacts) -> None:
        """Queue the run, and let it answer every like delivery too."""
        given = allowance(facts.budget)
        root = root_event(tx, delivery.event_id)
        run_id = runs.create(
            tx,
            delivery_id=delivery.id,
            event_id=root.id,
            event_type=delivery.event_type,
            agent=delivery.agent,
            role=facts.agent.role,
            subject=delivery.subject,
            # What the run is about to see, which for a start by hand the event did not know.
            generation=facts.pull.head if facts.pull is not None else delivery.generation,
            work_item=delivery.work_item,
            attempt=delivery.attempt,
            parent_run=parent_run(root),
            allowance_seconds=given.seconds,
            allowance_kind=given.kind,
            limit_of=given.of,
            hops=delivery.hops,
            config_hash=self._loaded.digest,
        )
        _move(tx, delivery, token, DeliveryState.DISPATCHED, "policy allowed the start", run_id)
        together = answered_together(delivery, deliveries.open_ones(tx))
        for other in together:
            _move(tx, other, _claim(tx, other), DeliveryState.DISPATCHED, f"answered by run {run_id}", run_id)
        payload: dict[str, object] = {
            "decision": decision.as_dict(),
            "facts": recorded(facts),
            "allowance_seconds": given.seconds,
            "allowance_kind": given.kind,
            "limit_of": given.of,
            "parent_run": parent_run(root),
            "answers_too": [{"delivery": other.id, "event": other.event_id} for other in together],
        }
        self._record(tx, delivery, "delivery.dispatched", _dispatched(delivery), payload, run_id)

    def _bury(self, tx: Tx, delivery: Delivery, token: str) -> None:
        """More attempts than the configuration grants (it may have been lowered meanwhile)."""
        text = f"all {self._loaded.config.retry.attempts} attempts were used; a person has to look"
        _move(tx, delivery, token, DeliveryState.DEAD, text)
        facts: dict[str, object] = {"reason": text, "facts": recorded(self._attempt(delivery))}
        self._record(tx, delivery, "delivery.dead_lettered", f"{delivery.agent}: {text}", facts)

    def _record(
        self, tx: Tx, delivery: Delivery, kind: str, summary: str, facts: dict[str, object], run_id: str = ""
    ) -> None:
        """The journal's entry of a decision about a delivery."""
        payload = {
            "delivery": delivery.id,
            "event": delivery.event_id,
            "event_type": delivery.event_type,
            "attempt": delivery.attempt,
            **facts,
        }
        draft = Draft(
            Stream.DECISION,
            kind,
            self._actor,
            subject=delivery.subject,
            generation=delivery.generation,
            work_item=delivery.work_item,
            agent=delivery.agent,
            run_id=run_id,
            cause_id=delivery.event_id,
            summary=summary,
            payload=payload,
        )
        journal.append(tx, draft)


def _question(tx: Tx, delivery: Delivery, seen: Look, facts: StartFacts) -> tuple[str, tuple[Reason, ...]]:
    """What a person has to be asked about this start, and why; no reasons when nobody has, or somebody was."""
    if seen.pull is None or seen.content is None:
        return "", ()
    asked, why = start_question(facts)
    if not why:
        return asked, ()
    # A later request for the same waits behind this one, and is why an expired question is asked again.
    waiting = [one for one in deliveries.for_work_item(tx, delivery.work_item) if one.agent == delivery.agent]
    since = max((one.created_at for one in waiting if one.state in _WAITING), default=delivery.created_at)
    return asked, why if not_asked_yet(tx, seen.pull, asked, seen.content, since) else ()


def _claim(tx: Tx, delivery: Delivery) -> str:
    """A lease on a delivery; "" when somebody else was first."""
    token = tx.entropy(TOKEN_BYTES).hex()
    return token if deliveries.claim(tx, delivery.id, token=token, until=tx.now + LEASE) else ""


def _move(tx: Tx, delivery: Delivery, token: str, state: DeliveryState, reason: str, run_id: str = "") -> None:
    """Settle under the lease. Raises Conflict FLT-DSP-002 when it is no longer ours: nothing is kept then."""
    if not deliveries.settle(tx, delivery.id, token=token, state=state, reason=reason, run_id=run_id):
        raise Conflict("FLT-DSP-002", "the lease on this delivery ran out", where=delivery.id)


def _dispatched(delivery: Delivery) -> str:
    again = f" (attempt {delivery.attempt})" if delivery.attempt > 1 else ""
    return f"{delivery.agent} starts on {delivery.subject} for {delivery.event_type}{again}"
