"""Budgets at the door: what people see of them, who may grant more, and what is refused for lack of seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.control.acceptance import accept_config
from fleet.core.errors import BudgetRefused, Conflict, NotFound, Refused, UsageError
from fleet.core.work import DeliveryState
from fleet.store import agents, deliveries, runs
from fleet.store.db import Tx
from fleet.testing.desk import ANN, Desk
from fleet.testing.scene import load, member, usual_members

CREW = (
    member("developer", "developer", "ticket_ready", budget_seconds={"seconds": 50, "window": "day"}),
    *(one for one in usual_members() if one.name != "developer"),
)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, CREW, budgets={"fleet_seconds": 1000, "ticket_seconds": 200})
    yield made
    made.close()


def spend(desk: Desk, seconds: float, subject: str = "ticket/1") -> None:
    """A run of the developer that took so long."""
    who = desk.run("developer", subject)

    def use(tx: Tx) -> None:
        desk_run = runs.get(tx, who.run_id)
        tx.run("UPDATE runs SET used_seconds = :used WHERE id = :id", used=seconds, id=desk_run.id)

    desk.end(who)
    desk.db.write(use)


def test_every_budget_is_listed_with_what_is_left(desk: Desk) -> None:
    desk.ticket()
    spend(desk, 20.0)
    found = {row["budget"]: row for row in desk.ask("budgets")["budgets"]}
    assert found["fleet"]["left_seconds"] == 980.0
    assert found["ticket/1"]["left_seconds"] == 180.0
    own = found["agent/developer"]
    assert (own["left_seconds"], own["used_percent"], own["window"]) == (30.0, 40.0, "day")
    assert own["until"]
    assert found["agent/tech-lead"]["budget_seconds"] is None
    assert found["agent/tech-lead"]["left_seconds"] is None, "unlimited is not nothing left"


@pytest.mark.parametrize("target", ["developer", "agent/developer", "ticket/1", "fleet"])
def test_a_person_grants_more_and_it_is_on_record(desk: Desk, target: str) -> None:
    desk.ticket()
    done = desk.ask("budget.grant", target=target, seconds=30, reason="one more round")
    assert done["granted_seconds"] == 30
    assert done["left_seconds"] == done["budget_seconds"] + 30
    (entry,) = desk.entries("budget.granted")
    assert (entry.actor, (entry.payload or {})["seconds"]) == (str(ANN), 30)
    assert "one more round" in entry.summary
    (kept,) = desk.ask("budgets")["grants"]
    assert (kept["budget"], kept["by"]) == (done["budget"], str(ANN))


def test_no_agent_grants_itself_anything(desk: Desk) -> None:
    desk.ticket()
    for name in ("developer", "release-manager"):
        who = desk.run(name, "ticket/1")
        with pytest.raises(Refused) as refused:
            desk.ask("budget.grant", who, target="developer", seconds=30, reason="I need it")
        assert refused.value.code == "FLT-AUT-011"
        desk.end(who)
    assert desk.entries("budget.granted") == []


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("nobody", "FLT-BUD-002"),
        ("tech-lead", "FLT-BUD-003"),
        ("ticket/99", "FLT-FRG-001"),
        ("Not a name", "FLT-CTL-003"),
    ],
)
def test_a_grant_needs_a_budget_to_add_to(desk: Desk, target: str, code: str) -> None:
    with pytest.raises((NotFound, Conflict, UsageError)) as refused:
        desk.ask("budget.grant", target=target, seconds=30, reason="more")
    assert refused.value.code == code


@pytest.mark.parametrize("seconds", [0, -1, 2_000_000_000, "60"])
def test_a_grant_is_a_positive_number_of_seconds(desk: Desk, seconds: object) -> None:
    with pytest.raises(UsageError):
        desk.ask("budget.grant", target="developer", seconds=seconds, reason="more")


def test_a_start_by_hand_is_refused_where_it_would_only_wait(desk: Desk) -> None:
    desk.ticket()
    spend(desk, 50.0)
    for verb, args in (
        ("agent.start", {"name": "developer", "subject": "ticket/1"}),
        ("task.assign", {"name": "developer", "ticket": 1}),
    ):
        with pytest.raises(BudgetRefused) as refused:
            desk.ask(verb, **args)
        assert (refused.value.code, refused.value.exit_code) == ("FLT-BUD-001", 7)
        assert "fleet budget grant developer" in refused.value.message
    desk.ask("budget.grant", target="developer", seconds=30, reason="more")
    assert desk.ask("agent.start", name="developer", subject="ticket/1")["agent"] == "developer"


def test_why_tells_on_one_screen_what_a_held_delivery_waits_for(desk: Desk) -> None:
    desk.ticket()
    spend(desk, 50.0)
    event = desk.publish("ticket_ready", "ticket/1")

    def hold(tx: Tx) -> None:
        made = deliveries.create(
            tx,
            event_seq=event.seq,
            event_id=event.id,
            event_type=event.type,
            agent="developer",
            subject="ticket/1",
            generation="",
            work_item="ticket/1",
        )
        assert made is not None
        assert deliveries.claim(tx, made, token="t", until=tx.now + 1)
        reason = "the budget of developer is exhausted"
        assert deliveries.settle(tx, made, token="t", state=DeliveryState.HELD, reason=reason)

    desk.db.write(hold)
    told = desk.ask("why", ref="ticket/1")["lines"]
    assert len(told) <= 24
    assert any("the budget of developer is exhausted" in line for line in told)
    assert any("The budget of developer is 50 s each day" in line and "50 s used" in line for line in told)
    about = desk.ask("why", ref="developer")["lines"]
    assert any("0 s left" in line for line in about)


def test_a_nearly_used_budget_is_seen_in_the_status(desk: Desk) -> None:
    desk.ticket()
    spend(desk, 45.0)
    needs = [one for one in desk.ask("status")["attention"] if one["kind"] == "nearly_used"]
    assert [one["agent"] for one in needs] == ["developer"]
    assert "90% of the budget of developer" in needs[0]["text"]


# -- who goes on with whose budget -------------------------------------------------------------------


def accounts(desk: Desk) -> dict[str, str]:
    return {row.name: row.account for row in desk.db.read(agents.every)}


def test_renaming_an_agent_gives_it_no_fresh_budget(desk: Desk) -> None:
    """At once, in two steps, and twice over."""

    def named(*names: str) -> None:
        crew = tuple(member(name, "developer", "ticket_ready") for name in names)
        accept_config(desk.db, load((*crew, member("lead", "tech-lead")), desk.loaded.roles), ANN)

    named("one")
    named("two")
    assert accounts(desk)["two"] == "developer", "it left when `one` and `lead` came, and `one` took its place"
    named()
    named("three")
    assert accounts(desk)["three"] == "developer"
    named("three", "four")
    assert accounts(desk)["four"] == "four", "a second developer is one more, not another name of the first"
    named("four")
    named("four", "five")
    assert accounts(desk)["five"] == "developer"


def test_another_role_is_another_budget(desk: Desk) -> None:
    accept_config(desk.db, load((member("scribe", "docs-writer"),), desk.loaded.roles), ANN)
    assert accounts(desk)["scribe"] == "scribe"


CLAUDE = member("coder", "developer", "ticket_ready", vendor="claude-code", budget_tokens=1000, budget_usd=2.5)
AUTH = {"kind": "key_helper", "command": ("echo", "key")}


def test_tokens_and_dollars_are_granted_shown_and_on_record(tmp_path: Path) -> None:
    desk = Desk(tmp_path, (CLAUDE,), auth=AUTH, budgets={"fleet_usd": 10})
    done = desk.ask("budget.grant", target="coder", tokens=500, reason="one more round")
    assert (done["granted"], done["tokens"]["left"]) == ({"unit": "tokens", "amount": 500}, 1500)
    assert done["usd_micros"]["left"] == 2_500_000
    desk.ask("budget.grant", target="fleet", micros=1_000_000, reason="the release")
    rows = {row["budget"]: row for row in desk.ask("budgets")["budgets"]}
    assert rows["fleet"]["usd_micros"]["granted"] == 1_000_000
    assert rows["fleet"]["budget_seconds"] is None
    first, second = desk.entries("budget.granted")
    assert "500 tokens" in first.summary
    assert "$1.00" in second.summary
    with pytest.raises(Conflict) as caught:
        desk.ask("budget.grant", target="fleet", tokens=5, reason="none there")
    assert caught.value.code == "FLT-BUD-003"
    assert any("1,500 tokens" in line or "1,000 tokens" in line for line in desk.ask("why", ref="coder")["lines"])
    desk.close()


def test_a_new_name_goes_on_with_the_tokens_of_the_old_one(tmp_path: Path) -> None:
    desk = Desk(tmp_path, (CLAUDE,), auth=AUTH)
    who = desk.run("coder", "ticket/1")
    desk.end(who)
    desk.db.write(lambda tx: tx.run("UPDATE runs SET used_tokens = 800, used_micros = 5 WHERE id = :id", id=who.run_id))
    renamed = load(
        (member("writer", "developer", vendor="claude-code", budget_tokens=1000),), desk.loaded.roles, auth=AUTH
    )
    accept_config(desk.db, renamed, ANN)
    desk.context.config.replace(renamed)
    (found,) = desk.ask("agent.budget", name="writer")["agents"]
    assert (found["tokens"]["used"], found["tokens"]["left"], found["counts_with"]) == (800, 200, ["coder"])
    desk.close()


@pytest.mark.parametrize("amounts", [{}, {"seconds": 5, "tokens": 5}, {"tokens": 5, "micros": 5}])
def test_a_grant_is_of_exactly_one_kind(desk: Desk, amounts: dict[str, int]) -> None:
    with pytest.raises(UsageError) as caught:
        desk.ask("budget.grant", ANN, target="developer", reason="both", **amounts)
    assert caught.value.code == "FLT-BUD-004"
