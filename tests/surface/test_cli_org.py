"""An org on the command line: several repositories in one daemon, each on its own, and one that hears all."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fleet.config.paths import FleetPaths, fleet_paths, org_home
from fleet.config.scaffold import scaffold
from fleet.core.clock import SystemClock
from fleet.core.errors import FleetError
from fleet.daemon.lease import holder
from fleet.process import run
from fleet.testing.fleets import ask, own_folders
from fleet.testing.github.place import Place, a_github
from fleet.testing.github.server import Fault
from fleet.testing.repos import git, make_checkout
from fleet.testing.shell import Shell
from fleet.testing.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.tmux

ASK_API = (
    sys.executable,
    "-c",
    """
import os
from fleet.cli.client import Client
from fleet.core.errors import FleetError
try:
    print(Client(os.environ["API"]).call("status", {}))
except FleetError as error:
    print(error.code)
""",
)
SHOP, API = "acme/shop", "acme/api"
CONFIG = """\
version: 1
{more}
agents:
  - {{name: {name}, role: docs-writer, subscribes_to: ticket_ready, max_concurrent: 5}}
"""
PLAYBOOK = """\
version: 1
rules:
  - {on: ticket_ready, do: [{publish: {event: note, summary: here I am}}]}
"""


def member(checkout: Path, name: str, more: str = "") -> None:
    """A fleet of one agent that says that it is there."""
    (checkout / ".fleet" / "playbooks").mkdir(parents=True, exist_ok=True)
    (checkout / ".fleet" / "config.yaml").write_text(CONFIG.format(name=name, more=more))
    (checkout / ".fleet" / "playbooks" / f"{name}.yaml").write_text(PLAYBOOK)
    git(checkout, "add", ".fleet")
    git(checkout, "commit", "--quiet", "-m", "fleet")


@dataclass
class Desk:
    """Two repositories and the org over them; nothing runs yet."""

    folder: Path
    shell: Shell

    def paths(self, name: str) -> FleetPaths:
        """The places of ``shop``, ``api`` or the org."""
        checkout = org_home("acme", os.environ) if name == "org" else self.folder / name
        return fleet_paths(checkout, os.environ, os.getuid())

    def starts(self, name: str) -> list[tuple[str, str]]:
        """Agent and work of every run that has started there."""
        try:
            found = ask(self.paths(name), "log", {"type": "run.started", "limit": 100}, patience=PATIENCE)["entries"]
        except FleetError:
            return []
        return [(str(entry["agent"]), str(entry["work_item"])) for entry in found]

    def rows(self) -> dict[str, dict[str, Any]]:
        """How each repository does."""
        return {row["repo"]: row for row in self.shell.answer("watcher", "status", "--org", "acme")["repositories"]}


@contextmanager
def a_desk(more: str = "") -> Iterator[Desk]:
    """Make it; whatever runs at the end is stopped. ``more`` are keys of both repositories' configurations."""
    with own_folders() as folder:
        for name in ("shop", "api"):
            member(make_checkout(folder / name), f"{name}-writer", more.format(repo=f"acme/{name}"))
        desk = Desk(folder, Shell(folder, {}))
        desk.shell.answer("init", "--org", "acme", "--checkout", "shop", "--checkout", "api")
        member(org_home("acme", os.environ), "listener")
        try:
            yield desk
        finally:
            desk.shell.fleet("down", "--org", "acme")


@pytest.fixture
def desk() -> Iterator[Desk]:
    """On the local forge."""
    with a_desk() as made:
        yield made


# -- both at GitHub --------------------------------------------------------------------------------------


@contextmanager
def at_github(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Desk, Place]]:
    """Both repositories live on one GitHub and are reached over kept connections."""
    more = "forge: github\nrepo: {repo}\nforge_transport: httpx2"
    with a_desk(more) as desk, a_github(desk.folder / "shop", {API: desk.folder / "api"}) as place:
        for name, value in place.env().items():
            if name != "HOME":
                monkeypatch.setenv(name, value)
        try:
            yield desk, place
        finally:
            desk.shell.fleet("down", "--org", "acme")


def open_issue(place: Place, repo: str, title: str) -> int:
    """Ann writes one on the web."""
    hub = place.hub_of(repo)
    with hub.lock:
        return hub.open_issue("ann", title, "text", ()).number


@pytest.mark.long
@pytest.mark.timeout(240)
def test_labels_in_two_repositories_start_the_right_agents_and_the_org_hears_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with at_github(monkeypatch) as (desk, place):
        up = desk.shell.answer("up", "--org", "acme")
        assert [(row["repo"], row["running"]) for row in up["repositories"]] == [(SHOP, True), (API, True)]
        open_issue(place, API, "nobody labels this one")
        numbers = {repo: open_issue(place, repo, f"A wish for {repo}") for repo in (SHOP, API)}
        assert numbers == {SHOP: 1, API: 2}
        for repo, number in numbers.items():
            place.label(number, "ready", login="ann", repo=repo)
        heard = {("listener", f"repo/{SHOP}/ticket/1"), ("listener", f"repo/{API}/ticket/2")}
        wait_until(lambda: set(desk.starts("org")) >= heard, timeout=120, what="the org's agent to hear both")
        for name, work in (("shop", "ticket/1"), ("api", "ticket/2")):
            wait_until(lambda: desk.starts(name), what=f"the agent of {name}")
            assert desk.starts(name) == [(f"{name}-writer", work)]
        events = ask(desk.paths("org"), "log", {"type": "ticket_ready", "limit": 10})["entries"]
        assert {entry["payload"]["repo"] for entry in events} == {SHOP, API}
        assert place.server.connections <= 6, "one login, a few kept connections"
        assert ask(desk.paths("org"), "audit.verify")["ok"]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_repository_whose_answers_do_not_come_delays_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with at_github(monkeypatch) as (desk, place):
        place.server.faults = lambda number, method, target: Fault(-1) if f"/{API}/" in target else None
        desk.shell.answer("up", "--org", "acme")
        for repo in (SHOP, API):
            place.server.faults, faults = lambda number, method, target: None, place.server.faults
            place.label(open_issue(place, repo, "A wish"), "ready", login="ann", repo=repo)
            place.server.faults = faults
        wait_until(lambda: desk.starts("shop"), what="the agent of the repository that answers")
        assert desk.starts("api") == []
        place.server.faults = lambda number, method, target: None
        wait_until(lambda: desk.starts("api"), timeout=120, what="the other one, once it answers")


