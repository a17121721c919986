"""What the reports of a session mean: a run that is done, one that is told what is missing, a question, a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.control.hooks import Hooks
from fleet.core.agent import AgentState
from fleet.core.errors import Conflict, NotFound, Refused
from fleet.core.principal import Principal
from fleet.core.session import Session, SessionState
from fleet.runtime.attendant import Attendant
from fleet.store import agents, capabilities, parks, permissions, runs, sessions, usage
from fleet.testing.desk import Desk
from fleet.testing.hooks import told
from fleet.testing.scene import member

AUTH = {"kind": "key_helper", "command": ("echo", "key")}
DEV = member("developer", "developer", "ticket_ready", vendor="claude-code")
REV = member("tech-lead", "tech-lead", "pr_needs_review", vendor="claude-code")


class World:
    """A desk, its hooks, and one run that reports."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder, (DEV, REV), auth=AUTH)
        self.hooks = Hooks(self.desk.context, looks=2)
        self.who = self.desk.run("developer", "ticket/1", event="ticket_ready")
        self.session = self.opened(self.who)
        self.attendant = Attendant(self.desk.db, self.desk.paths, lambda _digest: self.desk.loaded)

    def opened(self, who: Principal) -> str:
        """The session of a run is on record, as the starter leaves it."""
        session = f"{who.run_id}-e{who.epoch}"
        self.desk.db.write(
            lambda tx: sessions.open_(
                tx,
                session,
                run_id=who.run_id,
                epoch=who.epoch,
                agent=who.name,
                provider="anthropic",
                conversation=f"c-{session}",
                meter_hash=capabilities.digest(session),
                backend="anthropic",
            )
        )
        return session

    def say(self, event: str, **body: object) -> dict[str, Any]:
        """One report; what the client gets."""
        self.desk.clock.advance(0.001)
        return told(self.hooks, self.who, event, body).body

    @property
    def row(self) -> Session:
        """The session as the store has it."""
        found = self.desk.db.read(lambda tx: sessions.get(tx, self.session))
        assert found is not None
        return found

    def tick(self, seconds: float = 0.0) -> None:
        """Time passes, and the attendant looks."""
        self.desk.clock.advance(seconds)
        self.attendant.tick(self.desk.clock.now())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One run of a developer that reports."""
    found = World(tmp_path)
    yield found
    found.desk.close()


def test_a_turn_that_stops_with_the_event_on_record_is_done(world: World) -> None:
    world.say("UserPromptSubmit", prompt="go")
    assert (world.row.state, world.row.turns) == (SessionState.WORKING, 1)
    world.desk.ask("fabric.publish", world.who, event="note", summary="a remark is not enough")
    assert world.say("Stop")["decision"] == "block"
    world.desk.publish("pr_created", "ticket/1")
    assert world.row.ending == "", "an event of somebody else is no proof"


def test_a_session_that_stops_too_early_is_told_once_and_then_fails(world: World) -> None:
    told = world.say("Stop", stop_hook_active=False)
    assert told["decision"] == "block"
    assert "pr_created or pr_updated is expected of you" in told["reason"]
    assert [entry.type for entry in world.desk.entries("session.told")] == ["session.told"]
    assert world.row.ending == ""
    assert world.say("Stop", stop_hook_active=True) == {}
    assert world.row.ending == "failed"
    assert "although it was told once" in world.row.failure
    assert len(world.desk.entries("session.failed")) == 1


def test_a_stop_with_work_in_the_background_is_no_stop(world: World) -> None:
    assert world.say("Stop", background_tasks=[{"id": "1"}]) == {}
    assert (world.row.state, world.row.told_at) == (SessionState.WORKING, None)


@pytest.mark.parametrize(
    ("error", "kind"),
    [("rate_limit", "limit"), ("server_error", "outage"), ("billing_error", "account"), ("invalid_request", "")],
)
def test_an_error_of_the_provider_parks_it_for_everybody(world: World, error: str, kind: str) -> None:
    world.say("StopFailure", error=error, last_assistant_message="no sk-ant-abcdefgh1234 today")
    assert world.row.ending == "failed"
    assert error in world.row.failure
    assert "sk-ant" not in world.row.failure
    parked = world.desk.db.read(lambda tx: parks.get(tx, "anthropic"))
    assert (parked.kind if parked else "") == kind
    assert len(world.desk.entries("provider.parked")) == bool(kind)


def test_parks_double_and_end_when_the_provider_answers_or_a_person_says_so(world: World) -> None:
    def park() -> int:
        world.say("StopFailure", error="rate_limit")
        found = world.desk.db.read(lambda tx: parks.get(tx, "anthropic"))
        assert found is not None
        return (found.until - found.parked_at) // 1_000_000

    assert park() == 60
    assert park() == 60, "the second session to meet the same limit adds nothing"
    world.desk.clock.advance(61)
    assert park() == 120
    (row,) = world.desk.ask("providers")["providers"]
    assert (row["provider"], row["parked"], row["strikes"]) == ("anthropic", True, 2)
    assert world.desk.ask("provider.release", name="anthropic", reason="mended")["provider"]["kind"] == "limit"
    assert world.desk.ask("providers") == {"providers": []}
    with pytest.raises(NotFound) as caught:
        world.desk.ask("provider.release", name="anthropic")
    assert caught.value.code == "FLT-TRN-005"
    assert park() == 60
    world.desk.clock.advance(61)
    world.say("Stop")
    assert world.desk.db.read(lambda tx: parks.get(tx, "anthropic")) is None


def test_a_tool_is_refused_once_the_run_or_its_agent_may_not_go_on(world: World) -> None:
    use = {"tool_name": "Bash", "tool_input": {"command": "echo token=abcdefgh"}}

    def code() -> str:
        answer = world.say("PreToolUse", **use)
        found = answer.get("hookSpecificOutput", {})
        if found.get("permissionDecision") == "allow":
            return ""
        assert found.get("permissionDecision", "deny") == "deny"
        text = str(found.get("permissionDecisionReason", ""))
        return text.rpartition("[")[2].rstrip("]")

    assert code() == ""
    assert (world.row.tools, world.row.tool) == (1, "Bash")
    world.desk.db.write(
        lambda tx: agents.move(tx, "developer", expected=AgentState.ACTIVE, state=AgentState.QUARANTINED, reason="odd")
    )
    assert code() == "FLT-TRN-013"
    world.desk.db.write(lambda tx: sessions.settle(tx, world.session, "failed", "x"))
    assert code() == "FLT-TRN-012"
    world.desk.db.write(lambda tx: runs.ask_cancel(tx, world.who.run_id, "enough"))
    assert code() == "FLT-TRN-011"
    world.desk.end(world.who)
    assert code() == "FLT-TRN-010"
    refused = world.desk.entries("tool.refused")
    assert [entry.payload["code"] for entry in refused if entry.payload] == [
        "FLT-TRN-013", "FLT-TRN-012", "FLT-TRN-011", "FLT-TRN-010",
    ]  # fmt: skip
    assert "abcdefgh" not in str(refused[0].payload)


def test_a_halt_holds_for_the_very_next_tool(world: World) -> None:
    use = {"tool_name": "Bash", "tool_input": {"command": "git status"}}
    for _ in range(2):
        assert world.say("PreToolUse", **use)["hookSpecificOutput"]["permissionDecision"] == "allow"
    world.desk.ask("fleet.halt", reason="stop it")
    denied = world.say("PreToolUse", **use)["hookSpecificOutput"]
    assert (denied["permissionDecision"], "FLT-TRN-01" in denied["permissionDecisionReason"]) == ("deny", True)
    assert len(world.desk.entries("tool.refused")) == 1


def test_uses_that_are_allowed_are_counted_and_wake_nobody(world: World) -> None:
    woken: list[int] = []
    world.desk.db.on_commit(lambda: woken.append(1))

    def wakes(event: str, **body: object) -> bool:
        before = len(woken)
        world.say(event, **body)
        world.desk.db.write(lambda tx: tx.one("SELECT 1"))  # the group after it: by now all were told
        return len(woken) > before

    use = {"tool_name": "Bash", "tool_input": {"command": "git status"}}
    assert wakes("PreToolUse", **use), "that its turn began is news"
    assert not wakes("PreToolUse", **use)
    assert not wakes("PostToolUse", **use)
    assert (world.row.tools, world.row.tool) == (2, "")
    assert wakes("PreToolUse", tool_name="Bash", tool_input={"command": "git push"}), "a refusal is on record"
    assert wakes("Stop")


def test_a_person_answers_whether_a_tool_may_be_used(world: World) -> None:
    use = {"tool_name": "Bash", "tool_input": {"command": "make deploy"}}
    answer = told(world.hooks, world.who, "PermissionRequest", use)
    assert world.row.state is SessionState.PERMISSION
    assert world.hooks.waited(answer.ticket) is None
    (need,) = [one for one in world.desk.ask("status")["attention"] if one["kind"] == "permission"]
    assert need["command"] == f"fleet permission allow {answer.ticket}"
    assert "make deploy" in need["text"]
    with pytest.raises(Refused):
        world.desk.ask("permission.allow", world.who, id=answer.ticket)
    assert world.desk.ask("permission.allow", id=answer.ticket)["permission"]["state"] == "allowed"
    found = world.hooks.waited(answer.ticket)
    assert found is not None
    assert found["hookSpecificOutput"]["decision"] == {"behavior": "allow"}
    with pytest.raises(Conflict) as caught:
        world.desk.ask("permission.deny", id=answer.ticket)
    assert caught.value.code == "FLT-TRN-004"
    with pytest.raises(NotFound) as missing:
        world.desk.ask("permission.deny", id="p-none")
    assert missing.value.code == "FLT-TRN-001"
    assert [entry.actor for entry in world.desk.entries("permission.answered")] == ["human:ann"]


def test_no_answer_in_time_means_no_and_so_does_a_daemon_that_goes(world: World) -> None:
    late = told(world.hooks, world.who, "PermissionRequest", {"tool_name": "Bash", "tool_input": {}}).ticket
    world.tick(599)
    assert world.hooks.waited(late) is None
    world.tick(2)
    found = world.hooks.waited(late)
    assert found is not None
    assert found["hookSpecificOutput"]["decision"]["behavior"] == "deny"
    assert "nobody answered in time" in found["hookSpecificOutput"]["decision"]["message"]
    gone = told(world.hooks, world.who, "PermissionRequest", {"tool_name": "Bash", "tool_input": {}}).ticket
    world.hooks.given_up(gone)
    answer = world.hooks.waited(gone)
    assert answer is not None
    assert answer["hookSpecificOutput"]["decision"]["behavior"] == "deny"
    assert world.row.state is SessionState.WORKING


def test_a_session_that_stands_still_fails_and_one_whose_run_ended_is_closed(world: World) -> None:
    world.say("UserPromptSubmit")
    world.say("Notification", notification_type="idle_prompt")
    assert world.row.state is SessionState.STOPPED
    world.tick(899)
    assert world.row.ending == ""
    world.tick(2)
    assert (world.row.ending, "stood still" in world.row.failure) == ("failed", True)
    asked = world.desk.db.write(
        lambda tx: permissions.ask(
            tx, session=world.session, run_id=world.who.run_id, agent="developer", tool="Bash", input_="{}",
            deadline=tx.now + 10**9,
        )
    )  # fmt: skip
    world.desk.end(world.who)
    world.tick()
    assert str(world.row.state) == "ended"
    assert world.desk.db.read(lambda tx: permissions.get(tx, asked)).state == "gone"


def test_reports_that_make_no_sense_are_refused(world: World) -> None:
    with pytest.raises(NotFound) as caught:
        world.say("Reboot")
    assert caught.value.code == "FLT-TRN-002"
    other = world.desk.run("tech-lead", "pr/9", event="pr_needs_review")
    with pytest.raises(NotFound) as silent:
        told(world.hooks, other, "Stop", {})
    assert silent.value.code == "FLT-TRN-003"


def transcript(world: World, *lines: str) -> Path:
    """Lines of the client's own file."""
    place = world.desk.paths.runs / world.session / "home" / ".claude" / "projects" / "-tmp-x"
    place.mkdir(parents=True, exist_ok=True)
    file = place / f"c-{world.session}.jsonl"
    with file.open("a") as out:
        out.writelines(f"{line}\n" for line in lines)
    return file


