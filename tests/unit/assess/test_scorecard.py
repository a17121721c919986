"""Evaluation: each dimension from counted facts, nothing from text, nothing from too little."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.assess.evidence import TYPES, Cast, Evidence, Start, gather
from fleet.assess.scorecard import DIMENSIONS, MINIMUM, Score, Scorecard, scorecard
from fleet.core.journal import Entry

HEADS = tuple(digit * 40 for digit in "123456")


class Book:
    """A journal of a test: what happened, in order."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.starts: dict[str, Start] = {}

    def run(self, agent: str, item: str = "ticket/1", event: str = "ticket_ready", model: str = "") -> str:
        """A run begins; its id."""
        run_id = f"r{len(self.starts)}"
        self.starts[run_id] = Start(Cast(agent, "developer", model), (item, event, ""), 100.0)
        return run_id

    def put(self, kind: str, run_id: str = "", subject: str = "", head: str = "", **payload: object) -> int:
        """Something is on record; where."""
        agent = self.starts[run_id].cast.agent if run_id else ""
        seq = len(self.entries) + 1
        self.entries.append(
            Entry(
                seq, f"e{seq}", "local", "event", kind, "", f"agent:{agent}", subject, head, "", agent, run_id, "",
                None, "said", seq, "", "", "", payload,
            )
        )  # fmt: skip
        return seq

    def done(self, agent: str, how: str = "run.succeeded", *, seconds: float = 10.0, **more: str) -> int:
        """A whole run."""
        return self.put(how, self.run(agent, **more), used_seconds=seconds)

    def card(self, name: str = "dev", by: str = "agent") -> Scorecard:
        """The scorecard of one of them."""
        found = gather(self.entries, self.starts, lambda cast: str(getattr(cast, by)))
        return scorecard(found.get(name, Evidence()))


def of(card: Scorecard, dimension: str) -> Score:
    """One score."""
    return next(score for score in card.scores if score.dimension == dimension)


def test_nothing_on_record_is_insufficient_data_everywhere() -> None:
    card = Book().card()
    assert [score.value for score in card.scores] == [None] * 6
    assert (card.overall, card.runs) == (None, 0)


@pytest.mark.parametrize("runs", range(MINIMUM + 2))
def test_a_dimension_has_a_value_from_three_facts_on(runs: int) -> None:
    book = Book()
    for number in range(runs):
        book.done("dev", item=f"ticket/{number}")
    assert (of(book.card(), "reliability").value is None) is (runs < MINIMUM)


def test_task_output_counts_pieces_of_work_and_not_attempts() -> None:
    book = Book()
    for item in ("ticket/1", "ticket/2"):
        book.done("dev", item=item)
    book.done("dev", "run.failed", item="ticket/3")
    book.done("dev", item="ticket/3")
    lost = book.done("dev", "run.lost", item="ticket/4")
    card = book.card()
    assert (of(card, "task_output").value, of(card, "task_output").bad) == (75.0, (lost,))
    assert of(card, "reliability").value == 60.0


@pytest.mark.parametrize("how", ["run.failed", "run.timed_out", "run.over_budget", "run.lost"])
def test_every_way_to_end_without_a_result_lowers_reliability(how: str) -> None:
    book = Book()
    for _ in range(3):
        book.done("dev")
    before = of(book.card(), "reliability").value
    seq = book.done("dev", how)
    after = of(book.card(), "reliability")
    assert (before, after.value, after.bad) == (100.0, 75.0, (seq,))


def reviewed(book: Book, pull: int, *, sent_back: bool, seconds: float = 10.0) -> str:
    """A head that one reviewer judged; sent back, it is followed by another, else merged. The author's run."""
    subject, author, reviewer = f"pr/{pull}", book.run("dev", f"ticket/{pull}"), book.run("rev", f"ticket/{pull}")
    book.put("pr_created", author, subject, HEADS[0])
    book.put("run.succeeded", author, used_seconds=seconds)
    book.put("pr_changes_requested" if sent_back else "pr_approved", reviewer, subject, HEADS[0])
    book.put("run.succeeded", reviewer, used_seconds=1.0)
    if sent_back:
        book.put("pr_updated", book.run("dev", f"ticket/{pull}", "pr_changes_requested"), subject, HEADS[1])
    else:
        book.put("pr_merged", "", subject, HEADS[0])
    return author


def test_an_author_is_judged_by_the_heads_that_stood_and_the_time_that_was_kept() -> None:
    book = Book()
    for pull in (1, 2, 3):
        reviewed(book, pull, sent_back=False)
    reviewed(book, 4, sent_back=True, seconds=30.0)
    card = book.card()
    assert (of(card, "output_quality").value, of(card, "output_quality").facts) == (75.0, 4)
    assert of(card, "efficiency").value == 50.0


def test_a_reviewer_is_judged_by_what_others_found_and_did() -> None:
    book = Book()
    reviewed(book, 1, sent_back=False)  # merged: the approval stood
    reviewed(book, 2, sent_back=True)  # the author changed something: the request stood
    author, other = book.run("dev"), book.run("second")
    book.put("pr_created", author, "pr/3", HEADS[0])
    missed = book.put("pr_approved", book.run("rev"), "pr/3", HEADS[0])
    book.put("pr_changes_requested", other, "pr/3", HEADS[0])
    quality = of(book.card("rev"), "output_quality")
    assert (quality.facts, round(quality.value or 0), quality.bad) == (3, 67, (missed,))


