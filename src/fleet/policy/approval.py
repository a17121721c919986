"""What a person is asked, what the answer is bound to, and whether it still holds. Pure.

A question is asked when nothing but a person's word is missing (and perhaps the hour). The answer is bound to
everything the person could judge: the head, the issue's text, the diff, and the policy that this decision depends
on; any change voids it. ``merge`` asks whether it may be merged, ``start`` whether an agent may start.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from fleet.config.model import FleetConfig
from fleet.config.roles import Role
from fleet.core.approval import Approval, ApprovalState
from fleet.core.decision import Decision, Reason, Verdict
from fleet.policy import conditions
from fleet.policy.decide import decide_merge
from fleet.policy.facts import StartFacts

MERGE, START = "merge", "start"
# For each question the checks whose HOLD a person's grant answers.
ANSWERED_BY_A_PERSON: Mapping[str, frozenset[str]] = {MERGE: frozenset({"protected_paths", "shared_uid"})}


@dataclass(frozen=True, slots=True)
class Content:
    """What an answer is bound to: a commit and three digests (issue text, diff, policy)."""

    head: str
    text: str
    diff: str
    policy: str

    @property
    def seal(self) -> str:
        """SHA-256 over all of it, in hex."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def parts(self) -> dict[str, str]:
        """Each part by its name."""
        return {str(name): str(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Standing:
    """How an approval stands now: its state, or ``void``; and why, in words, when it is void."""

    word: str
    why: tuple[str, ...] = ()


def bound_policy(asked: str, agent: str, config: FleetConfig, roles: Mapping[str, Role]) -> str:
    """The digest of all settings that decide whether a person is asked this, and what the answer lets through.

    For a merge the same whoever merges; for a start those of the agent that starts.
    """
    reviewers = sorted(
        (one.name, one.role)
        for one in config.agents
        if one.enabled and "pr_needs_review" in one.subscribes_to and _has(roles.get(one.role), "pr.review")
    )
    members = [one for one in config.agents if one.enabled and one.subscription_gate is not None]
    gates = {
        one.name: one.subscription_gate.model_dump(mode="json", exclude_none=True)
        for one in members
        if one.subscription_gate is not None
        and (_has(roles.get(one.role), "pr.merge") if asked == MERGE else one.name == agent)
    }
    rules: dict[str, object] = {"asked": asked, "reviewers": reviewers, "gates": gates}
    if asked == MERGE:
        rules["protected_paths"] = sorted(config.protected_paths)
        rules["allow_shared_uid_merge"] = config.allow_shared_uid_merge
    else:
        rules["agent"] = agent
    return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()


def _has(role: Role | None, verb: str) -> bool:
    return role is not None and verb in role.verbs


def question(asked: str, decision: Decision) -> tuple[Reason, ...]:
    """Why a person is asked: what holds, if a person's word is all that is missing; else nothing."""
    holding = tuple(reason for reason in decision.reasons if reason.verdict is not Verdict.ALLOW)
    answers = ANSWERED_BY_A_PERSON.get(asked, frozenset())
    for_a_person = all(reason.verdict is Verdict.HOLD and reason.check in answers for reason in holding)
    return holding if for_a_person else ()


def start_question(facts: StartFacts) -> tuple[str, tuple[Reason, ...]]:
    """What a person is asked before this start, and why; no reasons where nobody has to be asked now.

    A gate that waits for the hour as well is no hindrance: people sleep at night.
    """
    asked = MERGE if facts.merge is not None else START
    gate = conditions.check(facts)
    for_a_person = conditions.a_person_would_do(facts)
    waits = gate.verdict is not Verdict.ALLOW and not for_a_person and conditions.waits_for_time(facts) is None
    merge = decide_merge(facts.merge) if facts.merge is not None else None
    holds = merge is not None and merge.verdict is not Verdict.ALLOW
    why = question(asked, merge) if merge is not None and holds else ()
    if waits or (holds and not why):
        return asked, ()
    return asked, (*why, gate) if for_a_person else why


def what_changed(then: Mapping[str, str], now: Content) -> tuple[str, ...]:
    """What is not as it was, in words."""
    words = {
        "head": f"the head moved from {then.get('head', '')[:12]} to {now.head[:12] or 'no commit'}",
        "text": "the text of the ticket was edited",
        "diff": "the diff is another one",
        "policy": "the policy that it depends on was changed",
    }
    if then.get("head") != now.head:
        return (words["head"],)  # the rest follows from it, or does not matter any more
    return tuple(words[name] for name, value in now.parts().items() if then.get(name) != value)


def standing(approval: Approval, pull_state: str, content: Content, now: int) -> Standing:
    """Whether a question or a grant still holds. ``pull_state`` and ``content`` are live, ``now`` microseconds."""
    state = approval.state
    if state in (ApprovalState.REFUSED, ApprovalState.EXPIRED):
        return Standing(str(state))
    if pull_state != "open":
        used = state is ApprovalState.GRANTED and pull_state == "merged"
        return Standing(str(state)) if used else Standing("void", (f"{approval.subject} is {pull_state}",))
    if approval.content != content.seal:
        return Standing("void", what_changed(approval.bound, content) or ("its content is another one",))
    if approval.expires_at <= now:
        return Standing(str(ApprovalState.EXPIRED))
    return Standing(str(state))


def may_ask(before: tuple[Approval, ...], asked: str, seal: str, since: int) -> bool:
    """Whether to ask now, given what was asked at this head ``before``.

    Once for each content; where the question or the grant expired, again for work that came up after that.
    """
    same = [one for one in before if (one.asked, one.content) == (asked, seal)]
    return all(one.state is ApprovalState.EXPIRED and (one.decided_at or 0) < since for one in same)
