"""A tool whose guard nobody answers does not run, in the real client; and the session goes on once somebody does."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from tests.claude.rig import PATIENCE, Rig, rig

from fleet.runtime import proctree
from fleet.testing.model.scenario import Conversation, Step, Turn, bash, read_brief, write
from fleet.testing.repos import git
from fleet.testing.waiting import wait_until

pytestmark = [pytest.mark.tmux, pytest.mark.long, pytest.mark.timeout(600)]

FINISH = (
    write("hello.txt", "hello\n"),
    bash("git add -A && git commit --quiet -m 'Say hello'"),
    bash("fleet pr create --title 'Say hello'"),
    Turn("Done."),
)


def end_everything(fleet: Rig) -> None:
    """Supervisor and daemon, with signal 9: nobody is left at the port. The session stays."""
    daemon = fleet.shell.answer("watcher", "status")["pid"]
    process = proctree.read(daemon)
    assert process.ppid > 1
    os.kill(process.ppid, signal.SIGKILL)
    proctree.send(process, signal.SIGKILL)  # without its supervisor it may be at its own end by now
    wait_until(lambda: not proctree.is_alive(daemon, process.start), what="the daemon to be gone")


@pytest.mark.parametrize("mode", ["interactive", "headless"])
def test_no_tool_runs_while_no_daemon_answers(client: Path, mode: str) -> None:
    gone, back = threading.Event(), threading.Event()
    asked, told_off = threading.Event(), threading.Event()
    became: list[str] = []  # of the tool that nobody could be asked about

    def scenario(told: Conversation) -> Step:
        done = len(told.results)
        if done == 0:
            return read_brief()
        if done == 1:
            asked.set()
            gone.wait(PATIENCE)
            return bash("touch unguarded.txt")
        if done == 2:
            became.append(told.results[1])
            told_off.set()
            back.wait(PATIENCE)
        return FINISH[done - 2]

    keys = f"    mode: {mode}\n"
    with rig(client, {"developer": scenario}, agent_keys=keys, fleet_keys="retry: {attempts: 1}\n") as fleet:
        fleet.ticket()
        assert asked.wait(PATIENCE), fleet.story()
        (run,) = fleet.runs("developer")
        end_everything(fleet)
        gone.set()
        assert told_off.wait(PATIENCE), "the client never told what became of its tool"
        assert not (fleet.paths.clones / run["session"] / "unguarded.txt").exists(), "the tool ran unguarded"
        fleet.shell.answer("up")
        back.set()
        ended = fleet.ended("developer")
        assert (ended["state"], ended["id"]) == ("succeeded", run["id"]), fleet.story()
        assert "hook" in became[0].lower(), became
        assert "unguarded.txt" not in git(fleet.paths.bare, "ls-tree", "--name-only", ended["escrow_sha"])


def test_a_stop_that_nobody_heard_is_found_in_the_transcript(client: Path) -> None:
    gone, asked = threading.Event(), threading.Event()

    def scenario(told: Conversation) -> Step:
        done = len(told.results)
        if done == len(FINISH) - 1:
            asked.set()
            gone.wait(PATIENCE)
        return FINISH[done]

    with rig(client, {"developer": scenario}, fleet_keys="retry: {attempts: 1}\n") as fleet:
        fleet.ticket()
        assert asked.wait(PATIENCE), fleet.story()
        (run,) = fleet.runs("developer")
        end_everything(fleet)
        gone.set()
        files = fleet.paths.runs / run["session"] / "home" / ".claude" / "projects"
        wait_until(
            lambda: any(b'"text":"Done."' in path.read_bytes() for path in files.glob("*/*.jsonl")),
            timeout=PATIENCE,
            what="the turn to be over in the transcript",
        )
        fleet.shell.answer("up")
        ended = fleet.ended("developer")
        assert (ended["state"], ended["id"]) == ("succeeded", run["id"]), fleet.story()
        answers = len(fleet.model.of("developer"))
        wait_until(lambda: (fleet.runs("developer")[0]["usage"] or {}).get("answers") == answers,
                   what="every answer to be counted")  # fmt: skip