ANSWER = (
    '{"type":"assistant","uuid":"u%d","requestId":"req_%d","message":{"id":"m%d","model":"s","stop_reason":"%s",'
    '"usage":{"input_tokens":10,"output_tokens":5},"content":[{"type":"text","text":"key sk-ant-abcdefgh12345"}]}}'
)


def test_a_stop_that_was_not_heard_is_found_in_the_transcript(world: World) -> None:
    world.say("UserPromptSubmit")
    transcript(world, ANSWER % (1, 1, 1, "tool_use"), ANSWER % (1, 1, 1, "tool_use"), ANSWER % (2, 2, 2, "end_turn"))
    world.tick(1)
    assert world.row.state is SessionState.WORKING, "it may still be heard of"
    world.tick(30)
    assert (world.row.state, world.row.told_at) == (SessionState.STOPPED, None)
    used = world.desk.db.read(lambda tx: usage.of_run(tx, world.who.run_id))
    assert (used.answers, used.input, used.output) == (2, 20, 10), "each answer counts once"
    said = world.desk.entries("conversation.said")
    assert len(said) == 3
    assert "sk-ant" not in "".join(entry.summary + str(entry.payload) for entry in said)
    world.tick(1)
    assert len(world.desk.entries("conversation.said")) == 3


def test_what_is_measured_and_what_is_written_down_is_one_answer(world: World) -> None:
    attributes = [
        {"key": "event.name", "value": {"stringValue": "api_request"}},
        {"key": "request_id", "value": {"stringValue": "req_2"}},
        {"key": "model", "value": {"stringValue": "s"}},
        {"key": "input_tokens", "value": {"intValue": "10"}},
        {"key": "output_tokens", "value": {"intValue": 5}},
        {"key": "cost_usd_micros", "value": {"intValue": 400}},
    ]
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"attributes": attributes}, {"attributes": "?"}]}]}]}
    world.hooks.telemetry(world.session, "logs", body)
    world.hooks.telemetry(world.session, "logs", body)
    world.hooks.telemetry(world.session, "metrics", {"resourceMetrics": []})
    transcript(world, ANSWER % (2, 2, 2, "end_turn"))
    world.tick(1)
    used = world.desk.db.read(lambda tx: usage.of_run(tx, world.who.run_id))
    assert (used.answers, used.input, used.output, used.cost_micros) == (1, 10, 5, None), "nobody knows its price"


def test_a_link_in_the_place_of_a_transcript_is_not_followed(world: World) -> None:
    file = transcript(world)
    file.unlink()
    secret = world.desk.paths.state / "secret"
    secret.write_text((ANSWER % (1, 1, 1, "end_turn")) + "\n")
    file.symlink_to(secret)
    world.tick(60)
    assert world.desk.entries("conversation.said") == []
