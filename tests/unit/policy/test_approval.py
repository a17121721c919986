"""What a person is asked, what the answer is bound to, and that it counts for that and for nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.policy.test_merge_gate import ANN, H, facts, said

from fleet.core.approval import APPROVAL_MOVES, Approval, ApprovalState
from fleet.core.decision import Verdict
from fleet.core.pin import text_digest
from fleet.policy.approval import MERGE, Content, may_ask, question, standing, what_changed
from fleet.policy.decide import decide_merge
from fleet.policy.facts import GrantFact, ReviewerFact

NOW = Content(H, "text", "diff", "policy")
BY_ANN = GrantFact("human:ann", ANN)


def asked(state: ApprovalState = ApprovalState.REQUESTED, **changes: object) -> Approval:
    """A question about NOW."""
    fields: dict[str, object] = {
        "id": "a1",
        "asked": MERGE,
        "subject": "pr/8",
        "generation": H,
        "work_item": "ticket/7",
        "agent": "rel",
        "cause_id": "e1",
        "base": "b",
        "content": NOW.seal,
        "bound": NOW.parts(),
        "reasons": (),
        "state": state,
        "requested_at": 10,
        "expires_at": 100,
        "decided_at": None if state is ApprovalState.REQUESTED else 20,
        "decided_by": "",
        "reason": "",
        **changes,
    }
    return Approval(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "checks"),
    [
        ({"protected": ("CLAUDE.md",)}, ["protected_paths"]),
        ({"shared_uid_merge_allowed": False}, ["shared_uid"]),
        ({"protected": ("CLAUDE.md",), "shared_uid_merge_allowed": False}, ["protected_paths", "shared_uid"]),
        ({}, []),
        ({"protected": ("CLAUDE.md",), "verdicts": ()}, []),
        ({"protected": ("CLAUDE.md",), "reviewers": (ReviewerFact("sec", "pending"),)}, []),
        ({"protected": ("CLAUDE.md",), "verdicts": (said("agent:qa", frozenset(), approves=False),)}, []),
        ({"protected": ("CLAUDE.md",), "state": "closed"}, []),
        ({"protected": ("CLAUDE.md",), "lineage": frozenset({"agent:dev"})}, []),
    ],
)
def test_a_person_is_asked_when_nothing_else_is_missing(changes: dict[str, object], checks: list[str]) -> None:
    assert [reason.check for reason in question(MERGE, decide_merge(facts(**changes)))] == checks


@pytest.mark.parametrize("held", [{"protected": ("CLAUDE.md",)}, {"shared_uid_merge_allowed": False}])
def test_a_grant_answers_every_question_that_was_asked(held: dict[str, object]) -> None:
    assert decide_merge(facts(**held)).verdict is Verdict.HOLD
    assert decide_merge(facts(**held, grants=(BY_ANN,))).verdict is Verdict.ALLOW


@pytest.mark.parametrize("held", [{"protected": ("CLAUDE.md",)}, {"shared_uid_merge_allowed": False}])
def test_a_grant_by_an_author_counts_for_nothing(held: dict[str, object]) -> None:
    found = decide_merge(facts(**held, grants=(BY_ANN,), authors=ANN))
    assert found.verdict is Verdict.HOLD


@pytest.mark.parametrize(
    "missing",
    [
        {"verdicts": ()},
        {"reviewers": (ReviewerFact("sec", "pending"),)},
        {"verdicts": (said("agent:qa", frozenset(), approves=False),)},
        {"state": "merged"},
    ],
)
def test_a_grant_replaces_no_review_and_overrules_no_objection(missing: dict[str, object]) -> None:
    found = decide_merge(facts(protected=("CLAUDE.md",), grants=(BY_ANN,), **missing))
    assert found.verdict is not Verdict.ALLOW


def test_a_persons_review_lets_protected_paths_through_only_for_what_was_seen() -> None:
    qa, ann = said("agent:qa", frozenset({"agent:qa"})), said("human:ann", ANN, seq=2)

    def verdict(seal: str) -> Verdict:
        verdicts = (qa, replace(ann, content=seal))
        return decide_merge(facts(protected=("CLAUDE.md",), verdicts=verdicts, content=NOW.seal)).verdict

    assert (verdict(NOW.seal), verdict("another"), verdict("")) == (Verdict.ALLOW, Verdict.HOLD, Verdict.ALLOW)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("head", "the head moved from head to new"),
        ("text", "the text of the ticket was edited"),
        ("diff", "the diff is another one"),
        ("policy", "the policy that it depends on was changed"),
    ],
)
def test_each_part_voids_by_itself_and_is_named(part: str, words: str) -> None:
    changed = replace(NOW, **{part: "new"})
    assert changed.seal != NOW.seal
    assert what_changed(NOW.parts(), changed) == (words,)
    for state in (ApprovalState.REQUESTED, ApprovalState.GRANTED):
        found = standing(asked(state), "open", changed, 50)
        assert (found.word, found.why) == ("void", (words,))


def test_a_title_cannot_pass_for_a_body() -> None:
    assert text_digest("a", "bc") != text_digest("ab", "c")


@pytest.mark.parametrize(
    ("state", "pull", "now", "word"),
    [
        ("requested", "open", 99, "requested"),
        ("requested", "open", 100, "expired"),
        ("requested", "merged", 99, "void"),
        ("requested", "closed", 99, "void"),
        ("granted", "open", 99, "granted"),
        ("granted", "open", 100, "expired"),
        ("granted", "merged", 100, "granted"),
        ("granted", "closed", 99, "void"),
        ("refused", "open", 999, "refused"),
        ("expired", "open", 1, "expired"),
    ],
)
def test_how_an_approval_stands(state: str, pull: str, now: int, word: str) -> None:
    assert standing(asked(ApprovalState(state)), pull, NOW, now).word == word


def test_the_same_is_asked_once_and_after_it_expired_for_newer_work_only() -> None:
    def may(*before: Approval, since: int = 0, seal: str = NOW.seal) -> bool:
        return may_ask(before, MERGE, seal, since)

    assert may()
    for state in (ApprovalState.REQUESTED, ApprovalState.GRANTED, ApprovalState.REFUSED):
        assert not may(asked(state), since=1000)
    gone = asked(ApprovalState.EXPIRED, decided_at=20)
    assert (may(gone, since=20), may(gone, since=21)) == (False, True)
    assert may(asked(), seal="another")


def test_an_answer_is_final() -> None:
    assert APPROVAL_MOVES[ApprovalState.REFUSED] == APPROVAL_MOVES[ApprovalState.EXPIRED] == frozenset()
    assert APPROVAL_MOVES[ApprovalState.GRANTED] == {ApprovalState.EXPIRED}
