"""What a person is asked, what the answer is bound to, and whether it still holds. Pure.

A question is asked when nothing but a person's word is missing. The answer is bound to everything the person
could judge: the head, the issue's text, the diff, and the configuration in force; any change voids it.
A later named gate is another value of ``asked`` with another set of checks that a person answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from fleet.core.approval import Approval, ApprovalState
from fleet.core.decision import Decision, Reason, Verdict

MERGE = "merge"
# For each question the checks whose HOLD a person's grant answers.
ANSWERED_BY_A_PERSON: Mapping[str, frozenset[str]] = {MERGE: frozenset({"protected_paths", "shared_uid"})}


@dataclass(frozen=True, slots=True)
class Content:
    """What an answer is bound to: a commit and three digests (issue text, diff, configuration)."""

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


def text_digest(title: str, body: str) -> str:
    """The digest of an issue's text."""
    return hashlib.sha256(f"{len(title)}:{title}{body}".encode("utf-8", "surrogatepass")).hexdigest()


def question(asked: str, decision: Decision) -> tuple[Reason, ...]:
    """Why a person is asked: what holds, if a person's word is all that is missing; else nothing."""
    holding = tuple(reason for reason in decision.reasons if reason.verdict is not Verdict.ALLOW)
    answers = ANSWERED_BY_A_PERSON[asked]
    for_a_person = all(reason.verdict is Verdict.HOLD and reason.check in answers for reason in holding)
    return holding if for_a_person else ()


def what_changed(then: Mapping[str, str], now: Content) -> tuple[str, ...]:
    """What is not as it was, in words."""
    words = {
        "head": f"the head moved from {then.get('head', '')[:12]} to {now.head[:12] or 'no commit'}",
        "text": "the text of the ticket was edited",
        "diff": "the diff is another one",
        "policy": "the configuration was changed",
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
