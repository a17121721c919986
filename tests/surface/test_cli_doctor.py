"""``fleet doctor`` on real machines in several states: no repository, no daemon, a good fleet, a damaged one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fleet.config.paths import FleetPaths
from fleet.testing.fleets import ask, fleet_in, own_folders
from fleet.testing.repos import git
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux


@pytest.fixture
def home() -> Iterator[Path]:
    """A short folder with HOME and the XDG folders of its own."""
    with own_folders() as folder:
        yield folder


@pytest.fixture
def paths() -> Iterator[FleetPaths]:
    """A repository with the starter configuration; whatever runs at the end is stopped."""
    with fleet_in() as found:
        git(found.checkout, "config", "user.name", "Ann")
        git(found.checkout, "config", "user.email", "ann@example.org")
        yield found
        Shell(found.checkout, {}).fleet("down")


def by_id(answer: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The checks of an answer by id."""
    return {check["id"]: check for check in answer["checks"]}


def bad(answer: Mapping[str, Any]) -> dict[str, str]:
    """Checks that are not ok, apart from what depends on the machine that the tests run on."""
    machines = {"bytecode", "descriptors", "disk.kind", "disk.free", "linger"}
    return {c["id"]: c["state"] for c in answer["checks"] if c["state"] != "ok" and c["id"] not in machines}


def test_without_a_repository_the_machine_is_looked_at(home: Path) -> None:
    shell = Shell(home, {})
    found = shell.answer("doctor")
    assert found["ok"] is True
    assert bad(found) == {}
    assert {"python", "sqlite", "git", "tmux", "isolation", "fleet.place"} <= set(by_id(found))
    assert {way["id"] for way in found["isolation"]["escapes"]} >= {"store", "ptrace", "at", "ssh"}
    text = shell.fleet("doctor").text
    assert "no fleet in this folder" in text
    assert "Known ways round it" in text


def test_a_fleet_that_is_well_has_no_complaint_with_and_without_its_daemon(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    assert bad(shell.answer("doctor")) == {}
    assert not paths.state.exists(), "looking makes nothing"
    shell.answer("up")
    shell.answer("ticket", "create", "A ticket")
    up = shell.answer("doctor")
    assert bad(up) == {}
    assert "pid" in by_id(up)["daemon"]["found"]
    assert "fit together" in by_id(up)["journal"]["found"]
    shell.answer("down")
    down = shell.answer("doctor")
    assert bad(down) == {}
    assert "none runs" in by_id(down)["daemon"]["found"]


@pytest.mark.long
def test_rights_and_dead_sockets_are_mended_and_said(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    shell.answer("up")
    running = shell.answer("watcher", "status")
    for pid in (running["supervisor_pid"], running["pid"]):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not shell.answer("watcher", "status")["running"], what="the daemon's end")
    paths.state.chmod(0o755)
    paths.clones.rmdir()
    failed = shell.fleet("doctor", "--json")
    assert failed.code == 1
    found = object_of(failed)
    assert found["ok"] is False
    assert bad(found) == {"state": "fail", "left.socket": "warn", "state.folders": "warn"}
    assert "--fix" in shell.fleet("doctor").text
    assert paths.state.stat().st_mode & 0o777 == 0o755, "nothing is mended unasked"
    mended = shell.fleet("doctor", "--fix")
    assert mended.ok, mended.text
    assert "set the mode of" in mended.text
    assert "which nobody listened to" in mended.text
    assert paths.state.stat().st_mode & 0o777 == 0o700
    assert not paths.socket.exists()
    assert paths.clones.is_dir()
    again = shell.answer("doctor", "--fix")
    assert (again["did"], bad(again)) == ([], {})


@pytest.mark.long
def test_a_fault_of_the_configuration_is_a_failure_and_a_change_since_the_start_a_warning(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    shell.answer("up")
    text = paths.config.read_text()
    paths.config.write_text(f"{text}\n# changed\n")
    changed = shell.answer("doctor")
    assert bad(changed) == {"daemon.config": "warn"}
    paths.config.write_text("version: 1\nagents: 7\n")
    done = shell.fleet("doctor", "--json")
    assert done.code == 1
    assert bad(object_of(done))["config"] == "fail"
    assert ".fleet/config.yaml:2" in by_id(object_of(done))["config"]["found"]
    paths.config.write_text(text)


@pytest.mark.long
def test_a_journal_that_was_changed_from_outside_is_a_failure(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    shell.answer("up")
    shell.answer("down")
    paths.database.write_bytes(b"this is no database, and it is long enough to be looked at" * 100)
    done = shell.fleet("doctor", "--json")
    assert done.code == 1
    journal = by_id(object_of(done))["journal"]
    assert journal["state"] == "fail"
    assert "FLT-STO-" in journal["found"]


@pytest.mark.long
def test_a_stopped_daemon_is_named(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    shell.answer("up")
    pid = ask(paths, "ping")["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        done = shell.fleet("doctor", "--json")
        assert done.code == 1
        assert "does not answer" in by_id(object_of(done))["daemon"]["found"]
    finally:
        os.kill(pid, signal.SIGCONT)


def test_what_is_no_git_identity_and_what_is_no_option(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"})
    git(paths.checkout, "config", "--unset", "user.email")
    assert bad(shell.answer("doctor")) == {"git.identity": "warn"}
    assert shell.fleet("doctor", "--frobnicate").code == 2
    assert shell.fleet("doctor", "extra").code == 2


def test_an_agent_may_look_and_not_mend(paths: FleetPaths, tmp_path: Path) -> None:
    shell = Shell(paths.checkout, {"FLEET_RUN": "nobody-of-this-test-e1"})
    assert shell.fleet("doctor").code in (0, 1)
    refused = shell.fleet("doctor", "--fix")
    assert refused.code == 6
    assert "FLT-CLI-007" in refused.error_text
