"""What a held start waits for, told anew: each condition, met or not, the fact it saw, and what to type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fleet.control import sentences
from fleet.control.context import Context
from fleet.core.decision import Reason, Verdict
from fleet.core.errors import NotFound, TemporaryError
from fleet.core.work import Delivery, DeliveryState
from fleet.dispatch.facts import start_facts
from fleet.dispatch.glance import look
from fleet.policy.conditions import CHECK, Answer, Word, answer
from fleet.policy.decide import decide_start
from fleet.policy.facts import StartFacts


@dataclass(frozen=True, slots=True)
class Waiting:
    """A held start, judged at this moment. Nothing is recorded."""

    delivery: Delivery
    reasons: tuple[Reason, ...]  # what holds or forbids it now
    gate: Answer | None  # where its agent has one

    def as_dict(self) -> dict[str, Any]:
        """As ``fleet why --json`` prints it."""
        return {
            "delivery": self.delivery.id,
            "agent": self.delivery.agent,
            "subject": self.delivery.subject,
            "event_type": self.delivery.event_type,
            "reasons": [reason.as_dict() for reason in self.reasons],
            "gate": self.gate.as_dict() if self.gate is not None else None,
        }

    def lines(self) -> Iterator[str]:
        """The same for people; nothing beyond the delivery's own line where there is no gate."""
        if self.gate is None:
            return
        yield f"{self.delivery.agent} starts on {self.delivery.subject or self.delivery.event_type} once this is met:"
        yield from (f"  {line}" for line in _lines(self.gate))
        others = [reason for reason in self.reasons if reason.check != CHECK]
        yield from (f"  also: {reason.text} [{reason.code}]" for reason in others)


def waiting(ctx: Context, found: Iterable[Delivery]) -> list[Waiting]:
    """Each held start of these deliveries; where the forge cannot be asked now, none."""
    held = [one for one in found if one.state is DeliveryState.HELD]
    try:
        return [_judged(ctx, one) for one in held]
    except (TemporaryError, NotFound):
        return []


def _judged(ctx: Context, delivery: Delivery) -> Waiting:
    seen, disk = look(ctx.live, delivery.subject, ctx.loaded, delivery.agent), ctx.disk.look()
    facts: StartFacts = ctx.db.read(lambda tx: start_facts(tx, delivery, seen, ctx.loaded, disk))
    reasons = tuple(one for one in decide_start(facts).reasons if one.verdict is not Verdict.ALLOW)
    has_gate = facts.gate is not None and facts.gate.gate is not None
    return Waiting(delivery, reasons, answer(facts) if has_gate else None)


def _lines(found: Answer, indent: str = "") -> Iterator[str]:
    """One line for a condition; a group with its own below it."""
    if found.inside:
        word = "all of these" if found.name == "all_of" else "one of these"
        yield f"{indent}{found.word:<8} {word}:"
        for one in found.inside:
            yield from _lines(one, indent + "  ")
        return
    when = f"; it opens {sentences.moment(found.opens_at)}" if found.opens_at is not None else ""
    hint = f" ({found.hint})" if found.hint and found.word is not Word.MET else ""
    yield f"{indent}{found.word:<8} {found.asks}: {found.text}{when}{hint}"
