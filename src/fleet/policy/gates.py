"""Checks: the merge gate. May exactly this head be merged, by this principal, now?

Labels play no part. Whether an approval still holds is derived from the head it names, never stored.
"""

from __future__ import annotations

from fleet.core.decision import Reason, Verdict
from fleet.policy.facts import MergeFacts, VerdictFact
from fleet.policy.separation import shared_atoms

# A release role reacting to these does not start in order to merge.
NO_MERGE = frozenset({"pr_merged", "pr_closed"})
_SHOWN = 20  # names or paths quoted in a reason


def standing(facts: MergeFacts) -> tuple[VerdictFact, ...]:
    """The latest verdict of every principal at the head, in journal order.

    An approval that lost its force was never said: what its principal objected to before holds again.
    """
    latest: dict[str, VerdictFact] = {}
    for verdict in sorted(facts.verdicts, key=lambda one: one.seq):
        if verdict.head == facts.head and not (verdict.approves and verdict.void):
            latest[verdict.principal] = verdict
    return tuple(sorted(latest.values(), key=lambda one: one.seq))


def approvers(facts: MergeFacts) -> tuple[str, ...]:
    """Principals whose approval of this head counts: it stands, and they had no part in the change."""
    return tuple(
        verdict.principal
        for verdict in standing(facts)
        if verdict.approves and same_diff(facts, verdict) and not shared_atoms(verdict.lineage, facts.authors)
    )


def same_diff(facts: MergeFacts, verdict: VerdictFact) -> bool:
    """Whether what was reviewed is what would be merged: the base can move so that one head is another change."""
    return not verdict.diff or not facts.diff or verdict.diff == facts.diff


def pull_open(facts: MergeFacts) -> Reason:
    """DENY a pull request that is merged, closed or without a head."""
    seen: dict[str, object] = {"state": facts.state, "head": facts.head}
    if facts.state != "open":
        return Reason("pull_open", Verdict.DENY, "FLT-POL-061", f"pr/{facts.number} is {facts.state}", seen)
    if not facts.head:
        return Reason("pull_open", Verdict.DENY, "FLT-POL-062", f"the branch of pr/{facts.number} is gone", seen)
    return Reason("pull_open", Verdict.ALLOW, "FLT-POL-060", f"pr/{facts.number} is open", seen)


def approved(facts: MergeFacts) -> Reason:
    """HOLD until somebody who had no part in the change has approved this head."""
    names = approvers(facts)
    others = [one for one in standing(facts) if one.approves and one.principal not in names]
    outdated = [one.principal for one in others if not same_diff(facts, one)]
    related = [one.principal for one in others if one.principal not in outdated]
    elsewhere = sorted({one.head for one in facts.verdicts if one.approves and one.head != facts.head})
    void = _void(facts)
    seen: dict[str, object] = {
        "head": facts.head,
        "approved_by": list(names)[:_SHOWN],
        "approvals_by_authors": related[:_SHOWN],
        "approvals_of_another_diff": outdated[:_SHOWN],
        "approved_other_heads": elsewhere[:_SHOWN],
        "approvals_void": dict(list(void.items())[:_SHOWN]),
    }
    if names:
        return Reason("approved", Verdict.ALLOW, "FLT-POL-063", f"approved by {_list(names)} at this head", seen)
    text = "nobody without a part in the change has approved this head; it needs a review"
    if outdated:
        text = (
            f"the base moved, and this head is another change than {_list(tuple(outdated))} approved; review it again"
        )
    elif void:
        name, why = next(iter(void.items()))
        text = f"the approval of {name} lost its force: {why}; this head needs another review"
    return Reason("approved", Verdict.HOLD, "FLT-POL-064", text, seen)


def _void(facts: MergeFacts) -> dict[str, str]:
    """Whose approval of this head lost its force, and who has not spoken since; with the reason."""
    spoken = {one.principal for one in standing(facts)}
    return {
        one.principal: one.void
        for one in facts.verdicts
        if one.approves and one.void and one.head == facts.head and one.principal not in spoken
    }


def no_objection(facts: MergeFacts) -> Reason:
    """HOLD while anybody's latest word on this head is that it needs changes."""
    names = tuple(one.principal for one in standing(facts) if not one.approves)
    seen: dict[str, object] = {"head": facts.head, "changes_requested_by": list(names)[:_SHOWN]}
    if not names:
        return Reason("no_objection", Verdict.ALLOW, "FLT-POL-065", "nobody wants changes at this head", seen)
    text = f"{_list(names)} wants changes at this head; push them, or let the reviewer approve"
    return Reason("no_objection", Verdict.HOLD, "FLT-POL-066", text, seen)


