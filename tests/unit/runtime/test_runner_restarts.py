"""Agents that die and are resumed in their own session, wherever the runner itself is killed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from fleet.config.catalogue import load_roles
from fleet.core.agent import AgentState
from fleet.core.clock import SECOND
from fleet.core.session import Park, SessionState
from fleet.core.work import RunState
from fleet.store import agents, parks, sessions
from fleet.testing.scene import load, member, usual_members
from fleet.testing.workshop import Workshop

RESTART = {"attempts": 2, "backoff_seconds": 10, "longest_seconds": 60, "healthy_seconds": 600}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    """A workshop with a coder that may be resumed twice in a row, and one that may not."""
    program = tmp_path / "claude"
    program.write_text("#!/bin/sh\necho '2.1.330 (Claude Code)'\n")
    program.chmod(0o755)
    found = Workshop(tmp_path)
    never = member("never", "developer", vendor="claude-code", restart={"attempts": 0})
    members = (*usual_members(), member("coder", "developer", vendor="claude-code"), never)
    auth = {"kind": "key_helper", "command": ("echo", "key")}
    found.loaded = load(members, load_roles(), auth=auth, claude={"program": str(program)}, restart=RESTART)
    for name in ("coder", "never"):
        found.db.write(partial(agents.put, name=name, role="developer", state=AgentState.ACTIVE))
    found.restart()
    yield found
    found.close()


def started(shop: Workshop, agent: str = "coder") -> str:
    """A run whose session is alive and whose client has begun its conversation."""
    run = shop.queue(agent, allowance=100_000)
    shop.rest()
    assert shop.state(run) is RunState.RUNNING
    known = shop.db.read(lambda tx: sessions.get(tx, f"{run}-e1"))
    assert known is not None
    folder = shop.session(run).launch.folder / "home" / ".claude" / "projects" / "-clone"
    folder.mkdir(parents=True)
    (folder / f"{known.conversation}.jsonl").touch()
    return run


def kill(shop: Workshop, run: str, code: int = 137) -> None:
    """The agent dies."""
    shop.runtime.exit(f"{run}-e1", code)


def restarts(shop: Workshop, run: str) -> list[str]:
    """What the journal tells of them."""
    return [kind for kind in shop.story(run) if kind.startswith("run.restart")]


def test_a_killed_agent_is_resumed_after_its_pause_in_the_same_session(shop: Workshop) -> None:
    run = started(shop)
    kill(shop, run)
    shop.rest()
    waiting = shop.run(run)
    assert (waiting.state, waiting.restarts, waiting.restart_why) == (RunState.RUNNING, 1, "ended by signal 9")
    assert shop.session(run).died is not None, "nothing runs before the pause is over"
    shop.clock.advance(13)
    shop.rest()
    session = shop.session(run)
    assert session.died is None
    assert "--resume" in session.argv
    assert list(shop.runtime.sessions) == [f"{run}-e1"]
    assert restarts(shop, run) == ["run.restarting", "run.restarted"]
    after = shop.run(run)
    assert (after.restart_at, after.epoch, after.state) == (None, 1, RunState.RUNNING)


def test_used_up_restarts_end_the_run_with_that_reason(shop: Workshop) -> None:
    run = started(shop)
    for _ in range(3):
        kill(shop, run)
        shop.rest()
        shop.clock.advance(61)
        shop.rest()
    ended = shop.run(run)
    assert ended.state is RunState.FAILED
    assert "ended by signal 9" in ended.outcome
    assert "not restarted again: 2 restarts in a row did not keep it alive for 600 s" in ended.outcome
    assert restarts(shop, run) == ["run.restarting", "run.restarted"] * 2


def test_an_agent_without_restarts_ends_with_its_program(shop: Workshop) -> None:
    run = started(shop, "never")
    kill(shop, run)
    shop.rest()
    assert (shop.state(run), restarts(shop, run)) == (RunState.FAILED, [])
    assert "not restarted" not in shop.run(run).outcome


def test_a_conversation_that_never_began_is_begun(shop: Workshop) -> None:
    run = shop.queue("coder")
    shop.rest()
    kill(shop, run, 1)
    shop.rest()
    shop.clock.advance(13)
    shop.rest()
    assert "--session-id" in shop.session(run).argv


def test_a_parked_provider_is_waited_for(shop: Workshop) -> None:
    run = started(shop)
    shop.db.write(lambda tx: parks.put(tx, Park("anthropic", "limit", "slow", 1, tx.now, tx.now + 90 * SECOND)))
    shop.db.write(lambda tx: sessions.settle(tx, f"{run}-e1", "failed", "could not ask", fault="limit"))
    shop.rest()  # its program is asked to leave, and does
    assert shop.run(run).restart_why == "could not ask"
    known = shop.db.read(lambda tx: sessions.get(tx, f"{run}-e1"))
    assert known is not None
    assert (known.ending, known.state) == ("", SessionState.STARTING)
    shop.clock.advance(61)
    shop.rest()
    assert shop.session(run).died is not None
    shop.clock.advance(40)
    shop.rest()
    assert shop.session(run).died is None
    shop.emit(run, "pr_created")
    shop.db.write(lambda tx: sessions.settle(tx, f"{run}-e1", "done"))
    shop.rest()
    assert (shop.state(run), shop.run(run).outcome) == (RunState.SUCCEEDED, "pr_created is on record")


def test_a_run_that_is_asked_to_end_meanwhile_ends(shop: Workshop) -> None:
    run = started(shop)
    kill(shop, run)
    shop.rest()
    shop.ask_cancel(run)
    shop.rest()
    shop.clock.advance(61)
    shop.rest()
    assert shop.state(run) is RunState.CANCELLED
    assert restarts(shop, run) == ["run.restarting"]


def test_nothing_of_a_quarantined_agent_is_resumed(shop: Workshop) -> None:
    run = started(shop)
    shop.db.write(partial(agents.put, name="coder", role="developer", state=AgentState.QUARANTINED))
    kill(shop, run)
    shop.rest()
    assert "not restarted: its agent is quarantined" in shop.run(run).outcome


@pytest.mark.parametrize("point", ["restart.decided", "restart.answered"])
def test_the_same_death_is_answered_once_whoever_dies(shop: Workshop, point: str) -> None:
    run = started(shop)
    kill(shop, run)
    with shop.crash_at(point):
        shop.rest()
        shop.clock.advance(13)
        shop.rest()
    shop.rest()
    shop.clock.advance(13)
    shop.rest()
    assert shop.session(run).deaths == 1
    assert shop.session(run).died is None
    assert restarts(shop, run) == ["run.restarting", "run.restarted"]
    assert shop.run(run).restarts == 1
