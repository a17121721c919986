"""eval: made from the journal of a real store, kept only when asked, never read by what binds."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.core.clock import SECOND
from fleet.core.errors import NotFound, Refused, UsageError
from fleet.core.journal import Draft, Stream
from fleet.core.work import RunState
from fleet.store import journal
from fleet.store.db import Tx
from fleet.testing.desk import Desk


def worked(desk: Desk, agent: str, ticket: int, *, good: bool = True, model: str = "") -> None:
    """A run of an agent, with the entries that the runner writes."""
    item = f"ticket/{ticket}"
    who = desk.run(agent, item, event="ticket_ready")

    def write(tx: Tx) -> None:
        common: dict[str, Any] = {"subject": f"run/{who.run_id}", "agent": agent, "run_id": who.run_id}
        common |= {"work_item": item}
        begun = {"event_type": "ticket_ready", "allowance_seconds": 60.0, "role": who.role, "model": model}
        journal.append(tx, Draft(Stream.ACTIVITY, "run.starting", "system:runner", payload=begun, **common))
        end = "run.succeeded" if good else "run.failed"
        journal.append(tx, Draft(Stream.ACTIVITY, end, "system:runner", payload={"used_seconds": 6.0}, **common))

    desk.db.write(write)
    desk.end(who, RunState.SUCCEEDED if good else RunState.FAILED)


def score(card: dict[str, Any], dimension: str) -> Any:
    """One score of a card."""
    return next(row["score"] for row in card["scores"] if row["dimension"] == dimension)


def test_a_card_is_made_from_the_journal_and_names_its_evidence(desk: Desk) -> None:
    for ticket in (1, 2, 3, 4):
        worked(desk, "developer", ticket, good=ticket != 4)
    card = desk.ask("eval.show", agent="developer")
    assert (card["runs"], score(card, "task_output"), score(card, "cost")) == (4, 75.0, 86.7)
    (failed,) = desk.entries("run.failed")
    assert next(row["against"] for row in card["scores"] if row["dimension"] == "reliability") == [failed.seq]
    assert desk.ask("eval.show", agent="developer") == card


def test_only_the_window_counts(desk: Desk) -> None:
    for ticket in (1, 2, 3):
        worked(desk, "developer", ticket, good=False)
    desk.clock.advance(3600)
    later = desk.clock.now()
    for ticket in (4, 5, 6):
        worked(desk, "developer", ticket)
    assert score(desk.ask("eval.show", agent="developer", since=later), "reliability") == 100.0
    assert score(desk.ask("eval.show", agent="developer", until=later), "reliability") == 0.0
    assert score(desk.ask("eval.show", agent="developer"), "reliability") == 50.0


def test_models_and_roles_are_put_side_by_side(desk: Desk) -> None:
    for ticket in (1, 2, 3):
        worked(desk, "developer", ticket, model="large")
        worked(desk, "developer", ticket, good=False, model="small")
    cards = {card["name"]: card for card in desk.ask("eval.compare", by="model")["cards"]}
    assert (score(cards["large"], "reliability"), score(cards["small"], "reliability")) == (100.0, 0.0)
    (role,) = desk.ask("eval.compare", by="role")["cards"]
    assert (role["name"], score(role, "reliability")) == ("developer", 50.0)


def test_a_kept_card_is_listed_and_changes_no_later_one(desk: Desk) -> None:
    for ticket in (1, 2, 3):
        worked(desk, "developer", ticket)
    before = desk.ask("eval.show", agent="developer")
    (kept,) = desk.ask("eval.run")["cards"]
    (listed,) = desk.ask("eval.list")["evaluations"]
    assert (listed["seq"], listed["name"], listed["scores"]) == (kept["seq"], "developer", before["scores"])
    assert desk.ask("eval.show", agent="developer") == before
    assert desk.ask("eval.list", agent="tech-lead")["evaluations"] == []


def test_an_agent_cannot_have_itself_scored(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    for verb in ("eval.run", "eval.list", "eval.compare"):
        with pytest.raises(Refused):
            desk.ask(verb, who)
    assert desk.entries("evaluation.recorded") == []


def test_a_window_that_ends_before_it_begins_and_an_unknown_agent_are_refused(desk: Desk) -> None:
    with pytest.raises(UsageError) as wrong:
        desk.ask("eval.show", agent="developer", since=20 * SECOND, until=10 * SECOND)
    assert wrong.value.code == "FLT-EVL-001"
    for verb in ("eval.show", "eval.run"):
        with pytest.raises(NotFound) as unknown:
            desk.ask(verb, agent="ghost")
        assert unknown.value.code == "FLT-AGT-001"
