"""Checks: may this principal give a verdict on exactly this head?"""

from __future__ import annotations

from fleet.core.decision import Reason, Verdict
from fleet.policy.facts import ReviewFacts


def is_reviewer(facts: ReviewFacts) -> Reason:
    """DENY agents whose role does not review."""
    seen: dict[str, object] = {"principal": facts.principal, "role": facts.role}
    if not facts.principal_is_agent:
        return Reason("reviewer", Verdict.ALLOW, "FLT-POL-080", "a person reviews", seen)
    if facts.reviews:
        return Reason("reviewer", Verdict.ALLOW, "FLT-POL-081", f"the role {facts.role} reviews", seen)
    text = f"the role {facts.role or '(none)'} does not review; let a reviewer or a person do it"
    return Reason("reviewer", Verdict.DENY, "FLT-POL-082", text, seen)


def was_asked(facts: ReviewFacts) -> Reason:
    """DENY agents that were started on something else."""
    wanted = f"pr/{facts.number}"
    seen: dict[str, object] = {"run_subject": facts.run_subject, "subject": wanted}
    if not facts.principal_is_agent or facts.run_subject == wanted:
        return Reason("asked", Verdict.ALLOW, "FLT-POL-083", "the reviewer was asked about this pull request", seen)
    text = f"this run was started on {facts.run_subject or 'nothing'}, not on {wanted}"
    return Reason("asked", Verdict.DENY, "FLT-POL-084", text, seen)


def pull_open(facts: ReviewFacts) -> Reason:
    """DENY reviews of pull requests that are merged or closed."""
    seen: dict[str, object] = {"state": facts.state}
    if facts.state == "open":
        return Reason("pull_open", Verdict.ALLOW, "FLT-POL-060", f"pr/{facts.number} is open", seen)
    return Reason("pull_open", Verdict.DENY, "FLT-POL-061", f"pr/{facts.number} is {facts.state}", seen)


def head_is_live(facts: ReviewFacts) -> Reason:
    """DENY a verdict on any commit but the live head; an agent reviews the head it was started at."""
    seen: dict[str, object] = {
        "head": facts.head,
        "reviewed_head": facts.reviewed_head,
        "run_head": facts.run_head,
    }
    reviewed = {facts.reviewed_head, facts.run_head} if facts.principal_is_agent else {facts.reviewed_head}
    if facts.head and reviewed == {facts.head}:
        return Reason("head", Verdict.ALLOW, "FLT-POL-085", "the reviewed commit is the live head", seen)
    text = f"the live head is {facts.head[:12] or 'gone'}; review that one"
    return Reason("head", Verdict.DENY, "FLT-POL-086", text, seen)
