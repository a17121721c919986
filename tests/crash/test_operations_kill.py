"""The real daemon, killed with signal 9 while it cancels a ticket: afterwards all of it is cancelled.

A cancellation that was not acknowledged and left no trace would be as good; one half of it would not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fleet.config.paths import FleetPaths
from fleet.core.errors import FleetError
from fleet.daemon.supervisor import start_detached, stop
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.repos import git
from fleet.testing.waiting import PATIENCE, is_written, wait_until

OPERATION_PLACES = ["operation.intended@1", "operation.half@1", "operation.acted@1"]

# Delivers, and goes on with something that is in no commit.
DEVELOPER = """\
version: 1
rules:
  - on: [ticket_ready]
    do:
      - append: { path: "done.md", text: "done\\n" }
      - commit: { message: "Half of it" }
      - push: { title: "Half of it" }
      - append: { path: "unsaved.md", text: "not in any commit\\n" }
      - pause: { seconds: 600 }
"""
CONFIG = """\
version: 1
agents:
  - {name: developer, role: developer, subscribes_to: [ticket_ready]}
"""


@contextmanager
def dying_fleet(place: str) -> Iterator[tuple[FleetPaths, Path]]:
    """A supervised fleet whose first daemon dies at ``place``."""
    with fleet_in() as paths:
        paths.config.write_text(CONFIG)
        (paths.config.parent / "playbooks" / "developer.yaml").write_text(DEVELOPER)
        note = paths.checkout.parent / "died"
        program = (sys.executable, "-m", "fleet.testing.crash", place, str(note))
        start_detached(paths, supervised=True, program=program)
        try:
            yield paths, note
        finally:
            stop(paths)


def one_run(paths: FleetPaths) -> dict[str, Any]:
    """The developer's run."""
    (run,) = ask(paths, "ps", {"all": True}, patience=PATIENCE)["runs"]
    found: dict[str, Any] = run
    return found


@pytest.mark.crash
@pytest.mark.timeout(180)
@pytest.mark.sampled(3)
@pytest.mark.parametrize("place", OPERATION_PLACES)
def test_a_cancellation_survives_a_kill_at(place: str) -> None:
    with dying_fleet(place) as (paths, note):
        ask(paths, "ticket.create", {"title": "Greet the user", "labels": ["ready"]})

        def unsaved() -> bool:
            runs = ask(paths, "ps")["runs"]
            clones = [paths.clones / run["session"] / "unsaved.md" for run in runs if run["session"]]
            return any(is_written(path) for path in clones)

        wait_until(unsaved, what="the developer to have something that is in no commit")
        (pull,) = ask(paths, "prs")["pulls"]
        with pytest.raises(FleetError):
            ask(paths, "ticket.cancel", {"number": 1, "reason": "superseded"})
        assert note.exists(), "the daemon never came to this point"

        def cancelled() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = ask(paths, "log", {"type": "ticket.cancelled"}, patience=PATIENCE)["entries"]
            return found

        wait_until(cancelled, what=f"the cancellation to be completed after a kill at {place}")
        assert len(cancelled()) == 1
        ticket = ask(paths, "ticket.show", {"number": 1})
        assert ticket["ticket"]["state"] == "closed"
        assert [(one["number"], one["state"]) for one in ticket["pulls"]] == [(pull["number"], "closed")]
        assert len(ticket["comments"]) == 1
        wait_until(lambda: one_run(paths)["state"] == "cancelled", what="the run to be over")
        run = one_run(paths)
        assert git(paths.bare, "show", f"{run['escrow_sha']}:unsaved.md") == "not in any commit"
        assert not ask(paths, "status")["deliveries"].get("pending", 0)
        assert ask(paths, "audit.verify")["ok"]
