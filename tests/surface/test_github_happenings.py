"""What people do at GitHub past a running fleet becomes one event each: the real gh, git, daemon, tmux and agents."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.config.paths import FleetPaths
from fleet.daemon.lease import holder
from fleet.daemon.supervisor import start_detached, stop
from fleet.testing.fleets import ask
from fleet.testing.github.fleet import entries, fleet_at_github
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import Place
from fleet.testing.repos import commit, git
from fleet.testing.waiting import PATIENCE, is_written, wait_until

pytestmark = [pytest.mark.tmux, pytest.mark.long]

PROGRAM = (sys.executable, "-m", "fleet.cli.daemon")
CONFIG = """\
version: 1
max_concurrent: 20
allow_shared_uid_merge: true
shared_uid_merge_reason: a test
agents:
  - {name: developer, role: developer, subscribes_to: [ticket_ready, ci_fail, pr_conflict], max_concurrent: 20,
     publishes: [note]}
"""
MERGED, CLOSED, FORCED, CONFLICTED, FAILED, DELETED, RETARGETED, STOPPED, UNREADY = range(1, 10)
# It delivers; on two of the tickets it then goes on with what is in no commit yet.
DEVELOPER = f"""\
version: 1
rules:
  - on: ticket_ready
    do:
      - append: {{ path: "work-{{ticket}}.md", text: "by the agent\\n" }}
      - commit: {{ message: "Work on {{ticket}}" }}
      - push: {{ title: "Work on {{ticket}}" }}
      - append: {{ path: "unsaved.md", text: "in no commit\\n" }}
      - run:
          argv: [sh, -c, "case {{ticket}} in {STOPPED}|{UNREADY}) exec sleep 900;; esac"]
          timeout_seconds: 1000
  - on: [ci_fail, pr_conflict]
    do:
      - publish: {{ event: note, summary: "I hear" }}
"""
TICKETS = range(1, 10)
# What is told, and of whose work. GitHub closes a pull request whose branch is deleted.
TOLD = {
    "pr_merged": {MERGED},
    "pr_closed": {CLOSED, DELETED},
    "pr_head_moved": {FORCED},
    "pr_conflict": {CONFLICTED},
    "ci_fail": {FAILED},
    "pr_branch_deleted": {DELETED},
    "pr_retargeted": {RETARGETED},
    "ticket_closed": {STOPPED},
    "ticket_unready": {UNREADY},
}


@pytest.fixture
def working() -> Iterator[tuple[FleetPaths, Place]]:
    """A fleet that has opened a pull request for each of nine tickets; on two of them its agent still works."""
    with fleet_at_github(CONFIG, {"developer": DEVELOPER}) as (paths, place):
        with place.hub.lock:
            for number in TICKETS:
                place.hub.open_issue("ann", f"Wish {number}", "text", ("ready",))
        start_detached(paths, supervised=True, program=PROGRAM)
        wait_until(lambda: len(entries(paths, "pr_created")) == len(TICKETS), timeout=240, what="nine pull requests")
        wait_until(lambda: len(runs(paths, "running")) == 2, timeout=120, what="two agents still at work")
        wait_until(lambda: all(unsaved(paths, run) for run in runs(paths, "running")), what="their files")
        yield paths, place


def runs(paths: FleetPaths, *states: str) -> list[dict[str, Any]]:
    """Runs in these states, or all."""
    found = ask(paths, "ps", {"all": True}, patience=PATIENCE)["runs"]
    return [run for run in found if not states or run["state"] in states]


def unsaved(paths: FleetPaths, run: dict[str, Any]) -> bool:
    """Whether a run has something that is in no commit."""
    return is_written(paths.clones / str(run["session"]) / "unsaved.md")


def pull_of(place: Place, ticket: int) -> Any:
    """The pull request of a ticket, as GitHub has it."""
    with place.hub.lock:
        place.hub.look_at_heads()
        return next(item for item in place.hub.items.values() if item.head == f"fleet/{ticket}")


def happen(paths: FleetPaths, place: Place) -> None:
    """Everything at once, by people's own gh and git."""
    checkout, hub = paths.checkout, place.hub
    git(checkout, "fetch", "--quiet", str(hub.bare), "+refs/heads/*:refs/remotes/there/*")
    git(checkout, "checkout", "--quiet", "--detach", f"there/fleet/{FORCED}")
    git(checkout, "reset", "--quiet", "--hard", "HEAD^")
    commit(checkout, {f"work-{FORCED}.md": "by hand\n"}, "By hand")
    place.push(checkout, f"+HEAD:refs/heads/fleet/{FORCED}")
    git(checkout, "checkout", "--quiet", "main")
    git(checkout, "merge", "--quiet", "--no-edit", f"there/fleet/{MERGED}")
    commit(checkout, {f"work-{CONFLICTED}.md": "somebody else's\n"}, "The same file")
    place.push(checkout)
    place.push(checkout, f":refs/heads/fleet/{DELETED}")
    place.push(checkout, "main:refs/heads/release")
    with hub.lock:
        hub.check(pull_of(place, FAILED).head_sha, "build", "failure", title="2 tests failed", summary="test_a, test_b")
    closed, retargeted = pull_of(place, CLOSED).number, pull_of(place, RETARGETED).number
    place.gh("api", "-X", "PATCH", f"repos/{REPO}/pulls/{closed}", "-f", "state=closed", login="ann")
    place.gh("api", "-X", "PATCH", f"repos/{REPO}/pulls/{retargeted}", "-f", "base=release", login="ann")
    place.gh("api", "-X", "PATCH", f"repos/{REPO}/issues/{STOPPED}", "-f", "state=closed", login="ann")
    place.gh("api", "-X", "DELETE", f"repos/{REPO}/issues/{UNREADY}/labels/ready", login="ann")


