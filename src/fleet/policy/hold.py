"""Checks: a person's hand on the brake. A label that always wins, and a text that changed after it was accepted.

What already runs goes on, but can merge nothing; to end it as well there is ``fleet agent stop``.
"""

from __future__ import annotations

from fleet.core.decision import Reason, Verdict
from fleet.core.pin import HOLD_LABEL
from fleet.policy.facts import HoldFacts, MergeFacts, StartFacts


def start(facts: StartFacts) -> Reason:
    """HOLD every start for a ticket or pull request on hold."""
    return _judge(facts.hold)


def merge(facts: MergeFacts) -> Reason:
    """HOLD every merge of it, whoever asks for it."""
    return _judge(facts.hold)


def _judge(hold: HoldFacts | None) -> Reason:
    if hold is None:
        return Reason("hold", Verdict.ALLOW, "FLT-POL-120", "nothing was looked at that could hold it", {})
    seen: dict[str, object] = {"labelled": list(hold.labelled), "changed": hold.changed}
    if hold.labelled:
        text = f"{' and '.join(hold.labelled)} carries the label {HOLD_LABEL}; it goes on when that is taken off"
        return Reason("hold", Verdict.HOLD, "FLT-POL-121", text, seen)
    if hold.changed:
        kind, _, number = hold.changed.partition("/")
        known, otherwise = (
            ("marked ready", " (or put the label ready on again)") if kind == "ticket" else ("opened", "")
        )
        text = (
            f"the text of {hold.changed} is not the one that was {known}; read it, then: fleet ticket accept"
            f" {number}{otherwise}"
        )
        return Reason("hold", Verdict.HOLD, "FLT-POL-122", text, seen)
    return Reason("hold", Verdict.ALLOW, "FLT-POL-120", "nobody holds it", seen)
