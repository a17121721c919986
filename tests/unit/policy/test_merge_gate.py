"""The merge gate as a truth table: every combination of its conditions against one boolean sentence."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from fleet.core.decision import Verdict
from fleet.core.live import LiveCheck, WantedCheck
from fleet.policy.decide import MERGE_CHECKS, decide_merge
from fleet.policy.facts import GrantFact, HoldFacts, MergeFacts, ReviewerFact, VerdictFact
from fleet.policy.gates import approvers, standing

H, OLD = "head", "older"
QA = frozenset({"agent:qa", "run:1"})
DEV = frozenset({"agent:dev", "run:0"})
ANN, BOB, DAN = (frozenset({f"human:{name}"}) for name in ("ann", "bob", "dan"))


def facts(**changes: object) -> MergeFacts:
    """A pull request that may be merged by the release manager."""
    fields: dict[str, object] = {
        "number": 8,
        "state": "open",
        "head": H,
        "authors": DEV,
        "verdicts": (said("agent:qa", QA),),
        "reviewers": (ReviewerFact("qa", "dispatched"),),
        "protected": (),
        "principal": "agent:rel",
        "principal_is_agent": True,
        "lineage": frozenset({"agent:rel", "run:9"}),
        "shared_uid": True,
        "shared_uid_merge_allowed": True,
        **changes,
    }
    return MergeFacts(**fields)  # type: ignore[arg-type]


def said(who: str, lineage: frozenset[str], *, approves: bool = True, head: str = H, seq: int = 1) -> VerdictFact:
    """One verdict."""
    return VerdictFact(seq, who, approves, head, lineage)


STRANGER = ("silent", "approves", "quarantined since", "saw another diff")
PERSON = ("silent", "saw this", "saw another content")
GRANT = ("nobody", "a stranger", "an author")
MERGER = ("person", "agent", "author")
YES_NO = (False, True)
# Who said what: everything that depends on one another.
WORDS = tuple(product(STRANGER, YES_NO, YES_NO, YES_NO, YES_NO, PERSON, GRANT, YES_NO, MERGER))
# What by itself is in the way: closed, no head, another base, alarm, hold, red check, conflict.
WAYS = tuple(product(YES_NO, repeat=7))


def judged(words: tuple[Any, ...], ways: tuple[bool, ...]) -> tuple[Verdict, Verdict]:
    """What the gate says of one row of the truth table, and what one boolean sentence does."""
    stranger, author, objects, missing, protected, person, grant, allowed, merger = words
    closed, gone, elsewhere, alarm, held, red, conflict = ways
    verdicts = [] if stranger == "silent" else [
        replace(said("agent:qa", QA, seq=1), void="quarantined" if stranger == "quarantined since" else "",
                diff="d2" if stranger == "saw another diff" else "d1")
    ]  # fmt: skip
    verdicts += [said("agent:dev", DEV, seq=2)] if author else []
    verdicts += [said("agent:lead", frozenset({"agent:lead"}), approves=False, seq=3)] if objects else []
    if person != "silent":
        verdicts.append(replace(said("human:ann", ANN, seq=4), content="c1" if person == "saw this" else "c2"))
    grants = {"nobody": (), "a stranger": (GrantFact("human:bob", BOB),), "an author": (GrantFact("human:dan", DAN),)}
    acting: dict[str, dict[str, object]] = {
        "person": {"principal": "human:ann", "principal_is_agent": False, "lineage": ANN},
        "agent": {},
        "author": {"principal": "agent:dev", "lineage": DEV},
    }
    found = decide_merge(
        facts(
            authors=DEV | DAN,
            diff="d1",
            content="c1",
            verdicts=tuple(verdicts),
            reviewers=(ReviewerFact("sec", "pending"),) if missing else (),
            protected=("CLAUDE.md",) if protected else (),
            grants=grants[grant],
            shared_uid_merge_allowed=allowed,
            state="closed" if closed else "open",
            head="" if gone else H,
            base="main",
            base_ref="release" if elsewhere else "main",
            base_alarm="main moved" if alarm else "",
            hold=HoldFacts(("pr/8",)) if held else HoldFacts(),
            wanted_checks=(WantedCheck("build", 15368),),
            checks=() if red else (green(),),
            conflict="a.py" if conflict else "",
            **acting[merger],
        )
    )
    assert len(found.reasons) == len(MERGE_CHECKS)
    deny = closed or gone or elsewhere or merger == "author"
    good = (stranger == "approves" or person != "silent") and not objects and not missing
    good = good and (not protected or person == "saw this" or grant == "a stranger")
    good = good and (merger == "person" or allowed or grant == "a stranger")
    good = good and not (alarm or held or red or conflict)
    return found.verdict, Verdict.DENY if deny else Verdict.ALLOW if good else Verdict.HOLD


def test_every_combination_of_conditions() -> None:
    """Everybody's words with nothing else in the way; and all that may be in the way, for a few of those."""
    free = (False,) * len(WAYS[0])
    for words, ways in (*((one, free) for one in WORDS), *product(WORDS[:: len(WORDS) // 24], WAYS)):
        found, expected = judged(words, ways)
        assert found is expected, (words, ways)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_whole_truth_table() -> None:
    """Every combination of all of it: more than four hundred thousand rows."""
    assert len(WORDS) * len(WAYS) > 400_000
    wrong = [(words, ways) for words in WORDS for ways in WAYS if len(set(judged(words, ways))) > 1]
    assert wrong == []


REFUSALS = [
    (facts(state="merged"), "pr/8 is merged", "FLT-POL-061"),
    (facts(head=""), "branch of pr/8 is gone", "FLT-POL-062"),
    (facts(verdicts=()), "needs a review", "FLT-POL-064"),
    (facts(verdicts=(said("agent:qa", QA, head=OLD),)), "needs a review", "FLT-POL-064"),
    (facts(verdicts=(said("agent:qa", QA | {"run:0"}),)), "needs a review", "FLT-POL-064"),
    (
        facts(verdicts=(said("agent:qa", QA), said("agent:qa", QA, approves=False, seq=2))),
        "agent:qa wants changes",
        "FLT-POL-066",
    ),
    (
        facts(reviewers=(ReviewerFact("lead", "held"), ReviewerFact("qa", "dispatched"))),
        "waiting for lead",
        "FLT-POL-068",
    ),
    (facts(protected=(".fleet/config.yaml",)), "a person has to approve", "FLT-POL-072"),
    (facts(shared_uid_merge_allowed=False), "fleet pr merge 8", "FLT-POL-074"),
    (facts(lineage=frozenset({"agent:rel", "run:0"})), "another one has to merge it", "FLT-POL-054"),
]


@pytest.mark.parametrize(("case", "words", "code"), REFUSALS, ids=range(len(REFUSALS)))
def test_a_refusal_says_what_to_do(case: MergeFacts, words: str, code: str) -> None:
    """The binding reason in plain words, and its code."""
    decision = decide_merge(case)
    assert decision.verdict is not Verdict.ALLOW
    assert words in decision.text
    assert code in {reason.code for reason in decision.binding}


USUAL = {
    "FLT-POL-060",
    "FLT-POL-063",
    "FLT-POL-065",
    "FLT-POL-067",
    "FLT-POL-070",
    "FLT-POL-053",
    "FLT-POL-073",
    "FLT-POL-095",
    "FLT-POL-120",
    "FLT-POL-130",
    "FLT-POL-132",
    "FLT-POL-134",
}  # what each check says to an ordinary merge
GRANTED = [
    (facts(), USUAL),
    (
        facts(verdicts=(said("agent:qa", QA), said("human:ann", ANN)), protected=("CLAUDE.md",)),
        USUAL - {"FLT-POL-070"} | {"FLT-POL-071"},
    ),
    (
        facts(shared_uid_merge_allowed=False, grants=(GrantFact("human:ann", ANN),)),
        USUAL - {"FLT-POL-073"} | {"FLT-POL-075"},
    ),
]


@pytest.mark.parametrize(("case", "codes"), GRANTED, ids=["ordinary", "protected path", "shared uid"])
def test_a_merge_says_why_it_was_let_through_with_one_code_for_each_check(case: MergeFacts, codes: set[str]) -> None:
    """What the record shows of a merge that nothing stood against."""
    decision = decide_merge(case)
    assert decision.verdict is Verdict.ALLOW
    assert {reason.code for reason in decision.reasons} == codes


def test_the_latest_word_of_each_principal_counts() -> None:
    """Changes first and approval later is an approval; the other way round is none."""
    no, yes = said("agent:qa", QA, approves=False, seq=1), said("agent:qa", QA, seq=2)
    assert decide_merge(facts(verdicts=(no, yes))).verdict is Verdict.ALLOW
    assert [one.approves for one in standing(facts(verdicts=(yes, no)))] == [True]
    later_no = said("agent:qa", QA, approves=False, seq=3)
    assert decide_merge(facts(verdicts=(yes, later_no))).verdict is Verdict.HOLD


def test_an_objection_at_an_older_head_is_history() -> None:
    """What was wanted of a commit that is gone does not bind this one."""
    old = said("agent:lead", frozenset({"agent:lead"}), approves=False, head=OLD, seq=5)
    assert decide_merge(facts(verdicts=(said("agent:qa", QA), old))).verdict is Verdict.ALLOW


def test_a_waived_reviewer_is_not_waited_for() -> None:
    """The waiver names the person who gave it."""
    waiting = (ReviewerFact("qa", "dispatched"), ReviewerFact("lead", "held"))
    waived = (ReviewerFact("qa", "dispatched"), ReviewerFact("lead", "held", waived_by="human:ann"))
    assert decide_merge(facts(reviewers=waiting)).verdict is Verdict.HOLD
    assert decide_merge(facts(reviewers=waived)).verdict is Verdict.ALLOW


def test_a_person_merges_what_others_approved() -> None:
    """Neither shared uid nor authorship keeps a person from merging; the approval is still needed."""
    person: dict[str, object] = {"principal": "human:ann", "principal_is_agent": False, "lineage": ANN}
    own = facts(authors=DEV | ANN, shared_uid_merge_allowed=False, **person)
    assert decide_merge(own).verdict is Verdict.ALLOW
    assert approvers(own) == ("agent:qa",)
    assert decide_merge(facts(authors=DEV | ANN, verdicts=(said("human:ann", ANN),), **person)).verdict is Verdict.HOLD


def test_an_unexplained_movement_of_the_base_holds_every_merge_whoever_asks() -> None:
    for who in ({}, {"principal": "human:ann", "principal_is_agent": False}):
        decision = decide_merge(facts(base_alarm="main moved, and no entry says why", **who))
        assert decision.verdict is Verdict.HOLD
        assert [reason.code for reason in decision.binding] == ["FLT-POL-096"]
    assert decide_merge(facts()).verdict is Verdict.ALLOW


def green(name: str = "build", app: int = 15368, state: str = "passed") -> LiveCheck:
    """A check of a head."""
    return LiveCheck(name, app, state)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("checks", "word"),
    [
        ((green(),), ""),
        ((), "missing"),
        ((green(state="pending"),), "pending"),
        ((green(state="failed"),), "failed"),
        ((green(app=0),), "missing"),
        ((green(app=99),), "missing"),
        ((green(name="Build"),), "missing"),
        ((green(), green(state="failed")), "failed"),
    ],
)
def test_a_required_check_is_green_only_when_the_named_app_says_so(checks: tuple[LiveCheck, ...], word: str) -> None:
    """By the number of the app: anybody who may write can post a status of that name."""
    decision = decide_merge(facts(wanted_checks=(WantedCheck("build", 15368),), checks=checks))
    assert decision.verdict is (Verdict.HOLD if word else Verdict.ALLOW)
    if word:
        assert decision.binding[0].code == "FLT-POL-131"
        assert f"build (app 15368): {word}" in decision.text


def test_a_check_without_an_app_may_be_said_by_anybody() -> None:
    """The configuration says so by leaving the number out."""
    wanted = (WantedCheck("build"),)
    assert decide_merge(facts(wanted_checks=wanted, checks=(green(app=0),))).verdict is Verdict.ALLOW
    both = (green(app=0), green(app=7, state="pending"))
    assert decide_merge(facts(wanted_checks=wanted, checks=both)).verdict is Verdict.HOLD


def test_a_pull_request_into_another_branch_is_not_merged_whoever_approved_it() -> None:
    """The fleet watches over one base branch."""
    decision = decide_merge(facts(base_ref="release", base="main"))
    assert (decision.verdict, decision.binding[0].code) == (Verdict.DENY, "FLT-POL-133")


def test_a_head_that_is_known_to_conflict_is_not_tried_again() -> None:
    """Its author has been told, and goes on with it."""
    decision = decide_merge(facts(conflict="conflicts in a.py"))
    assert (decision.verdict, decision.binding[0].code) == (Verdict.HOLD, "FLT-POL-135")


def test_an_approval_of_another_diff_does_not_count_although_the_head_is_the_same() -> None:
    """The base moved, so that the same commits change something else."""
    approval = replace(said("agent:qa", QA), diff="d1")
    assert decide_merge(facts(verdicts=(approval,), diff="d1")).verdict is Verdict.ALLOW
    decision = decide_merge(facts(verdicts=(approval,), diff="d2"))
    assert (decision.verdict, decision.binding[0].code) == (Verdict.HOLD, "FLT-POL-064")
    assert "another change than agent:qa approved" in decision.text
    again = (approval, replace(said("human:ann", ANN, seq=2), diff="d2"))
    assert decide_merge(facts(verdicts=again, diff="d2")).verdict is Verdict.ALLOW