def looked_again(place: Place, times: int) -> None:
    """Wait until the fleet has asked GitHub for the issues and the base so often from now on."""
    begin = len(place.server.log)

    def count(part: str) -> int:
        return sum(part in asked.target and asked.status != 0 for asked in place.server.log[begin:])

    wait_until(
        lambda: min(count("/issues?state=all"), count("/git/ref/heads/main")) >= times,
        timeout=120,
        what="more looks at GitHub",
    )


def told(paths: FleetPaths) -> dict[str, list[str]]:
    """The work that each kind of event was told of."""
    return {kind: sorted(entry["work_item"] for entry in entries(paths, kind)) for kind in TOLD}


@pytest.mark.timeout(600)
def test_whatever_happens_past_the_fleet_is_told_once_also_by_a_daemon_that_is_killed(
    working: tuple[FleetPaths, Place],
) -> None:
    paths, place = working
    happen(paths, place)
    kill_the_daemon(paths)  # in the middle of it; its supervisor starts another
    expected = {kind: [f"ticket/{number}" for number in sorted(numbers)] for kind, numbers in TOLD.items()}
    wait_until(lambda: told(paths) == expected, timeout=180, what="every event")
    base_moved_once(paths, place)
    failed_check_reached_its_author(paths)
    agents_stopped_and_their_work_is_saved(paths)
    kill_the_daemon(paths)
    looked_again(place, 4)
    assert told(paths) == expected, "a new daemon says nothing twice"
    # Watcher or reconciler, whoever was first on this machine: nobody of the fleet did it.
    assert entries(paths, "pr_merged")[0]["actor"] in ("system:forge", "system:reconciler")
    assert ask(paths, "audit.verify", patience=PATIENCE)["ok"]


def kill_the_daemon(paths: FleetPaths) -> None:
    """Without a chance to tidy up."""
    pid = wait_until(lambda: holder(paths.daemon_lock), what="a daemon")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def base_moved_once(paths: FleetPaths, place: Place) -> None:
    """The base was pushed to by a person: followed, on record once, nothing unexplained."""
    head = place.hub.branch("main")
    wait_until(lambda: git(paths.bare, "rev-parse", "main") == head, what="the base to follow")
    assert [entry["generation"] for entry in entries(paths, "base.fetched")] == [head]
    assert entries(paths, "base.unexplained") == []


def failed_check_reached_its_author(paths: FleetPaths) -> None:
    """With the words of the check, marked as nobody's trusted words; and the author has been started on it."""
    (entry,) = entries(paths, "ci_fail")
    assert entry["agent"] == "developer"
    (check,) = entry["payload"]["checks"]
    assert (check["name"], check["untrusted"]["summary"]) == ("build", "2 tests failed\n\ntest_a, test_b")
    wanted = {("ci_fail", f"ticket/{FAILED}"), ("pr_conflict", f"ticket/{CONFLICTED}")}
    wait_until(
        lambda: wanted <= {(run["event_type"], run["work_item"]) for run in runs(paths, "succeeded")},
        timeout=120,
        what="the author to hear of it",
    )
    heard = [(run["event_type"], run["work_item"]) for run in runs(paths) if run["event_type"] != "ticket_ready"]
    assert sorted(heard) == sorted(wanted)


def agents_stopped_and_their_work_is_saved(paths: FleetPaths) -> None:
    """Both agents that were at work were asked to stop, once, and what was in no commit is kept."""
    wait_until(lambda: len(runs(paths, "cancelled")) == 2, timeout=120, what="both agents to stop")
    stopped = {run["work_item"]: run for run in runs(paths, "cancelled")}
    assert set(stopped) == {f"ticket/{STOPPED}", f"ticket/{UNREADY}"}
    for run in stopped.values():
        assert git(paths.bare, "show", f"{run['escrow_sha']}:unsaved.md") == "in no commit"
    asked = [entry["work_item"] for entry in entries(paths, "run.stop_requested")]
    assert sorted(asked) == sorted(stopped)
    assert entries(paths, "work_returned") == []


@pytest.mark.timeout(300)
def test_a_base_that_is_rewritten_at_github_is_told_once_and_holds_merges(tmp_path: Path) -> None:
    with fleet_at_github() as (paths, place):
        other = tmp_path / "other"
        git(tmp_path, "clone", "--quiet", str(place.hub.bare), str(other))
        commit(other, {"more.md": "more\n"}, "More", who=("Ann", "ann@example.test"))
        place.push(other)
        start_detached(paths, supervised=True, program=PROGRAM)
        wait_until(lambda: git(paths.bare, "rev-parse", "main") == place.hub.branch("main"), what="the base")
        git(other, "reset", "--quiet", "--hard", "HEAD^")
        commit(other, {"other.md": "another past\n"}, "Another past")
        place.push(other, "+main:main")
        wait_until(lambda: entries(paths, "base.unexplained"), what="the rewritten base to be told")
        stop(paths)
        start_detached(paths, supervised=True, program=PROGRAM)
        looked_again(place, 4)
        (entry,) = entries(paths, "base.unexplained")
        assert entry["generation"] == place.hub.branch("main") == git(paths.bare, "rev-parse", "main")
        assert ask(paths, "audit.verify", patience=PATIENCE)["ok"]
