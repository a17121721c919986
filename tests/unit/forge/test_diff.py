"""What the watcher makes of a snapshot: every event once, whatever is missed, repeated or half done."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from random import Random
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.pin import text_digest
from fleet.forge.diff import Facts, ForgeFact, changes
from fleet.forge.port import LabelMark, Pull, Snapshot, Ticket

HEAD, OTHER = "a" * 40, "b" * 40


def mark(name: str, mark_id: str = "m1", at: int = 1) -> LabelMark:
    """A label that was put on."""
    return LabelMark(name, "human:ann", mark_id, at)


def ticket(number: int = 7, *labels: LabelMark, state: Literal["open", "closed"] = "open") -> Ticket:
    """A ticket with labels."""
    return Ticket(number, "Fix it", "body", state, "human:ann", labels, 1, 1)


def pull(
    number: int = 8,
    *labels: LabelMark,
    state: Literal["open", "closed", "merged"] = "open",
    head: str = HEAD,
    of: int = 7,
) -> Pull:
    """A pull request with labels."""
    merged = head if state == "merged" else ""
    commit = "c" * 40 if state == "merged" else ""
    return Pull(
        number, "The fix", "", state, "agent:developer", of, f"fleet/{of}", "main", head, "d" * 40, labels, merged,
        commit, 1, 100,
    )  # fmt: skip


def shot(*items: Ticket | Pull, complete: bool = True) -> Snapshot:
    """A snapshot of some tickets and pull requests."""
    return Snapshot(
        tuple(item for item in items if isinstance(item, Ticket)),
        tuple(item for item in items if isinstance(item, Pull)),
        complete,
    )


def keys(old: Facts, snapshot: Snapshot, required_label: str = "") -> list[str]:
    """The keys of the events that a snapshot gives rise to."""
    return [fact.dedup_key for fact in changes(old, snapshot, required_label=required_label)[0]]


def after(*snapshots: Snapshot, required_label: str = "") -> tuple[list[str], Facts]:
    """All keys that a row of looks gives rise to, and the facts at the end."""
    facts: Facts = {}
    found: list[str] = []
    for snapshot in snapshots:
        events, facts = changes(facts, snapshot, required_label=required_label)
        found += [event.dedup_key for event in events]
    return found, facts


# -- tickets -------------------------------------------------------------------------------------------


def test_a_ticket_is_announced_once_as_created_and_once_as_ready() -> None:
    looks = (shot(ticket()), shot(ticket(7, mark("ready"))), shot(ticket(7, mark("ready"))))
    found, _ = after(*looks)
    assert found == ["ticket_created:ticket/7", "ticket_ready:ticket/7:m1"]


def test_a_label_put_on_again_is_news() -> None:
    looks = (shot(ticket(7, mark("ready"))), shot(ticket()), shot(ticket(7, mark("ready", "m2"))))
    assert after(*looks)[0][1:] == [
        "ticket_ready:ticket/7:m1",
        "ticket_unready:ticket/7:m1",
        "ticket_ready:ticket/7:m2",
    ]
    quick = (shot(ticket(7, mark("ready"))), shot(ticket(7, mark("ready", "m2"))))  # between two looks
    assert after(*quick)[0][1:] == ["ticket_ready:ticket/7:m1", "ticket_ready:ticket/7:m2"]


def test_what_makes_a_ticket_ready_taken_off_is_news_once() -> None:
    ready, both = shot(ticket(7, mark("ready"))), shot(ticket(7, mark("ready"), mark("fleet", "m2")))
    assert after(ready, shot(ticket()), shot(ticket()))[0][2:] == ["ticket_unready:ticket/7:m1"]
    assert after(both, ready, ready, required_label="fleet")[0][2:] == ["ticket_unready:ticket/7:m1"]


def test_a_ticket_that_is_closed_is_news_each_time() -> None:
    closed = shot(ticket(state="closed"))
    assert after(shot(ticket()), closed, closed)[0][1:] == ["ticket_closed:ticket/7:1"]
    again = after(shot(ticket()), closed, shot(ticket()), closed)[0]
    assert again[1:] == ["ticket_closed:ticket/7:1", "ticket_closed:ticket/7:2"]
    at_once = after(shot(ticket(7, mark("ready"))), closed)[0]
    assert at_once[2:] == ["ticket_closed:ticket/7:1"], "closed is said, and not that it is unready as well"


def test_what_a_merge_closes_and_takes_off_is_no_news_of_its_own() -> None:
    ready, open_pull = ticket(7, mark("ready", at=50)), pull(8, mark("needs-review", "m3"))
    merged = pull(8, state="merged")
    by_github = (shot(ready, open_pull), shot(ticket(7, mark("ready", at=50), state="closed"), merged))
    by_fleet = (shot(ready, open_pull), shot(ticket(7, mark("shipped", "m4"), state="closed"), merged))
    labels_first = (shot(ready, open_pull), shot(ticket(7, mark("shipped", "m4")), merged))
    for looks in (by_github, by_fleet, labels_first):
        assert not [key for key in after(*looks)[0] if key.startswith(("ticket_closed", "ticket_unready"))]


def test_a_ticket_that_is_ready_again_after_a_merge_can_be_closed_like_any_other() -> None:
    merged = pull(8, state="merged")  # at 100
    again = ticket(7, mark("ready", "m5", at=200))
    looks = (shot(ticket()), shot(ticket(), merged), shot(again, merged), shot(ticket(state="closed"), merged))
    assert after(*looks)[0][-1] == "ticket_closed:ticket/7:1"


def test_a_required_label_must_be_there_as_well() -> None:
    assert after(shot(ticket(7, mark("ready"))), required_label="fleet")[0] == ["ticket_created:ticket/7"]
    for order in permutations([mark("ready"), mark("fleet", "m2")]):
        looks = (shot(ticket(7, order[0])), shot(ticket(7, *order)))
        assert after(*looks, required_label="fleet")[0][1:] == ["ticket_ready:ticket/7:m1"]


def test_a_closed_ticket_is_not_ready_but_may_be_shipped() -> None:
    closed = ticket(7, mark("ready"), mark("shipped", "m2"), state="closed")
    assert after(shot(ticket()), shot(closed), shot(closed))[0][1:] == ["ticket_shipped:ticket/7:m2"]


@pytest.mark.parametrize(
    "name", ["Ready", "READY", "ready ", "r\u0435ady", "re\u00adady", "ready\u200b", "ready!", "", "\uff52eady"]
)
def test_a_look_alike_label_is_nothing(name: str) -> None:
    assert after(shot(ticket(7, mark(name))))[0] == ["ticket_created:ticket/7"]
    assert after(shot(ticket(7, mark("ready"), mark(name, "m2"))), required_label="fleet")[0] == [
        "ticket_created:ticket/7"
    ]


@pytest.mark.parametrize("name", ["Needs-Review", "needs_review", "needs\u2010review", "needs-r\u0435view"])
def test_a_look_alike_asks_for_no_review(name: str) -> None:
    assert after(shot(pull(8, mark(name))))[0] == []


def test_what_an_event_carries() -> None:
    events, _ = changes({}, shot(ticket(7, mark("ready")), pull(8, mark("needs-review"))))
    created, ready, review = events
    assert (created.type, created.subject, created.work_item, created.generation) == (
        "ticket_created", "ticket/7", "ticket/7", "",
    )  # fmt: skip
    pin = text_digest(ticket(7).title, ticket(7).body)
    assert ready.payload == {"ticket": 7, "title": "Fix it", "author": "human:ann", "text": pin}
    assert (review.subject, review.work_item, review.generation) == ("pr/8", "ticket/7", HEAD)
    assert review.payload == {
        "ticket": 7, "pr": 8, "branch": "fleet/7", "base": "main", "head": HEAD, "title": "The fix",
        "author": "agent:developer", "text": text_digest(pull(8).title, pull(8).body),
    }  # fmt: skip
    (alone,) = changes({}, shot(pull(9, mark("needs-review"), of=0)))[0]
    assert alone.work_item == "pr/9"


def test_a_title_of_any_size_fits_into_an_event() -> None:
    (event,) = changes({}, shot(replace(ticket(), title="x" * 1_000_000)))[0]
    assert len(str(event.payload["title"])) == 300


# -- pull requests -------------------------------------------------------------------------------------


def test_a_review_is_asked_for_once_for_each_head() -> None:
    looks = (
        shot(pull(8, mark("needs-review"))),
        shot(pull(8, mark("needs-review"))),
        shot(pull(8, mark("needs-review"), head=OTHER)),
    )
    assert after(*looks)[0] == [f"pr_needs_review:pr/8:{HEAD}", f"pr_needs_review:pr/8:{OTHER}"]


def test_a_pull_request_without_a_branch_or_not_open_needs_no_review() -> None:
    assert keys({}, shot(pull(8, mark("needs-review"), head=""))) == []
    assert f"pr_needs_review:pr/8:{HEAD}" not in keys({}, shot(pull(8, mark("needs-review"), state="merged")))


def test_a_pull_request_closed_again_after_it_was_opened_again_is_news() -> None:
    looks = (shot(pull()), shot(pull(state="closed")), shot(pull()), shot(pull(state="closed")))
    assert after(*looks)[0] == ["pr_closed:pr/8:1", "pr_closed:pr/8:2"]


def test_a_merge_is_announced_once_and_is_no_closing() -> None:
    events, facts = changes({}, shot(pull()))
    events, facts = changes(facts, shot(pull(state="merged")))
    assert [(event.type, event.generation, event.payload["merge_commit"]) for event in events] == [
        ("pr_merged", HEAD, "c" * 40)
    ]
    assert keys(facts, shot(pull(state="merged"))) == []


def test_whoever_merged_may_announce_it_first() -> None:
    _, facts = changes({}, shot(pull()))
    early, facts = changes(facts, shot(pull(state="merged")), settled_before=100)
    assert early == []
    late, _ = changes(facts, shot(pull(state="merged")), settled_before=101)
    assert [event.dedup_key for event in late] == ["pr_merged:pr/8"]


def test_what_was_opened_and_closed_between_two_looks_is_announced() -> None:
    _, facts = changes({}, shot(ticket(7)))
    assert keys(facts, shot(ticket(7), pull(8, state="merged"))) == ["pr_merged:pr/8"]
    assert keys(facts, shot(ticket(7), pull(8, state="closed"))) == ["pr_closed:pr/8:1"]
    assert keys(facts, shot(ticket(7), ticket(9, state="closed"))) == ["ticket_created:ticket/9"]


def test_an_old_one_that_comes_into_view_again_is_not_news() -> None:
    _, facts = changes({}, shot(ticket(20)))
    old = shot(ticket(20), ticket(3, state="closed"), pull(4, state="merged"), pull(5, state="closed"))
    events, facts = changes(facts, old)
    assert events == []
    assert keys(facts, old) == []


# -- absence -------------------------------------------------------------------------------------------


def test_what_a_complete_snapshot_does_not_list_is_gone() -> None:
    _, facts = changes({}, shot(ticket(), pull()))
    events, facts = changes(facts, shot(ticket()))
    assert [(event.dedup_key, event.work_item) for event in events] == [("pr_closed:pr/8:1", "ticket/7")]
    assert keys(facts, shot(ticket())) == []
    assert keys(facts, shot(ticket(), pull(state="closed"))) == []


def test_absence_from_an_incomplete_snapshot_means_nothing() -> None:
    _, facts = changes({}, shot(ticket(), pull()))
    events, kept = changes(facts, shot(complete=False))
    assert events == []
    assert kept == facts


# -- properties ----------------------------------------------------------------------------------------

NAMES = ("ready", "shipped", "needs-review", "approved", "fleet", "Ready", "r\u0435ady")
LABELS = st.lists(
    st.builds(mark, st.sampled_from(NAMES), st.sampled_from(["m1", "m2", "m3"]), st.integers(1, 3)), max_size=4
).map(lambda marks: tuple({each.name: each for each in marks}.values()))
TICKETS = st.builds(
    lambda number, labels, state: ticket(number, *labels, state=state),
    st.integers(1, 6), LABELS, st.sampled_from(["open", "closed"]),
)  # fmt: skip
PULLS = st.builds(
    lambda number, labels, state, head, of: pull(number, *labels, state=state, head=head, of=of),
    st.integers(11, 16), LABELS, st.sampled_from(["open", "closed", "merged"]),
    st.sampled_from([HEAD, OTHER, ""]), st.integers(0, 3),
)  # fmt: skip


@st.composite
def snapshots(draw: st.DrawFn, complete: bool | None = None) -> Snapshot:
    """A snapshot in which no number is listed twice."""
    listed_tickets = draw(st.lists(TICKETS, max_size=5, unique_by=lambda each: each.number))
    listed_pulls = draw(st.lists(PULLS, max_size=5, unique_by=lambda each: each.number))
    whole = draw(st.booleans()) if complete is None else complete
    return Snapshot(tuple(listed_tickets), tuple(listed_pulls), whole)


LABEL = st.sampled_from(["", "fleet"])


@given(st.lists(snapshots(), max_size=4), snapshots(), LABEL)
def test_the_same_look_gives_the_same_events_and_a_second_one_none(
    before: list[Snapshot], snapshot: Snapshot, label: str
) -> None:
    _, old = after(*before, required_label=label)
    once, facts = changes(old, snapshot, required_label=label)
    again, _ = changes(old, snapshot, required_label=label)
    assert again == once  # a kill before the commit: the next start says the same
    assert keys(facts, snapshot, label) == []  # a kill after the commit: nothing is left to say
    assert len({fact.dedup_key for fact in once}) == len(once)


@given(st.lists(snapshots(), max_size=3), snapshots(), st.randoms(use_true_random=False), LABEL)
def test_the_order_of_a_listing_means_nothing(
    before: list[Snapshot], snapshot: Snapshot, random: Random, label: str
) -> None:
    _, old = after(*before, required_label=label)
    tickets = [replace(each, labels=shuffled(random, each.labels)) for each in snapshot.tickets]
    pulls = [replace(each, labels=shuffled(random, each.labels)) for each in snapshot.pulls]
    random.shuffle(tickets)
    random.shuffle(pulls)
    mixed = Snapshot(tuple(tickets), tuple(pulls), snapshot.complete)
    assert changes(old, mixed, required_label=label) == changes(old, snapshot, required_label=label)


def shuffled(random: Random, labels: tuple[LabelMark, ...]) -> tuple[LabelMark, ...]:
    """Labels in another order."""
    return tuple(random.sample(labels, len(labels)))


@given(st.lists(snapshots(), max_size=3), snapshots(complete=False))
def test_an_incomplete_look_says_nothing_about_what_it_does_not_list(
    before: list[Snapshot], snapshot: Snapshot
) -> None:
    _, old = after(*before)
    events, facts = changes(old, snapshot)
    listed = {f"ticket/{each.number}" for each in snapshot.tickets} | {f"pr/{each.number}" for each in snapshot.pulls}
    assert {event.subject for event in events} <= listed
    assert {subject: facts[subject] for subject in set(old) - listed} == {
        subject: old[subject] for subject in set(old) - listed
    }


@given(snapshots(complete=True), st.sets(st.integers(1, 16)))
def test_a_page_that_was_missing_is_made_up_for_by_the_next_look(snapshot: Snapshot, missing: set[int]) -> None:
    part = Snapshot(
        tuple(each for each in snapshot.tickets if each.number not in missing),
        tuple(each for each in snapshot.pulls if each.number not in missing and each.state == "open"),
        complete=False,
    )
    live = replace(snapshot, pulls=tuple(each for each in snapshot.pulls if each.state == "open"))
    found, _ = after(part, live)
    # A ticket that was closed before it was first seen is known late or never; every other event comes.
    late = {f"ticket_created:ticket/{each.number}" for each in live.tickets if each.state == "closed"}
    assert set(after(live)[0]) - late == set(found) - late


@given(LABELS, LABELS, st.sampled_from([HEAD, OTHER]))
def test_both_orders_of_a_label_swap_end_in_the_same_events(
    first: tuple[LabelMark, ...], second: tuple[LabelMark, ...], head: str
) -> None:
    """Labels are taken off and put on one by one; a look in between sees all, none or some of them."""
    start, end = shot(ticket(7, *first), pull(8, *first)), shot(ticket(7, *second), pull(8, *second, head=head))
    both = tuple({each.name: each for each in (*first, *second)}.values())
    neither = tuple(each for each in second if each in first)
    endings = []
    for between in (both, neither):
        middle = shot(ticket(7, *between), pull(8, *between, head=head))
        found, facts = after(start, middle, end)
        endings.append((set(found) - set(after(start, middle)[0]), facts, found))
    (_, facts_one, found_one), (_, facts_two, found_two) = endings
    assert facts_one == facts_two
    wanted = set(after(start, end)[0])
    assert wanted <= set(found_one)
    assert wanted <= set(found_two)


@given(st.lists(PULLS, min_size=2, max_size=6))
def test_one_that_is_listed_twice_counts_once(listed: list[Pull]) -> None:
    stamped = [replace(each, updated_at=at) for at, each in enumerate(listed)]
    newest = {each.number: each for each in stamped}
    once = Snapshot((), tuple(newest.values()), complete=True)
    assert changes({}, Snapshot((), tuple(stamped), complete=True)) == changes({}, once)


def test_facts_survive_being_stored() -> None:
    events, facts = changes({}, shot(ticket(7, mark("ready")), pull(8, mark("needs-review"))))
    assert all(isinstance(event, ForgeFact) for event in events)
    assert {type(value) for known in facts.values() for value in known.values()} <= {str, int}
