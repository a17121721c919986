"""What may go: each rule by itself, and that no doubt, no live run and no unsaved commit ever goes. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.config.sections import KeepingConfig
from fleet.keeping.choose import DAY, MB, Choice, Kind, Thing, choose

NOW = 1_000 * DAY
LIMITS = KeepingConfig()
OLD = NOW - 500 * DAY
CLONE = Thing("clone", "r1-e1", 10, OLD)
BRANCH = Thing("branch", "refs/heads/fleet/1", 0, OLD, sha="a" * 40)
ESCROW = Thing("escrow", "refs/fleet/escrow/r1-e1", 5 * MB, OLD, sha="a" * 40)


def one(thing: Thing, limits: KeepingConfig = LIMITS) -> Choice:
    """The choice for a thing that is alone."""
    (choice,) = choose([thing], limits, NOW)
    return choice


@pytest.mark.parametrize(
    ("kind", "days"),
    [
        ("clone", LIMITS.clone_days),
        ("run folder", LIMITS.run_days),
        ("escrow", LIMITS.escrow_days),
        ("store copy", LIMITS.backup_days),
        ("left over", 1),
    ],
)
def test_a_thing_stays_for_its_days_and_goes_after_them(kind: Kind, days: int) -> None:
    thing = Thing(kind, "x", 1, NOW - days * DAY + 1)
    assert not one(thing).goes
    assert f"it stays {days} days" in one(thing).why
    assert one(replace(thing, since=thing.since - 1)).goes


def test_what_is_needed_stays_however_old_it_is_and_says_why() -> None:
    choice = one(replace(CLONE, needed="its run is running"))
    assert (choice.goes, choice.why) == (False, "its run is running")


def test_a_branch_goes_when_it_is_merged_or_held_by_saved_work_that_stays() -> None:
    assert one(replace(BRANCH, merged=True)).goes
    held = replace(BRANCH, held_by=ESCROW.name)
    young = replace(ESCROW, since=NOW - DAY)
    assert {choice.thing.kind: choice.goes for choice in choose([held, young], LIMITS, NOW)} == {
        "branch": True,
        "escrow": False,
    }


def test_a_branch_that_is_neither_merged_nor_saved_never_goes() -> None:
    assert one(BRANCH).why == "its commits are neither merged nor saved elsewhere"
    assert not one(BRANCH).goes


def test_a_branch_whose_saved_work_goes_in_the_same_pass_stays() -> None:
    held = replace(BRANCH, held_by=ESCROW.name)
    choices = {choice.thing.kind: choice for choice in choose([held, ESCROW], LIMITS, NOW)}
    assert choices["escrow"].goes
    assert not choices["branch"].goes


def test_merged_saved_work_goes_with_the_branches() -> None:
    merged = replace(ESCROW, merged=True, since=NOW - LIMITS.branch_days * DAY)
    assert one(merged).goes
    assert not one(replace(merged, merged=False)).goes


def test_too_much_saved_work_lets_the_oldest_go_first_but_none_of_today() -> None:
    limits = KeepingConfig(escrow_max_mb=10)
    work = [replace(ESCROW, name=f"refs/fleet/escrow/r{n}-e1", since=NOW - n * DAY) for n in (0, 2, 3, 4, 5)]
    gone = {choice.thing.name[-4] for choice in choose(work, limits, NOW) if choice.goes}
    assert gone == {"5", "4", "3"}
    today = [replace(one_, since=NOW - 1) for one_ in work]
    assert not [choice for choice in choose(today, limits, NOW) if choice.goes]


def things() -> st.SearchStrategy[Thing]:
    """Any thing at all."""
    return st.builds(
        Thing,
        st.sampled_from(["clone", "run folder", "branch", "escrow", "store copy", "left over"]),
        st.sampled_from(["refs/fleet/escrow/a-e1", "refs/fleet/escrow/b-e1", "refs/heads/fleet/1", "x"]),
        st.integers(0, 9000 * MB),
        st.integers(0, NOW + DAY),
        needed=st.sampled_from(["", "its run is running"]),
        merged=st.booleans(),
        sha=st.sampled_from(["a" * 40, "b" * 40]),
        held_by=st.sampled_from(["", "refs/fleet/escrow/a-e1", "refs/fleet/escrow/b-e1"]),
    )


@given(st.lists(things(), max_size=8, unique_by=lambda thing: (thing.kind, thing.name)))
def test_whatever_lies_there_nothing_needed_and_no_commit_that_only_a_branch_has_goes(found: list[Thing]) -> None:
    choices = choose(found, LIMITS, NOW)
    assert len(choices) == len(found)
    leaving = {choice.thing.name for choice in choices if choice.goes and choice.thing.kind == "escrow"}
    for choice in choices:
        assert choice.why
        if choice.goes:
            assert not choice.thing.needed
            if choice.thing.kind == "branch" and not choice.thing.merged:
                assert choice.thing.held_by
                assert choice.thing.held_by not in leaving