# -- on the local forge ------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.timeout(240)
def test_one_daemon_runs_all_and_each_repository_is_worked_with_as_ever(desk: Desk) -> None:
    text = desk.shell.fleet("up", "--org", "acme").text
    assert "org acme: 2 repositories" in text
    pid = holder(desk.paths("shop").daemon_lock)
    assert pid == holder(desk.paths("api").daemon_lock) == holder(desk.paths("org").daemon_lock)
    there = Shell(desk.folder / "shop", {})
    there.answer("ticket", "create", "A wish", "--label", "ready")
    wait_until(lambda: desk.starts("org"), what="the org's agent")
    assert desk.starts("org") == [("listener", "repo/local/shop/ticket/1")]
    assert desk.starts("api") == []
    stranger = {"FLEET_SOCKET": str(desk.paths("shop").socket)}  # what every session of that repository carries
    called = run(ASK_API, timeout=PATIENCE, env={**os.environ, **stranger, "API": str(desk.paths("api").socket)})
    assert "FLT-AUT-003" in called.text, "a run of one repository is no person in another"
    for words in (("down",), ("up",), ("restart",), ("watcher", "stop")):
        refused = there.fleet(*words)
        assert (refused.code, "FLT-ORG-005" in refused.error_text) == (8, True), words
        assert "fleet down --org acme" in refused.error_text
    assert desk.shell.answer("down", "--org", "acme")["ran"]
    assert holder(desk.paths("shop").daemon_lock) is None
    assert there.fleet("up").ok, "and on its own afterwards"
    there.fleet("down")


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_repository_that_cannot_run_says_why_and_comes_up_by_itself_once_it_can(desk: Desk) -> None:
    config = desk.paths("api").config
    good = config.read_text()
    config.write_text(good.replace("docs-writer", "no-such-role"))
    rows = {row["repo"]: row for row in desk.shell.answer("up", "--org", "acme")["repositories"]}
    assert rows["local/shop"]["running"]
    assert not rows["local/api"]["running"]
    assert "FLT-ORG-004" in rows["local/api"]["trouble"]
    assert "no-such-role" in rows["local/api"]["trouble"]
    assert "no-such-role" in desk.shell.fleet("watcher", "status", "--org", "acme").text
    config.write_text(good)
    wait_until(lambda: desk.rows()["local/api"]["running"], what="the repository to come up")


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_killed_daemon_comes_back_with_every_repository_and_no_event_is_lost_or_doubled(desk: Desk) -> None:
    desk.shell.answer("up", "--org", "acme")
    shop = Shell(desk.folder / "shop", {})
    shop.answer("ticket", "create", "One", "--label", "ready")
    pid = holder(desk.paths("shop").daemon_lock)
    assert pid
    os.kill(pid, signal.SIGKILL)

    def another() -> bool:
        return holder(desk.paths("shop").daemon_lock) not in (None, 0, pid)

    wait_until(another, what="another daemon")
    wait_until(lambda: shop.fleet("ticket", "create", "Two", "--label", "ready").ok, what="an answer")
    expected = {("listener", "repo/local/shop/ticket/1"), ("listener", "repo/local/shop/ticket/2")}
    wait_until(lambda: set(desk.starts("org")) == expected, what="both to be heard")
    events = ask(desk.paths("org"), "log", {"type": "ticket_ready", "limit": 10}, patience=PATIENCE)["entries"]
    assert sorted(entry["subject"] for entry in events) == [f"repo/local/shop/ticket/{number}" for number in (1, 2)]


@pytest.mark.long
def test_bad_input_is_named(desk: Desk) -> None:
    for words, code, says in (
        (("up", "--org", "nope"), 4, "FLT-ORG-002"),
        (("watcher", "status", "--org", "No/Name"), 2, "FLT-ORG-001"),
        (("init", "--org", "acme"), 8, "FLT-ORG-003"),
        (("init", "--checkout", "shop"), 2, "--org"),
        (("init", "--org", "new", "--force"), 2, "--checkout"),
    ):
        done = desk.shell.fleet(*words)
        assert (done.code, says in done.error_text) == (code, True), done.error_text
    file = org_home("acme", os.environ) / "org.yaml"
    file.write_text(file.read_text() + "colour: red\n")
    done = desk.shell.fleet("up", "--org", "acme")
    assert done.code == 3
    assert "unknown key 'colour'" in done.error_text
    assert holder(desk.paths("org").daemon_lock) is None


def test_the_scaffolds_own_configuration_hears_without_a_warning() -> None:
    with own_folders() as folder:
        checkout = make_checkout(folder / "shop")
        scaffold(checkout, now=SystemClock().now())
        shell = Shell(folder, {})
        made = shell.answer("init", "--org", "acme", "--checkout", "shop")
        done = Shell(Path(made["folder"]), {}).answer("config", "validate")
        assert done["warnings"] == []
