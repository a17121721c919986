"""A real client that is killed in mid-tool is resumed: same session, same clone, same conversation, never two."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.claude.rig import PATIENCE, Rig, rig

from fleet.runtime import proctree
from fleet.testing.model.scenario import Conversation, Failure, Step, Turn, bash, read_brief, write
from fleet.testing.waiting import wait_until

pytestmark = [pytest.mark.tmux, pytest.mark.long, pytest.mark.timeout(600)]

BUSY = bash("/usr/bin/python3 -c 'import time; time.sleep(97)'")
FINISH = (
    bash("git add -A && git commit --quiet -m 'Say hello'"),
    bash("fleet pr create --title 'Say hello'"),
    Turn("Done."),
)
KEYS = '    allowed_tools: ["Bash(/usr/bin/python3:*)"]\n'
ONCE = "retry: {attempts: 1}\n"


def marked(fleet: Rig, below: int = 0) -> list[tuple[int, str]]:
    """Every process that carries the name of the developer's session, or those whose parent is ``below``.

    None before there is a session.
    """
    found = []
    sessions = [run["session"] for run in fleet.runs("developer")]
    for process in [one for session in sessions for one in proctree.marked("FLEET_RUN", session)]:
        try:
            line = Path(f"/proc/{process.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if not below or process.ppid == below:
            found.append((process.pid, line))
    return found


def clients(fleet: Rig, client: Path) -> list[int]:
    """The clients that the shim has started or inherited; what these start themselves is not among them."""
    (run,) = fleet.runs("developer")
    shim = json.loads((fleet.paths.runs / run["session"] / "started.json").read_text())["pid"]
    return [pid for pid, line in marked(fleet, shim) if line.startswith(str(client))]


def sleeping(fleet: Rig) -> list[int]:
    """The pids of the tool that sleeps."""
    return [pid for pid, line in marked(fleet) if line.startswith("/usr/bin/python3") and "time.sleep(97)" in line]


def kill_in_mid_tool(fleet: Rig) -> tuple[dict[str, Any], list[int]]:
    """Wait for the tool to run, then end the client as a crash would; the run, and what the tool was."""
    tool = wait_until(lambda: sleeping(fleet), timeout=PATIENCE, what="the tool to run")
    (run,) = fleet.runs("developer")
    started = json.loads((fleet.paths.runs / run["session"] / "started.json").read_text())
    os.kill(started["agent"], signal.SIGKILL)
    wait_until(lambda: not set(tool) & set(sleeping(fleet)), timeout=60, what="the cut tool to be ended")
    return run, tool


def test_a_client_killed_in_mid_tool_is_resumed_and_finishes(client: Path) -> None:
    first = (read_brief(), write("half.txt", "half\n"), BUSY)

    def scenario(told: Conversation) -> Step:
        """By tool results: the client puts words of its own into the model's mouth where it was cut."""
        done = len(told.results)
        return first[done] if done < len(first) else FINISH[done - len(first)]

    keys = f"{ONCE}restart: {{attempts: 2, backoff_seconds: 0}}\n"
    with rig(client, {"developer": scenario}, agent_keys=KEYS, fleet_keys=keys) as fleet:
        fleet.ticket()
        run, tool = kill_in_mid_tool(fleet)
        most = 0

        def over() -> bool:
            nonlocal most
            most = max(most, len(clients(fleet, client)))
            return bool(fleet.runs("developer")[0]["finished_at"])

        wait_until(over, timeout=PATIENCE, what=f"the run to end\n{fleet.story()}")
        (ended,) = fleet.runs("developer")
        assert (ended["state"], ended["restarts"]) == ("succeeded", 1), fleet.story()
        assert (ended["id"], ended["session"]) == (run["id"], run["session"])
        assert most == 1, "two clients of one run were alive at once"
        assert marked(fleet) == [], "nothing of the session is left"
        assert not set(tool) & set(sleeping(fleet))
        told = fleet.model.of("developer")
        assert len({one.conversation.session for one in told}) == 1, "one conversation"
        after = next(one for one in told if len(one.conversation.results) == len(first))
        assert "nterrupted" in after.conversation.results[2], after.conversation.results
        assert any("goes on now" in text for text in after.conversation.said)
        (intent,) = fleet.log("run.restarting")
        assert "ended by signal 9" in intent["summary"]
        assert len(fleet.log("run.restarted")) == 1
        why = "\n".join(fleet.shell.answer("why", run["id"])["lines"])
        assert "ended by signal 9 and is resumed" in why


def test_a_client_that_keeps_dying_fails_with_the_reason(client: Path) -> None:
    keys = f"{ONCE}restart: {{attempts: 1, backoff_seconds: 0}}\n"
    with rig(client, {"developer": (BUSY, BUSY, BUSY)}, agent_keys=KEYS, fleet_keys=keys) as fleet:
        fleet.ticket()
        kill_in_mid_tool(fleet)
        wait_until(lambda: fleet.log("run.restarted"), timeout=PATIENCE, what="the restart")
        kill_in_mid_tool(fleet)
        ended = fleet.ended("developer")
        assert (ended["state"], ended["restarts"]) == ("failed", 1)
        assert "not restarted again: 1 restart in a row" in ended["outcome"]
        assert marked(fleet) == []


def test_a_provider_that_is_overloaded_for_a_while_costs_no_conversation(client: Path) -> None:
    busy = Failure(529, "overloaded_error", "Overloaded", times=3)
    scenario = (read_brief(), write("hello.txt", "hello\n"), busy, *FINISH)
    keys = f"{ONCE}restart: {{attempts: 5, backoff_seconds: 0}}\n"
    with rig(
        client, {"developer": scenario}, fleet_keys=keys, claude_keys=", park_seconds: 2, stagger_seconds: 0"
    ) as fleet:
        fleet.ticket()
        ended = fleet.ended("developer")
        assert ended["state"] == "succeeded", fleet.story()
        assert ended["restarts"] >= 1
        assert "its model could not be asked" in ended["restart_why"]
        assert len(fleet.log("provider.parked")) >= 1
        assert len({one.conversation.session for one in fleet.model.of("developer")}) == 1
