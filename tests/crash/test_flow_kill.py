"""kill -9 where the clock starts an agent and where a person lets a merge go on: it happens once, after the restart."""

from __future__ import annotations

import pytest
from tests.crash.test_daemon_kill import dying_fleet

from fleet.config.paths import FleetPaths
from fleet.core.errors import Unreachable
from fleet.daemon.rpc import Rpc
from fleet.testing.fleets import ask, make_due, schedule_agent
from fleet.testing.repos import git
from fleet.testing.waiting import PATIENCE, wait_until

SCHEDULE_PLACES = ["schedule.before_commit@1", "schedule.after_commit@1"]
APPROVE_PLACES = ["approve.after_commit@1"]


def a_schedule_is_due(paths: FleetPaths) -> None:
    """A docs-writer that starts on the first of January, and a store in which that is now."""
    schedule_agent(paths, "scribe", "0 0 1 1 *")
    make_due(paths, "scribe", "0 0 1 1 * UTC")


@pytest.mark.crash
@pytest.mark.timeout(180)
@pytest.mark.sampled(2)
@pytest.mark.parametrize("place", SCHEDULE_PLACES)
def test_a_schedule_fires_once_over_a_kill_at(place: str) -> None:
    with dying_fleet(place, a_schedule_is_due) as (ring, note):

        def done() -> bool:
            return bool(ask(ring.paths, "log", {"type": "run.succeeded"}, patience=PATIENCE)["entries"])

        wait_until(done, what=f"the scheduled run to end after a kill at {place}")
        assert note.exists(), "the daemon never came to this point"
        entries = ask(ring.paths, "log", {"limit": 1000})["entries"]
        types = [entry["type"] for entry in entries]
        assert (types.count("schedule_due"), types.count("delivery.dispatched")) == (1, 1)
        assert len(ring.starts.read_text().split()) == 1
        assert ask(ring.paths, "audit.verify")["ok"]


def the_work_is_protected(paths: FleetPaths) -> None:
    """Every change of the rehearsal needs a person's word."""
    text = paths.config.read_text(encoding="utf-8")
    assert "protected_paths: [" in text
    paths.config.write_text(
        text.replace("protected_paths: [", "protected_paths: [fleet-rehearsal/, "), encoding="utf-8"
    )


@pytest.mark.crash
@pytest.mark.timeout(180)
@pytest.mark.parametrize("place", APPROVE_PLACES)
def test_a_granted_merge_goes_on_once_over_a_kill_at(place: str) -> None:
    with dying_fleet(place, the_work_is_protected) as (ring, note):
        ask(ring.paths, "ticket.create", {"title": "Greet the user", "labels": ["ready"]})
        asked = wait_until(lambda: ask(ring.paths, "approvals")["approvals"], what="the question to a person")
        with pytest.raises(Unreachable), Rpc(ring.paths.socket, timeout=PATIENCE) as line:
            line.call("approval.grant", {"id": asked[0]["id"]})
        assert note.exists()
        wait_until(
            lambda: ask(ring.paths, "log", {"type": "ticket_shipped"}, patience=PATIENCE)["entries"],
            what="the ticket to be shipped",
        )
        types = [entry["type"] for entry in ask(ring.paths, "log", {"limit": 1000})["entries"]]
        assert [types.count(one) for one in ("approval.requested", "approval.granted", "pr_merged")] == [1, 1, 1]
        assert git(ring.paths.bare, "rev-parse", "main^2") == asked[0]["head"]
        assert ask(ring.paths, "audit.verify")["ok"]
