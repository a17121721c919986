"""Check: whoever wrote a change, under any name, role or sub-run, neither reviews nor merges it.

A lineage is a set of atoms: ``agent:<name>``, ``run:<id>``, ``human:<name>``, ``mail:<address>``, for a run and
for every run it descends from. Two lineages are strangers when they share no atom.
"""

from __future__ import annotations

from fleet.core.decision import Reason, Verdict
from fleet.policy.facts import MergeFacts, ReviewFacts, StartFacts

_SHOWN = 20  # atoms quoted in a reason


def shared_atoms(lineage: frozenset[str], authors: frozenset[str]) -> list[str]:
    """What a lineage and the authors have in common, sorted."""
    return sorted(lineage & authors)


def _seen(lineage: frozenset[str], authors: frozenset[str]) -> dict[str, object]:
    return {
        "lineage": sorted(lineage)[:_SHOWN],
        "authors": sorted(authors)[:_SHOWN],
        "shared": shared_atoms(lineage, authors)[:_SHOWN],
    }


def check_start(facts: StartFacts) -> Reason:
    """DENY starting a reviewer on a change that its lineage wrote."""
    if not facts.agent.reviews or facts.pull is None:
        return Reason("separation", Verdict.ALLOW, "FLT-POL-050", "this start reviews nothing", {})
    return _judge("separation", facts.agent.name, facts.lineage, facts.authors)


def check_review(facts: ReviewFacts) -> Reason:
    """DENY a review by the author's lineage."""
    return _judge("separation", facts.principal, facts.lineage, facts.authors)


def check_merge(facts: MergeFacts) -> Reason:
    """DENY a merge by an agent that wrote the change. A person may merge what others approved."""
    if not facts.principal_is_agent:
        return Reason("merger", Verdict.ALLOW, "FLT-POL-053", "no agent merges its own work here", {})
    shared = shared_atoms(facts.lineage, facts.authors)
    seen = _seen(facts.lineage, facts.authors)
    if not shared:
        return Reason("merger", Verdict.ALLOW, "FLT-POL-053", "no agent merges its own work here", seen)
    text = f"{facts.principal} has written part of this pull request ({shared[0]}); another one has to merge it"
    return Reason("merger", Verdict.DENY, "FLT-POL-054", text, seen)


def _judge(check: str, name: str, lineage: frozenset[str], authors: frozenset[str]) -> Reason:
    shared = shared_atoms(lineage, authors)
    seen = _seen(lineage, authors)
    if not shared:
        return Reason(check, Verdict.ALLOW, "FLT-POL-051", f"{name} has no part in this change", seen)
    text = f"{name} has written part of this pull request ({shared[0]}); an author never reviews it"
    return Reason(check, Verdict.DENY, "FLT-POL-052", text, seen)
