"""The real daemon, killed with signal 9 at each step of a quarantine: afterwards the agent is out, its work saved.

Or, where nothing was on record yet, nothing has happened, and the assessor judges once more.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fleet.config.paths import FleetPaths
from fleet.core.errors import FleetError
from fleet.daemon.supervisor import start_detached, stop
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.repos import git
from fleet.testing.waiting import PATIENCE, is_written, wait_until

PLACES = [
    "quarantine.after_commit@1",
    pytest.param("stop.passed_on@1", marks=pytest.mark.long),
]

DEVELOPER = """\
version: 1
rules:
  - on: [ticket_ready]
    do:
      - append: { path: "unsaved.md", text: "not in any commit\\n" }
      - pause: { seconds: 600 }
"""
CLERK = """\
version: 1
rules:
  - {on: agent_start_requested, do: [{exit: 3}]}
"""
CONFIG = """\
version: 1
retry: {attempts: 1}
agents:
  - {name: developer, role: developer, subscribes_to: [ticket_ready]}
  - {name: clerk, role: developer}
"""

pytestmark = [pytest.mark.crash, pytest.mark.tmux, pytest.mark.timeout(240)]


@contextmanager
def dying_fleet(place: str) -> Iterator[tuple[FleetPaths, Path]]:
    """A supervised fleet whose first daemon dies at ``place``."""
    with fleet_in() as paths:
        paths.config.write_text(CONFIG)
        for name, text in (("developer", DEVELOPER), ("clerk", CLERK)):
            (paths.config.parent / "playbooks" / f"{name}.yaml").write_text(text)
        note = paths.checkout.parent / "died"
        program = (sys.executable, "-m", "fleet.testing.crash", place, str(note))
        start_detached(paths, supervised=True, program=program)
        try:
            yield paths, note
        finally:
            stop(paths)


def at_work(paths: FleetPaths) -> dict[str, Any]:
    """The developer's run, once it has something that is in no commit."""
    ask(paths, "ticket.create", {"title": "Greet the user", "labels": ["ready"]})

    def look() -> dict[str, Any] | None:
        runs = [run for run in ask(paths, "ps")["runs"] if run["agent"] == "developer" and run["session"]]
        there = [run for run in runs if is_written(paths.clones / run["session"] / "unsaved.md")]
        return there[0] if there else None

    found = wait_until(look, what="the developer to have something that is in no commit")
    assert found is not None
    return found


def run_of(paths: FleetPaths, run_id: str) -> dict[str, Any]:
    """A run as it is now."""
    runs = ask(paths, "ps", {"all": True}, patience=PATIENCE)["runs"]
    return next(run for run in runs if run["id"] == run_id)


def risk_of(paths: FleetPaths, name: str) -> dict[str, Any]:
    """How an agent stands."""
    (found,) = ask(paths, "risk.show", {"name": name}, patience=PATIENCE)["agents"]
    return dict(found)


def entries(paths: FleetPaths, kind: str) -> list[dict[str, Any]]:
    """Entries of one type."""
    return list(ask(paths, "log", {"type": kind}, patience=PATIENCE)["entries"])


@pytest.mark.parametrize("place", PLACES)
def test_a_quarantine_survives_a_kill_at(place: str) -> None:
    with dying_fleet(place) as (paths, note):
        run = at_work(paths)
        with suppress(FleetError):  # the daemon may die before it answers
            ask(paths, "agent.quarantine", {"name": "developer", "reason": "it deletes tests"})
        wait_until(note.exists, what="the daemon to come to this point")
        wait_until(lambda: run_of(paths, run["id"])["state"] == "cancelled", what="the run to be frozen and ended")
        ended = run_of(paths, run["id"])
        assert git(paths.bare, "show", f"{ended['escrow_ref']}:unsaved.md") == "not in any commit"
        assert risk_of(paths, "developer")["state"] == "quarantined"
        assert [len(entries(paths, kind)) for kind in ("agent.quarantined", "agent_quarantined")] == [1, 1]
        assert len(entries(paths, "run.cancelled")) == 1

        def held() -> bool:
            return any(one["agent"] == "developer" for one in ask(paths, "status")["held"])

        wait_until(held, what="the work to wait for its agent")
        assert len(entries(paths, "run.starting")) == 1
        assert ask(paths, "audit.verify")["ok"]


@pytest.mark.long
def test_a_quarantine_that_was_not_on_record_is_judged_anew() -> None:
    with dying_fleet("quarantine.before_commit@1") as (paths, note):
        ask(paths, "ticket.create", {"title": "Greet the user"})
        for count in range(1, 7):
            if note.exists():
                break
            with suppress(FleetError):
                ask(paths, "agent.start", {"name": "clerk", "subject": "ticket/1"})

            def failed(least: int = count) -> bool:
                return note.exists() or len(entries(paths, "run.failed")) >= least

            wait_until(failed, what="the clerk to fail once more")
        wait_until(note.exists, what="the daemon to come to this point")
        wait_until(lambda: risk_of(paths, "clerk")["state"] == "quarantined", what="the next daemon to judge it")
        assert [len(entries(paths, kind)) for kind in ("agent.quarantined", "agent_quarantined")] == [1, 1]
        with pytest.raises(FleetError) as refused:
            ask(paths, "agent.start", {"name": "clerk", "subject": "ticket/1"})
        assert refused.value.code == "FLT-RSK-001"


@pytest.mark.long
def test_what_stands_frozen_stays_so_over_a_kill_and_ends_once_its_work_can_be_saved() -> None:
    with dying_fleet("frozen.listed@1") as (paths, note):
        run = at_work(paths)
        inside = paths.clones / run["session"] / ".git"
        inside.rename(inside.with_name("hidden"))
        with suppress(FleetError):
            ask(paths, "agent.quarantine", {"name": "developer", "reason": "it deletes tests"})
        wait_until(note.exists, what="the daemon to come to this point")
        (frozen,) = wait_until(lambda: risk_of(paths, "developer")["frozen"], what="the next daemon to find it")
        assert "is no clone any more" in frozen["error"]
        assert run_of(paths, run["id"])["state"] == "running"
        wait_until(lambda: entries(paths, "run.frozen"), what="it to be on record")
        assert len(entries(paths, "run.frozen")) == 1
        inside.with_name("hidden").rename(inside)
        wait_until(lambda: run_of(paths, run["id"])["state"] == "cancelled", what="saving to be tried again")
        assert git(paths.bare, "show", f"{run_of(paths, run['id'])['escrow_ref']}:unsaved.md") == "not in any commit"
        assert risk_of(paths, "developer")["frozen"] == []
