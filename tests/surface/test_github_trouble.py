"""What is wrong at GitHub, as a person sees it: one line in status and doctor, and a daemon that goes on."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fleet.config.paths import FleetPaths
from fleet.daemon.supervisor import start_detached
from fleet.testing.fleets import ask
from fleet.testing.github.fleet import entries, fleet_at_github, open_issue
from fleet.testing.github.hub import REPO, Item
from fleet.testing.github.place import BOT, Place
from fleet.testing.github.server import Fault
from fleet.testing.github.watching import Rules
from fleet.testing.repos import commit, git
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import PATIENCE, wait_until

PROGRAM = (sys.executable, "-m", "fleet.cli.daemon")
QUIET = """\
version: 1
agents:
  - {name: scribe, role: docs-writer}
"""


def service(paths: FleetPaths, name: str) -> dict[str, Any]:
    """How a service of the daemon does."""
    found: list[dict[str, Any]] = ask(paths, "watcher.status", {}, patience=PATIENCE)["services"]
    return next(one for one in found if one["name"] == name)


def told(paths: FleetPaths, words: str) -> None:
    """Status has one line with these words, and doctor fails on the forge with them."""
    wait_until(lambda: service(paths, "watcher")["failures"], what="GitHub to be in trouble")
    shell = Shell(paths.checkout, {})
    lines = [line for line in shell.fleet("status", env={"COLUMNS": "500"}).text.splitlines() if "FLT-GHB" in line]
    assert [line.split()[0] for line in lines] == ["✗", "forge"]
    assert all(words in line for line in lines)
    done = shell.fleet("doctor", "--json")
    found = {check["id"]: check for check in object_of(done)["checks"]}["forge"]
    assert (done.code, found["state"]) == (1, "fail")
    assert words in found["found"]


@contextmanager
def without(name: str, value: str | None) -> Iterator[None]:
    """A variable of the surroundings is another, or gone."""
    before = os.environ[name]
    if value is None:
        del os.environ[name]
    else:
        os.environ[name] = value
    try:
        yield
    finally:
        os.environ[name] = before


@pytest.mark.tmux
@pytest.mark.long
@pytest.mark.timeout(200)
@pytest.mark.parametrize("way", ["no gh", "no login", "no right", "no repository"])
def test_what_a_person_has_to_mend_is_one_line_in_status_and_doctor(way: str, tmp_path: Path) -> None:
    with fleet_at_github(QUIET) as (paths, place):
        if way == "no gh":
            with without("PATH", _path_without_gh(tmp_path)):
                start_detached(paths, supervised=True, program=PROGRAM)
            told(paths, "gh cannot be started [FLT-GHB-011] Install the GitHub CLI")
        elif way == "no login":
            with without("GH_TOKEN", None):
                start_detached(paths, supervised=True, program=PROGRAM)
            told(paths, "gh is not logged in [FLT-GHB-001] Log in: gh auth login")
        else:
            status = 403 if way == "no right" else 404
            place.server.faults = lambda number, method, target: (
                Fault(status, '{"message": "Resource not accessible"}') if "/issues" in target else None
            )
            start_detached(paths, supervised=True, program=PROGRAM)
            told(paths, "gh auth refresh -s repo" if status == 403 else "[FLT-GHB-006]")


def _path_without_gh(folder: Path) -> str:
    """Everything on the path but ``gh``."""
    for part in reversed(os.environ["PATH"].split(":")):
        for program in Path(part).iterdir() if Path(part).is_dir() else ():
            link = folder / program.name
            link.unlink(missing_ok=True)
            link.symlink_to(program)
    (folder / "gh").unlink(missing_ok=True)
    assert shutil.which("gh", path=str(folder)) is None
    return str(folder)


@pytest.mark.tmux
@pytest.mark.long
@pytest.mark.timeout(300)
def test_writes_that_github_refuses_end_no_daemon_and_are_made_good_once(tmp_path: Path) -> None:
    with fleet_at_github(QUIET) as (paths, place):
        place.hub.rules["main"] = Rules(ruled_reviews=1)
        start_detached(paths, supervised=True, program=PROGRAM)
        pid = ask(paths, "ping", {}, patience=PATIENCE)["pid"]
        shell = Shell(paths.checkout, {})
        checks = {check["id"]: check for check in object_of(shell.fleet("doctor", "--json"))["checks"]}
        assert "fleet/gate" in checks["forge.reviews"]["fix"]
        number = open_issue(place, "ann")
        pull = _pull(place, paths.checkout, number)
        wait_until(lambda: entries(paths, "ticket_created"), what="the issue to be seen")
        place.server.faults = lambda at, method, target: (
            Fault(403, '{"message": "Resource not accessible"}')
            if method != "GET" and place.server.log[at - 1].login == BOT
            else None
        )
        place.hub.rules.clear()
        place.gh("api", "-X", "PUT", f"repos/{REPO}/pulls/{pull.number}/merge", login="ann")
        wait_until(lambda: "FLT-GHB-005" in service(paths, "reconciler")["last_error"], timeout=120, what="the refusal")
        assert "reconciler" in shell.fleet("doctor").text
        other = open_issue(place, "ann")
        place.label(other, "ready", login="ann")
        wait_until(lambda: entries(paths, "ticket_ready"), what="the other issue to go on")
        place.server.faults = lambda at, method, target: None
        issue = place.hub.items[number]
        wait_until(lambda: (issue.state, issue.labels) == ("closed", ["shipped"]), timeout=120, what="it to be settled")
        wait_until(lambda: entries(paths, "ticket_shipped"), what="the label to be seen")
        wait_until(lambda: not service(paths, "reconciler")["failures"], what="the reconciler to be well")
        assert ask(paths, "ping", {}, patience=PATIENCE)["pid"] == pid
        assert (len(entries(paths, "pr_merged")), len(entries(paths, "ticket_shipped"))) == (1, 1)


def _pull(place: Place, checkout: Path, number: int) -> Item:
    """A pull request for a ticket, by the fleet's login."""
    git(checkout, "checkout", "--quiet", "-b", f"fleet/{number}")
    commit(checkout, {"work.txt": "x\n"}, "work")
    place.push(checkout, f"fleet/{number}:fleet/{number}")
    git(checkout, "checkout", "--quiet", "main")
    with place.hub.lock:
        return place.hub.open_pull(BOT, "Work", "", f"fleet/{number}", "main")
