"""What policy says: a verdict with every reason and the facts it saw."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """The three answers, from mild to strict."""

    ALLOW = "allow"
    HOLD = "hold"
    DENY = "deny"


_STRICTNESS = {Verdict.ALLOW: 0, Verdict.HOLD: 1, Verdict.DENY: 2}


@dataclass(frozen=True, slots=True)
class Reason:
    """One check's answer: which check, its verdict, a stable code, plain words, and the facts it read."""

    check: str
    verdict: Verdict
    code: str
    text: str
    facts: dict[str, object] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """The reason as it is journaled and printed."""
        return {
            "check": self.check,
            "verdict": str(self.verdict),
            "code": self.code,
            "text": self.text,
            "facts": self.facts,
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """All reasons together; the strictest verdict wins, so the order of checks cannot matter."""

    verdict: Verdict
    reasons: tuple[Reason, ...]

    @property
    def binding(self) -> tuple[Reason, ...]:
        """The reasons that carry the verdict."""
        return tuple(reason for reason in self.reasons if reason.verdict is self.verdict)

    @property
    def text(self) -> str:
        """The binding reasons in plain words; what several checks say alike stands once."""
        return "; ".join(dict.fromkeys(reason.text for reason in self.binding))

    def as_dict(self) -> dict[str, object]:
        """The decision as it is journaled and printed."""
        return {"verdict": str(self.verdict), "reasons": [reason.as_dict() for reason in self.reasons]}


def strictest(reasons: Iterable[Reason]) -> Decision:
    """Fold check answers into one decision. No reasons at all means nothing was checked: DENY."""
    found = tuple(reasons)
    if not found:
        empty = Reason("none", Verdict.DENY, "FLT-POL-000", "no check ran", {})
        return Decision(Verdict.DENY, (empty,))
    worst = max(found, key=lambda reason: _STRICTNESS[reason.verdict])
    return Decision(worst.verdict, found)
