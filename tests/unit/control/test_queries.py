"""Reads: what they show, and that paging through the log loses nothing."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.control.queries import entry_dicts
from fleet.core.errors import UsageError
from fleet.core.journal import Entry
from fleet.core.work import RunState
from fleet.testing.desk import ANN, Desk


def test_ps_shows_live_runs_and_with_all_also_ended_ones(desk: Desk) -> None:
    ended = desk.run("developer", "ticket/1")
    desk.end(ended)
    live = desk.run("developer", "ticket/2")
    desk.clock.advance(5)
    (shown,) = desk.ask("ps")["runs"]
    assert (shown["id"], shown["state"], shown["session"]) == (live.run_id, "running", f"{live.run_id}-e1")
    assert shown["seconds"] >= 5
    assert [run["id"] for run in desk.ask("ps", all=True)["runs"]] == [ended.run_id, live.run_id]


def test_agents_show_what_they_used_and_what_is_promised(desk: Desk) -> None:
    desk.end(desk.run("developer", "ticket/1"))
    desk.run("developer", "ticket/2")
    shown = {agent["name"]: agent for agent in desk.ask("agents")["agents"]}
    assert shown["developer"]["runs"] == 2
    assert shown["developer"]["used_seconds"] == 1.0
    assert shown["developer"]["reserved_seconds"] == 60.0
    assert shown["tech-lead"]["live"] == []


def test_status_is_one_look_at_everything(desk: Desk) -> None:
    found = desk.ask("status")
    assert found["mode"] == "shared-uid"
    assert found["daemon"]["pid"] is None
    assert {"agents", "runs", "deliveries", "held", "dead_letters", "journal", "config"} <= set(found)
    assert desk.ask("watcher.status")["running"] is False


def test_a_ticket_is_shown_with_its_pull_requests_and_a_pull_request_with_its_reviews_and_gate(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    who = desk.reviewer("tech-lead", pull, ticket, head)
    desk.ask("pr.review", who, number=pull, verdict="request_changes", body="a test is missing")
    assert [one["number"] for one in desk.ask("ticket.show", number=ticket)["pulls"]] == [pull]
    shown = desk.ask("pr.show", number=pull)
    (review,) = shown["reviews"]
    assert (review["verdict"], review["current"], review["body"]) == ("request_changes", True, "a test is missing")
    assert shown["gate"]["mergeable"] is False
    assert "new.py" in desk.ask("pr.diff", number=pull)["diff"]


def test_the_log_is_of_a_ticket_or_of_a_pull_request(desk: Desk) -> None:
    with pytest.raises(UsageError) as caught:
        desk.ask("log", ticket=1, pr=2)
    assert (caught.value.code, caught.value.exit_code) == ("FLT-CTL-017", 2)


def test_the_log_gives_the_newest_entries_and_pages_forward_without_loss(desk: Desk) -> None:
    for number in range(25):
        desk.ask("fabric.publish", event="note", summary=f"n{number}")
    last = desk.ask("log", limit=3)
    assert [entry["summary"] for entry in last["entries"]] == ["n22", "n23", "n24"]
    seen: list[str] = []
    after = 1
    while True:
        page = desk.ask("log", after=after, limit=7, type="note")
        seen += [entry["summary"] for entry in page["entries"]]
        if not page["entries"]:
            break
        after = page["head"]
    assert seen == [f"n{number}" for number in range(25)][-len(seen) :]
    assert len(seen) >= 24
    assert desk.ask("log", after=last["head"])["entries"] == []


def test_the_log_narrows_by_stream_type_agent_ticket_and_pull_request(desk: Desk) -> None:
    ticket = desk.ticket()
    who, pull, _ = desk.pushed("developer", ticket)
    desk.ask("fabric.publish", event="note")

    def types(**args: Any) -> set[str]:
        return {entry["type"] for entry in desk.ask("log", ANN, limit=1000, **args)["entries"]}

    assert types(type="pr_created") == {"pr_created"}
    assert types(type="activity") >= {"push.intended", "push.done"}
    assert types(agent="developer") == {"push.intended", "push.done", "pr_created"}
    assert types(ticket=ticket) >= {"ticket_ready", "push.done", "pr_created"}
    assert types(pr=pull) == {"pr_created"}
    assert types(since=desk.clock.now() + 1) == set()
    with pytest.raises(UsageError):
        desk.ask("log", ticket=1, pr=2)
    assert who.run_id


def test_history_shows_events_only(desk: Desk) -> None:
    ticket = desk.ticket("t", "ready")
    desk.ask("fabric.publish", event="note", subject=f"ticket/{ticket}")
    assert [entry["type"] for entry in desk.ask("fabric.history")["entries"]] == ["note"]
    assert desk.ask("fabric.history", event="blocker")["entries"] == []
    assert len(desk.ask("fabric.history", subject=f"ticket/{ticket}")["entries"]) == 1


def test_one_answer_stays_of_a_size_that_can_be_sent() -> None:
    def entry(seq: int) -> Entry:
        fields: list[Any] = ["x"] * 19
        made = Entry(*[*fields, {"a": "x" * 1_000_000}])
        return Entry(seq, *[getattr(made, name) for name in Entry.__slots__[1:]])

    entries = [entry(seq) for seq in range(1, 41)]
    newest = entry_dicts(entries, newest=True)
    oldest = entry_dicts(entries, newest=False)
    assert newest[-1]["seq"] == 40
    assert oldest[0]["seq"] == 1
    assert 1 <= len(newest) < 40
    assert 1 <= len(oldest) < 40


def test_ended_runs_say_how_they_ended(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    desk.end(who, RunState.FAILED)
    (run,) = desk.ask("ps", all=True)["runs"]
    assert (run["state"], run["outcome"], run["exit_code"]) == ("failed", "ended by the test", 0)
