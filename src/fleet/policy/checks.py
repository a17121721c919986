"""Checks: what other programs have to have said before a merge, where it may go, and whether it would merge. Pure."""

from __future__ import annotations

from fleet.core.decision import Reason, Verdict
from fleet.core.live import WantedCheck, not_green
from fleet.policy.facts import MergeFacts

_SHOWN = 20


def required_checks(facts: MergeFacts) -> Reason:
    """HOLD until every required check is green at this head, said by the program that is to say it."""
    red = [f"{_named(one)}: {word}" for one, word in not_green(facts.wanted_checks, facts.checks)]
    seen: dict[str, object] = {
        "head": facts.head,
        "required": [_named(one) for one in facts.wanted_checks[:_SHOWN]],
        "not_green": red[:_SHOWN],
    }
    if not red:
        text = "every required check is green" if facts.wanted_checks else "no check is required"
        return Reason("required_checks", Verdict.ALLOW, "FLT-POL-130", text, seen)
    text = f"a required check is not green at this head: {', '.join(red[:5])}"
    return Reason("required_checks", Verdict.HOLD, "FLT-POL-131", text, seen)


def into_the_base(facts: MergeFacts) -> Reason:
    """DENY a merge into another branch than the one that this fleet watches over."""
    seen: dict[str, object] = {"into": facts.base_ref, "base": facts.base}
    if facts.base_ref == facts.base:
        return Reason("into_the_base", Verdict.ALLOW, "FLT-POL-132", "it goes into the fleet's base branch", seen)
    text = f"it would go into {facts.base_ref}, and this fleet merges into {facts.base}; point it there again"
    return Reason("into_the_base", Verdict.DENY, "FLT-POL-133", text, seen)


def merges_cleanly(facts: MergeFacts) -> Reason:
    """HOLD a head that is known to conflict once its author was told: trying again would only tell it again."""
    seen: dict[str, object] = {"head": facts.head, "conflict": facts.conflict[:500]}
    if not facts.conflict:
        return Reason("merges_cleanly", Verdict.ALLOW, "FLT-POL-134", "nothing says that it conflicts", seen)
    text = f"it does not merge ({facts.conflict[:200]}), and its author has been told"
    return Reason("merges_cleanly", Verdict.HOLD, "FLT-POL-135", text, seen)


def _named(check: WantedCheck) -> str:
    return f"{check.name} (app {check.app_id})" if check.app_id else check.name
