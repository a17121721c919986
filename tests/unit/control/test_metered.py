"""Tokens and money at the guard of tools: nothing starts after the answer that crossed the line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.control.hooks import HookAnswer, Hooks
from fleet.core.principal import Principal
from fleet.core.work import OVER_BUDGET, Run, RunState
from fleet.policy.meter import BLIND_STOP, BLIND_USES
from fleet.runtime.attendant import Attendant
from fleet.store import capabilities, runs, sessions, usage
from fleet.testing.desk import Desk
from fleet.testing.hooks import told
from fleet.testing.scene import member

AUTH = {"kind": "key_helper", "command": ("echo", "key")}
MODEL = "claude-opus-5-5"


class World:
    """A desk, its hooks, and one run that reports and is metered."""

    def __init__(self, folder: Path, **agent: object) -> None:
        crew = (member("developer", "developer", "ticket_ready", vendor="claude-code", max_concurrent=3, **agent),)
        self.desk = Desk(folder, crew, auth=AUTH)
        self.hooks = Hooks(self.desk.context, looks=2)
        self.who = self.begin()
        self.calls = 0

    def begin(self, ticket: int = 1) -> Principal:
        """A run and its session."""
        who = self.desk.run("developer", f"ticket/{ticket}", event="ticket_ready")
        name = f"{who.run_id}-e{who.epoch}"
        self.desk.db.write(
            lambda tx: sessions.open_(
                tx, name, run_id=who.run_id, epoch=who.epoch, agent="developer", provider="anthropic",
                conversation=f"c-{name}", meter_hash=capabilities.digest(name), backend="anthropic",
            )
        )  # fmt: skip
        return who

    @property
    def session(self) -> str:
        return f"{self.who.run_id}-e{self.who.epoch}"

    @property
    def run(self) -> Run:
        return self.desk.db.read(lambda tx: runs.get(tx, self.who.run_id))

    def writes(self, number: int, tokens: int, *, tool: bool = True, child: str = "") -> None:
        """The client writes down an answer, which asks for a tool."""
        content = [{"type": "tool_use", "id": f"toolu_{number}", "name": "Read", "input": {}}] if tool else []
        message = {
            "id": f"m{number}", "model": MODEL, "stop_reason": "tool_use" if tool else "end_turn",
            "usage": {"input_tokens": tokens, "output_tokens": 0}, "content": content,
        }  # fmt: skip
        line = {"type": "assistant", "uuid": f"u{number}", "requestId": f"req_{number}", "message": message}
        place = self.desk.paths.runs / self.session / "home" / ".claude" / "projects" / "-x"
        file = place / f"c-{self.session}.jsonl"
        if child:
            file = place / f"c-{self.session}" / "subagents" / f"agent-{child}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as out:
            out.write(json.dumps(line) + "\n")

    def measures(self, number: int, tokens: int) -> None:
        """The client reports an answer by telemetry."""
        values: dict[str, object] = {
            "event.name": "api_request", "request_id": f"req_{number}", "model": MODEL, "input_tokens": tokens,
            "output_tokens": 0, "speed": "normal",
        }  # fmt: skip
        attributes = [{"key": key, "value": {"v": value}} for key, value in values.items()]
        body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"attributes": attributes}]}]}]}
        self.desk.clock.advance(0.001)
        self.hooks.telemetry(self.session, "logs", body)

    def asks(self, number: int) -> HookAnswer:
        """The client asks whether it may use the tool of an answer."""
        self.desk.clock.advance(10)
        return told(self.hooks, self.who, "PreToolUse", self.use(number))

    def use(self, number: int) -> dict[str, Any]:
        """What the client reports of the tool of an answer."""
        return {
            "tool_name": "Read", "tool_use_id": f"toolu_{number}",
            "tool_input": {"file_path": str(self.desk.paths.clones / self.session / "a.py")},
        }  # fmt: skip

    def used(self) -> int:
        return self.desk.db.read(lambda tx: usage.of_run(tx, self.who.run_id)).tokens


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, budget_tokens=1000)
    yield made
    made.desk.close()


def decision(body: dict[str, Any]) -> str:
    return str(body["hookSpecificOutput"]["permissionDecision"])


def code(body: dict[str, Any]) -> str:
    return str(body["hookSpecificOutput"]["permissionDecisionReason"]).rpartition("[")[2].rstrip("]")


def test_a_tool_does_not_start_after_the_answer_that_crossed_the_line(world: World) -> None:
    world.writes(1, 900)
    assert decision(world.asks(1).body) == "allow"
    world.writes(2, 900)
    held = world.asks(2)
    assert held.ticket, "its client is not answered: it would only ask its model again"
    assert world.hooks.waited(held.ticket) is None
    assert world.run.cancel_reason.startswith(OVER_BUDGET)
    (entry,) = world.desk.entries("budget.exhausted")
    assert (entry.payload or {})["over"] == 800
    world.desk.end(world.who, RunState.OVER_BUDGET)
    body = world.hooks.waited(held.ticket)
    assert body is not None
    assert (decision(body), code(body)) == ("deny", "FLT-TRN-014")


def test_a_transcript_that_is_late_holds_up_nobody(world: World) -> None:
    """A thread that waited for one session would be missing to the guards of all others."""
    late = world.hooks.report(world.who, "PreToolUse", world.use(1))
    assert world.hooks.settle(late).result(60).late is late
    world.writes(1, 10)
    assert decision(world.hooks.settle(late).result(60).body) == "allow"


def test_a_daemon_that_goes_answers_no(world: World) -> None:
    world.writes(1, 1000)
    held = world.asks(1)
    world.hooks.given_up(held.ticket)
    body = world.hooks.waited(held.ticket)
    assert body is not None
    assert decision(body) == "deny"


def test_telemetry_alone_stops_a_run_whose_transcript_is_lost(world: World) -> None:
    world.measures(1, 600)
    assert not world.run.cancel_reason
    world.measures(2, 600)
    assert world.run.cancel_reason.startswith(OVER_BUDGET)
    assert world.asks(2).ticket


def test_the_transcript_alone_stops_a_run_whose_telemetry_is_lost(world: World) -> None:
    for number in range(1, 4):
        world.writes(number, 400)
        held = bool(world.asks(number).ticket)
        assert held == (number == 3)
    assert world.used() == 1200


def test_what_both_say_counts_once_in_any_order(world: World) -> None:
    for number in range(1, 4):
        if number % 2:
            world.measures(number, 300)
        world.writes(number, 300)
        assert decision(world.asks(number).body) == "allow"
        world.measures(number, 300)
        world.measures(number, 300)
    assert world.used() == 900


def test_child_agents_are_counted(world: World) -> None:
    world.writes(1, 400)
    assert decision(world.asks(1).body) == "allow"
    world.writes(2, 700, child="abc")
    assert world.asks(2).ticket


def test_what_child_agents_say_and_do_is_on_record(world: World) -> None:
    world.writes(1, 10)
    for child in ("abc", "def"):  # the same line in two files is two remarks
        world.writes(2, 10, child=child)
    assert decision(world.asks(1).body) == "allow"
    world.asks(1)
    said = [entry for entry in world.desk.entries() if entry.type == "conversation.said"]
    told = sorted((str((entry.payload or {})["child"]), entry.summary.partition(":")[0]) for entry in said)
    by_child = "a child of developer uses Read"
    assert told == [("", "developer uses Read"), ("agent-abc", by_child), ("agent-def", by_child)]


def test_a_session_that_nobody_can_measure_is_refused_and_then_stopped(world: World) -> None:
    for number in range(1, BLIND_USES + 1):
        assert decision(world.asks(number).body) == "allow"
    refused = world.asks(BLIND_USES + 1).body
    assert (decision(refused), code(refused)) == ("deny", "FLT-TRN-015")
    world.writes(9, 10)
    assert decision(world.asks(9).body) == "allow", "once it is measured again it goes on"
    for number in range(20, 20 + BLIND_STOP):
        world.asks(number)
    assert world.run.cancel_reason.startswith(f"{OVER_BUDGET}: neither its telemetry nor its transcript")


def test_without_a_budget_nothing_is_waited_for(tmp_path: Path) -> None:
    world = World(tmp_path)
    for number in range(1, BLIND_STOP + 2):
        assert decision(world.asks(number).body) == "allow"
    world.desk.close()


def test_a_run_that_is_over_is_not_told_to_go_on(world: World) -> None:
    """The usual word about what is missing would be one more question to its model."""
    world.writes(1, 2000, tool=False)
    assert told(world.hooks, world.who, "Stop", {}).body == {}
    assert world.run.cancel_reason.startswith(OVER_BUDGET)
    assert world.desk.entries("session.told") == []


def test_a_takeover_goes_on_with_what_its_run_used(world: World) -> None:
    world.writes(1, 900)
    world.asks(1)
    first = world.who

    def take_over(tx: Any) -> None:
        tx.run("UPDATE runs SET epoch = 2 WHERE id = :id", id=first.run_id)

    world.desk.db.write(take_over)
    world.who = Principal(first.kind, first.name, first.run_id, 2, first.role, first.verbs, first.emits, first.subjects)
    world.desk.db.write(
        lambda tx: sessions.open_(
            tx, world.session, run_id=first.run_id, epoch=2, agent="developer", provider="anthropic",
            conversation=f"c-{world.session}", meter_hash="other", backend="anthropic",
        )
    )  # fmt: skip
    world.writes(2, 200)
    assert world.asks(2).ticket
    assert world.used() == 1100


def test_what_a_session_wrote_last_is_counted_by_whoever_looks_next(world: World) -> None:
    world.writes(1, 300)
    attendant = Attendant(world.desk.db, world.desk.paths, lambda _digest: world.desk.loaded)
    attendant.tick(world.desk.clock.now())
    world.writes(2, 300)
    attendant.tick(world.desk.clock.now())
    assert world.used() == 600
    assert world.run.used_tokens == 600
