"""Runs whose program reports: ended when their work is settled, and not started at a provider that is parked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.config.catalogue import load_roles
from fleet.core.clock import SECOND
from fleet.core.session import Park, SessionState
from fleet.core.work import RunState
from fleet.runtime.runner import LEAVE_SECONDS
from fleet.store import parks, sessions
from fleet.testing.scene import load, member, usual_members
from fleet.testing.workshop import Workshop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    """A workshop with one more agent, whose program is a client that only says its version."""
    program = tmp_path / "claude"
    program.write_text("#!/bin/sh\necho '2.1.330 (Claude Code)'\n")
    program.chmod(0o755)
    found = Workshop(tmp_path)
    agents = (*usual_members(), member("coder", "developer", vendor="claude-code"))
    auth = {"kind": "key_helper", "command": ("echo", "key")}
    found.loaded = load(agents, load_roles(), auth=auth, claude={"program": str(program)})
    found.restart()
    yield found
    found.close()


def started(shop: Workshop) -> str:
    """A run of the coder whose session is alive."""
    run = shop.queue("coder")
    shop.rest()
    assert shop.state(run) is RunState.RUNNING
    return run


def settle(shop: Workshop, run: str, ending: str, failure: str = "") -> None:
    """What hooks would have settled."""
    assert shop.db.write(lambda tx: sessions.settle(tx, f"{run}-e1", ending, failure))


def test_a_session_on_record_is_launched_with_its_files(shop: Workshop) -> None:
    run = started(shop)
    session = shop.session(run)
    assert session.launch.argv[0].endswith("/claude")
    assert not shop.runtime.sessions[f"{run}-e1"].dismissed
    folder = session.launch.folder
    assert (folder / "settings.json").stat().st_mode & 0o777 == 0o400
    assert (folder / "home" / ".claude.json").exists()
    known = shop.db.read(lambda tx: sessions.get(tx, f"{run}-e1"))
    assert known is not None
    assert (known.agent, known.provider, known.state) == ("coder", "anthropic", SessionState.STARTING)
    secret = (folder / "capability").read_text()
    assert secret in (folder / "settings.json").read_text()
    assert secret not in str(session.launch.env)


def test_a_run_that_is_done_ends_by_its_own_exit(shop: Workshop) -> None:
    run = started(shop)
    shop.emit(run, "pr_created")
    settle(shop, run, "done")
    shop.rest()
    assert (shop.state(run), shop.run(run).exit_code) == (RunState.SUCCEEDED, 143)
    assert shop.run(run).outcome == "pr_created is on record"
    known = shop.db.read(lambda tx: sessions.get(tx, f"{run}-e1"))
    assert known is not None
    assert known.state is SessionState.ENDED


def test_a_failure_that_was_settled_is_the_outcome(shop: Workshop) -> None:
    run = started(shop)
    settle(shop, run, "failed", "stood still")
    shop.rest()
    assert (shop.state(run), shop.run(run).outcome) == (RunState.FAILED, "stood still")


def test_a_program_that_does_not_leave_is_stopped_and_its_work_counts(shop: Workshop) -> None:
    run = started(shop)
    shop.emit(run, "pr_created")
    settle(shop, run, "done")
    shop.settle()
    shop.session(run).dismissed = False  # it does not listen
    shop.clock.advance(LEAVE_SECONDS + 1)
    shop.rest()
    assert shop.state(run) is RunState.SUCCEEDED


def test_nothing_starts_at_a_parked_provider_and_then_one_after_the_other(shop: Workshop) -> None:
    def park(seconds: int) -> None:
        shop.db.write(
            lambda tx: parks.put(tx, Park("anthropic", "limit", "slow", 1, tx.now, tx.now + seconds * SECOND))
        )

    park(60)
    waiting = [shop.queue("coder", subject=f"ticket/{number}", work_item=f"ticket/{number}") for number in (1, 2)]
    other = shop.queue("developer", subject="ticket/9", work_item="ticket/9")
    shop.rest()
    assert [shop.state(run) for run in waiting] == [RunState.QUEUED] * 2
    assert shop.state(other) is RunState.RUNNING, "another provider is not concerned"
    shop.clock.advance(61)
    shop.rest()
    assert [shop.state(run) for run in waiting] == [RunState.RUNNING, RunState.QUEUED]
    shop.clock.advance(6)
    shop.rest()
    assert [shop.state(run) for run in waiting] == [RunState.RUNNING] * 2