def test_an_approval_that_nothing_confirmed_yet_counts_for_nobody() -> None:
    book = Book()
    book.put("pr_created", book.run("dev"), "pr/1", HEADS[0])
    book.put("pr_approved", book.run("rev"), "pr/1", HEADS[0])
    assert of(book.card("rev"), "output_quality").facts == 0


def test_a_release_manager_is_judged_by_the_attempts_that_the_gate_let_through() -> None:
    book = Book()
    for pull in range(3):
        book.put("pr_merged", book.run("rel"), f"pr/{pull}", HEADS[0])
    refused = book.put("merge.refused", book.run("rel"), "pr/9", HEADS[0])
    quality = of(book.card("rel"), "output_quality")
    assert (quality.value, quality.bad) == (75.0, (refused,))


def test_collaboration_is_the_mean_of_the_shares_that_have_data() -> None:
    book = Book()
    run = book.run("dev")
    shown = book.put("message.delivered", run, messages=[1, 2])
    book.put("message.consumed", run, messages=[1])
    book.put("task_completed", run)
    book.put("run.succeeded", run, used_seconds=1.0)
    score = of(book.card(), "collaboration")
    assert score.value == pytest.approx(100 * (0.5 + 1.0 + 1.0) / 3)
    assert score.bad == (shown,)


def test_a_refused_request_and_an_unexplained_failure_lower_collaboration() -> None:
    book = Book()
    said = book.run("dev")
    book.put("blocker", said)
    book.put("run.failed", said, used_seconds=1.0)
    silent = book.run("dev")
    refused = book.put("request.refused", silent)
    ended = book.put("run.failed", silent, used_seconds=1.0)
    score = of(book.card(), "collaboration")
    assert (score.value, score.bad) == (50.0, (refused, ended))


def test_cost_is_the_granted_time_that_delivered_work_did_not_need() -> None:
    book = Book()
    for item in ("ticket/1", "ticket/2", "ticket/3"):
        book.done("dev", item=item, seconds=25.0)
    assert of(book.card(), "cost").value == 75.0
    book.done("dev", "run.failed", item="ticket/4", seconds=75.0)
    assert of(book.card(), "cost").value == 50.0


def test_time_whose_record_was_erased_counts_for_nothing_and_against_nothing() -> None:
    book = Book()
    for item in ("ticket/1", "ticket/2", "ticket/3"):
        book.done("dev", item=item, seconds=25.0)
    run = book.run("dev", "ticket/4")
    book.put("run.succeeded", run)
    card = book.card()
    assert (of(card, "cost").value, of(card, "efficiency").value, of(card, "reliability").value) == (75.0, 100.0, 100.0)


def test_runs_are_compared_by_the_model_that_they_were_given() -> None:
    book = Book()
    for number in range(3):
        book.done("dev", item=f"ticket/{number}", model="large")
        book.done("dev", "run.failed", item=f"ticket/{number}", model="small")
    assert of(book.card("large", "model"), "reliability").value == 100.0
    assert of(book.card("small", "model"), "reliability").value == 0.0


MESSY = st.lists(
    st.tuples(
        st.sampled_from((*TYPES, "label.changed", "note")),
        st.integers(0, 3),
        st.integers(1, 3),
        st.sampled_from(HEADS[:3]),
        st.floats(0, 1000),
    ),
    max_size=60,
)


def messy(facts: list[tuple[str, int, int, str, float]]) -> Book:
    """A journal in which anything follows anything."""
    book = Book()
    runs = [book.run(agent, f"ticket/{n}") for n in range(2) for agent in ("dev", "rev")]
    for kind, run, pull, head, seconds in facts:
        book.put(kind, runs[run], f"pr/{pull}", head, used_seconds=seconds, messages=[pull])
    return book


@settings(max_examples=150, deadline=None)
@given(MESSY)
def test_every_score_of_any_history_lies_between_0_and_100_and_is_made_of_its_own_evidence(
    facts: list[tuple[str, int, int, str, float]],
) -> None:
    book = messy(facts)
    known = {entry.seq for entry in book.entries}
    for name in ("dev", "rev"):
        card = book.card(name)
        assert [score.dimension for score in card.scores] == [row.name for row in DIMENSIONS]
        for score in card.scores:
            assert score.value is None or 0.0 <= score.value <= 100.0
            assert known >= {*score.good, *score.bad}
            assert not set(score.good) & set(score.bad)


@settings(max_examples=100, deadline=None)
@given(MESSY, st.text(max_size=40))
def test_no_text_that_an_agent_writes_changes_any_score(
    facts: list[tuple[str, int, int, str, float]], text: str
) -> None:
    book, praised = messy(facts), messy(facts)
    praised.entries = [
        replace(
            entry, summary=text, payload={**(entry.payload or {}), "body": text, "title": text, "score": 100}
        )
        for entry in praised.entries
    ]  # fmt: skip
    assert praised.card("dev") == book.card("dev")


@settings(max_examples=60, deadline=None)
@given(MESSY)
def test_a_kept_scorecard_does_not_change_the_next_one(facts: list[tuple[str, int, int, str, float]]) -> None:
    book = messy(facts)
    before = book.card("dev")
    book.put("evaluation.recorded", "", "agent/dev", scores=[{"dimension": "cost", "score": 100}])
    assert book.card("dev") == before
