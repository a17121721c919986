"""The whole chain on GitHub: the real gh and git, the real daemon, tmux, and a GitHub on this machine."""

from __future__ import annotations

import sys

import pytest

from fleet.config.paths import FleetPaths
from fleet.daemon.supervisor import start_detached
from fleet.testing.fleets import ask
from fleet.testing.github.fleet import entries, fleet_at_github, open_issue
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import Place
from fleet.testing.github.server import Fault
from fleet.testing.repos import git
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until

PROGRAM = (sys.executable, "-m", "fleet.cli.daemon")


def shipped(paths: FleetPaths, *, seconds: float) -> None:
    """Wait for the end of the chain."""
    wait_until(lambda: entries(paths, "ticket_shipped"), timeout=seconds, what="the ticket to be shipped")


def require_one_clean_merge(paths: FleetPaths, place: Place, number: int) -> None:
    """One pull request, merged once at the head that both reviewers approved, the issue closed and shipped."""
    issue = place.hub.items[number]
    wait_until(lambda: (issue.state, issue.labels) == ("closed", ["shipped"]), what="the issue to be settled")
    (pull,) = (item for item in place.hub.items.values() if item.head)
    approved = {entry["generation"] for entry in entries(paths, "pr_approved")}
    assert approved == {pull.head_sha}
    assert (pull.merged_at > 0, pull.head) == (True, f"fleet/{number}")
    merges = git(place.hub.bare, "log", "--merges", "--format=%H %P", "main").splitlines()
    assert [line.split()[0] for line in merges] == [pull.merge_commit]
    assert merges[0].split()[2] == pull.head_sha
    statuses = [(status["context"], status["state"]) for status in place.hub.statuses[pull.head_sha]]
    assert statuses == [("fleet/gate", "success")]
    wait_until(lambda: pull.labels == ["shipped"], what="its label")
    assert len(entries(paths, "pr_merged")) == 1
    assert ask(paths, "audit.verify")["ok"]


@pytest.mark.tmux
@pytest.mark.timeout(240)
def test_an_issue_labelled_at_github_becomes_a_merged_pull_request() -> None:
    with fleet_at_github() as (paths, place):
        start_detached(paths, supervised=True, program=PROGRAM)
        number = open_issue(place, "xen")
        place.label(number, "ready", login="tim")
        wait_until(lambda: entries(paths, "ticket_created"), what="the issue to be seen")
        assert entries(paths, "ticket_ready") == [], "a label by somebody who may not write wakes nobody"
        place.gh("api", "-X", "DELETE", f"repos/{REPO}/issues/{number}/labels/ready", login="ann")
        place.label(number, "ready", login="ann")
        shipped(paths, seconds=150)
        require_one_clean_merge(paths, place, number)
        (ready,) = entries(paths, "ticket_ready")
        assert ready["payload"]["author"] == "outsider:xen"


@pytest.mark.tmux
@pytest.mark.long
@pytest.mark.timeout(400)
def test_the_chain_ends_the_same_while_every_fifth_request_fails_in_another_way() -> None:
    ways = [
        Fault(502, "<html>Bad Gateway</html>", {"Content-Type": "text/html"}),
        Fault(0),
        Fault(403, '{"message": "You have exceeded a secondary rate limit"}', {"Retry-After": "1"}),
        Fault(0, after=True),
        Fault(429, '{"message": "slow down"}', {"Retry-After": "1"}),
        Fault(200, '[{"number": 1, "ti'),
        Fault(401, '{"message": "Bad credentials"}', after=True),
    ]

    def faults(number: int, method: str, target: str) -> Fault | None:
        return ways[number // 5 % len(ways)] if number % 5 == 0 and "permission" not in target else None

    with fleet_at_github() as (paths, place):
        number = open_issue(place, "ann")
        place.label(number, "ready", login="ann")
        place.server.faults = faults
        start_detached(paths, supervised=True, program=PROGRAM)
        shipped(paths, seconds=360)
        place.server.faults = lambda number, method, target: None
        require_one_clean_merge(paths, place, number)


@pytest.mark.tmux
@pytest.mark.long
@pytest.mark.timeout(300)
def test_with_a_prefix_the_labels_are_made_and_the_chain_runs_by_them() -> None:
    with fleet_at_github() as (paths, place):
        paths.config.write_text(f"label_prefix: fleet/\n{paths.config.read_text()}")
        place.hub.labels["Fleet/Ready"] = {}
        start_detached(paths, supervised=True, program=PROGRAM)
        shell = Shell(paths.checkout, {})
        blocked = shell.fleet("labels", "sync", "--json")
        assert (blocked.code, object_of(blocked)["blocked"]) == (1, ["fleet/ready"])
        place.gh("api", "-X", "DELETE", f"repos/{REPO}/labels/Fleet%2FReady", login="ann")
        assert "would make: fleet/ready\n" in shell.fleet("labels", "sync", "--dry-run").text
        assert shell.answer("labels", "sync")["created"] == ["fleet/ready"]
        assert shell.fleet("labels", "sync", "now").code == 2
        plain, number = open_issue(place, "ann"), open_issue(place, "ann")
        place.label(plain, "ready", login="ann")
        place.label(number, "fleet/ready", login="ann")
        wait_until(lambda: entries(paths, "ticket_shipped"), timeout=240, what="the ticket to be shipped")
        issue = place.hub.items[number]
        wait_until(lambda: issue.labels == ["fleet/shipped"], what="the issue to be settled")
        (pull,) = (item for item in place.hub.items.values() if item.head)
        wait_until(lambda: pull.labels == ["fleet/shipped"], what="its label")
        assert [entry["subject"] for entry in entries(paths, "ticket_ready")] == [f"ticket/{number}"]
        assert place.hub.items[plain].labels == ["ready"]
        assert shell.answer("ticket", "show", str(plain))["ticket"]["labels"] == ["ready (no prefix)"]