def reviewers_answered(facts: MergeFacts) -> Reason:
    """HOLD until every reviewer asked at this head has answered, or a person waived the answer."""
    answered = {one.principal for one in standing(facts)}
    missing = [one for one in facts.reviewers if not one.waived_by and f"agent:{one.agent}" not in answered]
    seen: dict[str, object] = {
        "head": facts.head,
        "reviewers": {one.agent: one.asked for one in facts.reviewers[:_SHOWN]},
        "waived": {one.agent: one.waived_by for one in facts.reviewers if one.waived_by},
        "missing": sorted(one.agent for one in missing)[:_SHOWN],
    }
    if not missing:
        text = "every reviewer asked at this head has answered or was waived"
        return Reason("reviewers_answered", Verdict.ALLOW, "FLT-POL-067", text, seen)
    names = _list(tuple(sorted(one.agent for one in missing)))
    void = _void(facts)
    again = sorted(f"{one.agent} again: {void[name]}" for one in missing if (name := f"agent:{one.agent}") in void)
    text = f"waiting for {names} to review this head (a person may waive it)"
    if again:
        text = f"waiting for {names} to review this head ({'; '.join(again[:5])}; a person may waive it)"
    return Reason("reviewers_answered", Verdict.HOLD, "FLT-POL-068", text, seen)


def granted_by(facts: MergeFacts) -> tuple[str, ...]:
    """People whose approval of exactly this content stands, and who had no part in the change."""
    return tuple(one.principal for one in facts.grants if not shared_atoms(one.lineage, facts.authors))


def people(facts: MergeFacts) -> tuple[str, ...]:
    """People without a part in the change whose approval of exactly this content counts, however they gave it."""
    counted = approvers(facts)
    reviewed = [
        one.principal
        for one in standing(facts)
        if one.by_person and one.principal in counted and one.content in ("", facts.content)
    ]
    return tuple(dict.fromkeys([*reviewed, *granted_by(facts)]))


def approvals(facts: MergeFacts) -> tuple[tuple[str, ...], ...]:
    """Whose approval of this head counts, reviews and grants alike; who descends from one another stands together."""
    lineages: dict[str, frozenset[str]] = {}
    counted = approvers(facts)
    spoken = [(one.principal, one.lineage) for one in standing(facts) if one.principal in counted]
    granted = [(one.principal, one.lineage) for one in facts.grants if one.principal in granted_by(facts)]
    for name, lineage in (*spoken, *granted):
        lineages[name] = lineages.get(name, frozenset()) | lineage
    groups: list[tuple[tuple[str, ...], frozenset[str]]] = []
    for name, lineage in lineages.items():
        near = [group for group in groups if group[1] & lineage]
        names = (*(one for group in near for one in group[0]), name)
        groups = [group for group in groups if group not in near]
        groups.append((names, lineage.union(*(group[1] for group in near))))
    return tuple(names for names, _ in groups)


def protected_paths(facts: MergeFacts) -> Reason:
    """HOLD changes to protected paths until a person who did not write them has approved exactly this content."""
    found = people(facts)
    seen: dict[str, object] = {"paths": list(facts.protected)[:_SHOWN], "approved_by": list(found)[:_SHOWN]}
    if not facts.protected:
        return Reason("protected_paths", Verdict.ALLOW, "FLT-POL-070", "no protected path is touched", seen)
    if found:
        text = f"{_list(found)} let the protected paths through"
        return Reason("protected_paths", Verdict.ALLOW, "FLT-POL-071", text, seen)
    text = f"{_list(facts.protected)} is protected: a person has to approve this head"
    return Reason("protected_paths", Verdict.HOLD, "FLT-POL-072", text, seen)


def shared_uid(facts: MergeFacts) -> Reason:
    """HOLD merges by agents that share one uid, unless the configuration or a person lets this one through."""
    people = granted_by(facts)
    seen: dict[str, object] = {
        "principal": facts.principal,
        "shared_uid": facts.shared_uid,
        "allow_shared_uid_merge": facts.shared_uid_merge_allowed,
        "approved_by": list(people)[:_SHOWN],
    }
    if facts.principal_is_agent and facts.shared_uid and not facts.shared_uid_merge_allowed:
        if people:
            text = f"{_list(people)} approved this merge at this head"
            return Reason("shared_uid", Verdict.ALLOW, "FLT-POL-075", text, seen)
        text = (
            f"all runs share one uid, so a person approves the merge (fleet approvals) or merges: fleet pr merge"
            f" {facts.number} (or set allow_shared_uid_merge: true)"
        )
        return Reason("shared_uid", Verdict.HOLD, "FLT-POL-074", text, seen)
    return Reason("shared_uid", Verdict.ALLOW, "FLT-POL-073", "this principal may merge", seen)


def base_explained(facts: MergeFacts) -> Reason:
    """HOLD every merge while the base branch stands where no entry of the journal put it."""
    seen: dict[str, object] = {"alarm": facts.base_alarm}
    if not facts.base_alarm:
        text = "every movement of the base branch is explained"
        return Reason("base_explained", Verdict.ALLOW, "FLT-POL-095", text, seen)
    text = f"{facts.base_alarm}; a person has to say what that was (fleet audit accept-base)"
    return Reason("base_explained", Verdict.HOLD, "FLT-POL-096", text, seen)


def _list(names: tuple[str, ...]) -> str:
    """Names in a sentence, cut where it would grow long."""
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
