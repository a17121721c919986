"""Every check of the doctor shown green on facts that are well, and red on the one fact that is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

import pytest

from fleet.core.errors import FleetError
from fleet.health.doctor import place_checks
from fleet.health.gather import hurdles
from fleet.health.isolation import isolation_checks, ways
from fleet.health.machine import git_checks, machine_checks
from fleet.health.places import GIBI, MEBI, config_checks, daemon_checks, disk_checks, folder_checks, size
from fleet.health.record import clock_check, leftover_checks, record_checks
from fleet.health.words import (
    Check,
    Config,
    Daemon,
    Disk,
    Folder,
    Git,
    Leftovers,
    Machine,
    Place,
    Record,
    Sockets,
    Ways,
)

NOW = 1_800_000_000_000_000
MACHINE = Machine(
    program="0.1.0 in /x", python="3.11.7", sqlite="3.54.1", git="git version 2.39.5", tmux="tmux 3.3a",
    gh="gh version 2.40.0 (2024-01-01)", gh_login=True, descriptors_soft=1024,
)  # fmt: skip
STATE, RUNTIME = Folder("/s"), Folder("/r")
SOCKETS = Sockets(RUNTIME)
GIT = Git("Ann", "ann@example.org")
CONFIG = Config(agents=4, digest="d")
DAEMON = Daemon(
    7, True, True, version="1", program_version="1", config_digest="d", open_files=10, open_files_limit=1024,
    started_wall=NOW, started_recorded=NOW + 1,
)  # fmt: skip
RECORD = Record(exists=True, entries=9, checked=9, last_at=NOW - 5)


def states(checks: Iterable[Check]) -> dict[str, str]:
    """The state of each check by its id; no id twice."""
    found = list(checks)
    assert len({check.id for check in found}) == len(found)
    for check in found:
        assert check.found, check
        if check.state != "ok":
            assert check.why, check
            assert check.fix, check
    return {check.id: check.state for check in found}


def test_a_machine_that_is_well_has_no_complaint() -> None:
    assert set(states(machine_checks(MACHINE)).values()) == {"ok"}


@pytest.mark.parametrize(
    ("change", "id_", "state"),
    [
        ({"system": "Darwin"}, "system", "fail"),
        ({"release": "5.2.9"}, "system", "fail"),
        ({"python": "3.10.12"}, "python", "fail"),
        ({"sqlite": "3.51.2"}, "sqlite", "fail"),
        ({"sqlite": ""}, "sqlite", "fail"),
        ({"git": "git version 2.37.9"}, "git", "fail"),
        ({"git": ""}, "git", "fail"),
        ({"tmux": "tmux 3.1c"}, "tmux", "fail"),
        ({"tmux": "tmux 3.2"}, "tmux", "fail"),
        ({"tmux": "tmux next-3.4"}, "tmux", "ok"),
        ({"tmux": "tmux 3.2a"}, "tmux", "ok"),
        ({"gh": ""}, "gh", "ok"),
        ({"gh_login": False}, "gh", "ok"),
        ({"bytecode": False}, "bytecode", "warn"),
        ({"bytecode": False, "bytecode_off": True}, "bytecode", "warn"),
        ({"descriptors_soft": 1023}, "descriptors", "warn"),
        ({"descriptors_soft": 255}, "descriptors", "fail"),
    ],
)
def test_one_fact_of_the_machine_turns_one_check(change: dict[str, Any], id_: str, state: str) -> None:
    found = states(machine_checks(replace(MACHINE, **change)))
    assert found.pop(id_) == state
    assert set(found.values()) == {"ok"}


def test_bytecode_is_mended_only_where_we_may_write() -> None:
    def mend(**change: Any) -> str:
        return next(c.mend for c in machine_checks(replace(MACHINE, bytecode=False, **change)) if c.id == "bytecode")

    assert mend() == "bytecode"
    assert mend(package_writable=False) == ""


def test_folders_that_are_well_have_no_complaint() -> None:
    assert states(folder_checks(STATE, SOCKETS, (Folder("/s/runs"),))) == {
        "state": "ok", "sockets": "ok", "sockets.home": "ok",
    }  # fmt: skip
    missing = Folder("/s", exists=False)
    assert states(folder_checks(missing, replace(SOCKETS, folder=missing), ()))["state"] == "ok"


@pytest.mark.parametrize(
    ("state", "expected", "mend"),
    [
        (Folder("/s", mode=0o755), "fail", "rights:state"),
        (Folder("/s", mode=0o701), "fail", "rights:state"),
        (Folder("/s", mode=0o500), "fail", "rights:state"),
        (Folder("/s", ours=False), "fail", ""),
        (Folder("/s", is_folder=False), "fail", ""),
        (Folder("/s", exists=False, writable=False), "fail", ""),
    ],
)
def test_a_folder_that_is_not_private_fails(state: Folder, expected: str, mend: str) -> None:
    check = next(iter(folder_checks(state, SOCKETS, ())))
    assert (check.id, check.state, check.mend) == ("state", expected, mend)
    sockets = list(folder_checks(STATE, replace(SOCKETS, folder=state), ()))[1]
    assert (sockets.state, sockets.mend) == (expected, mend.replace("state", "sockets"))


@pytest.mark.parametrize(
    ("change", "id_", "state"),
    [
        ({"longest": 101}, "sockets.path", "fail"),
        ({"above": Folder("/r", mode=0o755)}, "sockets.above", "fail"),
        ({"from_environment": False}, "sockets.home", "warn"),
        ({"under_run_user": True, "lingering": False}, "linger", "warn"),
        ({"under_run_user": True, "lingering": True}, "sockets.home", "ok"),
    ],
)
def test_where_sockets_lie(change: dict[str, Any], id_: str, state: str) -> None:
    assert states(folder_checks(STATE, replace(SOCKETS, **change), ()))[id_] == state


def test_missing_parts_of_a_state_folder_are_made_again() -> None:
    parts = (Folder("/s/runs", exists=False), Folder("/s/clones"))
    check = next(c for c in folder_checks(STATE, SOCKETS, parts) if c.id == "state.folders")
    assert (check.state, check.mend) == ("warn", "folders")
    assert "/s/runs" in check.found


@pytest.mark.parametrize(
    ("change", "id_", "state"),
    [
        ({}, "disk.kind", "ok"),
        ({}, "disk.free", "ok"),
        ({"kind": "nfs4", "source": "box:/home"}, "disk.kind", "fail"),
        ({"kind": "cifs"}, "disk.kind", "fail"),
        ({"kind": "fuse.sshfs"}, "disk.kind", "fail"),
        ({"kind": "fuse.other"}, "disk.kind", "warn"),
        ({"kind": "tmpfs"}, "disk.kind", "warn"),
        ({"free": 2 * GIBI - 1, "floor": GIBI}, "disk.free", "warn"),
        ({"free": GIBI - 1, "floor": GIBI}, "disk.free", "fail"),
        ({"inodes_free": 9, "inodes": 1000}, "disk.free", "warn"),
        ({"inodes": 0, "inodes_free": 0}, "disk.free", "ok"),
        ({"used": {"journal to be merged": 257 * MEBI}}, "disk.used", "warn"),
        ({"used": {"clones": 257 * MEBI}}, "disk.used", "ok"),
    ],
)
def test_the_disk(change: dict[str, Any], id_: str, state: str) -> None:
    assert states(disk_checks(replace(Disk("/s"), **change)))[id_] == state


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0 B"), (1023, "1023 B"), (3565158, "3.4 MiB"), (120 * GIBI, "120 GiB"), (1 << 60, "1048576 TiB")],
)
def test_sizes_in_words(amount: int, text: str) -> None:
    assert size(amount) == text


def test_a_configuration_and_its_warnings() -> None:
    assert states(config_checks(CONFIG)) == {"config": "ok"}
    assert states(config_checks(replace(CONFIG, warnings=("a", "b")))) == {
        "config": "ok", "config.warning.1": "warn", "config.warning.2": "warn",
    }  # fmt: skip
    assert states(config_checks(Config(error="it has faults", problems=("x:1:1: y",)))) == {"config": "fail"}


def test_git_of_the_person() -> None:
    assert set(states(git_checks(GIT)).values()) == {"ok"}
    assert states(git_checks(replace(GIT, email="")))["git.identity"] == "warn"
    assert states(git_checks(replace(GIT, name="")))["git.identity"] == "warn"
    assert states(git_checks(replace(GIT, base_exists=False)))["git.base"] == "fail"


def test_a_daemon_that_is_well_or_does_not_run_has_no_complaint() -> None:
    assert states(daemon_checks(DAEMON, CONFIG)) == {"daemon": "ok"}
    assert states(daemon_checks(Daemon(), CONFIG)) == {"daemon": "ok"}


@pytest.mark.parametrize(
    ("change", "id_", "state"),
    [
        ({"answers": False, "error": "timed out"}, "daemon", "fail"),
        ({"version": "0"}, "daemon.version", "warn"),
        ({"supervised": False}, "daemon.supervisor", "warn"),
        ({"config_digest": "other"}, "daemon.config", "warn"),
        ({"services_failing": ("watcher: git",)}, "daemon.services", "warn"),
        ({"open_files": 820}, "daemon.descriptors", "warn"),
        ({"started_recorded": NOW - 61_000_000}, "clock.jump", "warn"),
        ({"started_recorded": NOW + 61_000_000}, "clock.jump", "warn"),
    ],
)
def test_one_fact_of_the_daemon_turns_one_check(change: dict[str, Any], id_: str, state: str) -> None:
    assert states(daemon_checks(replace(DAEMON, **change), CONFIG))[id_] == state


def test_a_jump_says_its_direction() -> None:
    forwards = replace(DAEMON, started_recorded=NOW - 3600_000_000)
    assert any("forwards by 3600 s" in check.found for check in daemon_checks(forwards, CONFIG))


def test_the_journal_and_the_clock() -> None:
    assert states(record_checks(RECORD, NOW)) == {"journal": "ok", "clock": "ok"}
    assert states(record_checks(Record(), NOW)) == {"journal": "ok", "clock": "ok"}
    broken = replace(RECORD, error="it does not fit together", code="FLT-DMN-014")
    check = next(iter(record_checks(broken, NOW)))
    assert (check.state, "FLT-DMN-014" in check.found, "FLT-DMN-014" in check.fix) == ("fail", True, True)
    assert clock_check(RECORD, 1_000_000).state == "fail"
    ahead = replace(RECORD, future=3, last_at=NOW + 60_000_000)
    assert clock_check(ahead, NOW).state == "warn"
    assert clock_check(replace(ahead, last_at=NOW + 1_000_000), NOW).state == "ok"


@pytest.mark.parametrize(
    ("change", "id_", "mend"),
    [
        ({"stale_socket": "/r/fleet.sock"}, "left.socket", "socket"),
        ({"stale_tmux": "/r/tmux.sock"}, "left.tmux", "tmux"),
        ({"lost_server": 7}, "left.server", ""),
        ({"idle_server": 7}, "left.server", ""),
        ({"orphan_sessions": ("r1-e1",)}, "left.sessions", ""),
        ({"orphan_shims": (4711,)}, "left.processes", ""),
        ({"kept_clones": ("r1-e1",)}, "left.clones", ""),
        ({"unsaved": ("r1-e1",)}, "left.escrow", ""),
        ({"half_restore": "/s/.shop.restore.json"}, "left.restore", ""),
    ],
)
def test_what_is_left_is_named_and_work_is_never_mended_away(change: dict[str, Any], id_: str, mend: str) -> None:
    (check,) = leftover_checks(Leftovers(**change))
    assert (check.id, check.state, check.mend) == (id_, "warn", mend)
    assert states(leftover_checks(Leftovers())) == {"left": "ok"}


def test_many_leftovers_are_counted() -> None:
    (check,) = leftover_checks(Leftovers(kept_clones=tuple(f"r{n}" for n in range(9))))
    assert "and 4 more" in check.found


ALL_WAYS = Ways(
    programs=frozenset({"systemd-run", "at", "crontab", "ssh", "docker", "sudo"}),
    running=frozenset({"atd", "cron"}), ptrace_scope=0, user_bus=True, ssh_listens=True, docker_socket=True,
    other_terminals=2,
)  # fmt: skip


def test_the_ways_round_the_mode_are_what_the_machine_offers() -> None:
    standing = {way.id: way.state for way in ways(ALL_WAYS)}
    assert standing.pop("sudo") == "possible"
    assert set(standing.values()) == {"open"}
    bare = {way.id: way.state for way in ways(Ways(ptrace_scope=1))}
    always = {"store", "environ", "startup"}
    assert {name for name, state in bare.items() if state != "closed"} == always
    assert {way.id: way.state for way in ways(Ways())}["ptrace"] == "open", "without yama nothing restricts it"


@pytest.mark.parametrize(
    ("change", "id_", "state"),
    [
        ({"user_bus": False}, "systemd-run", "closed"),
        ({"user_bus": False}, "dbus", "closed"),
        ({"running": frozenset()}, "at", "possible"),
        ({"running": frozenset({"crond"})}, "cron", "open"),
        ({"ssh_listens": False}, "ssh", "closed"),
        ({"programs": frozenset()}, "ssh", "possible"),
        ({"docker_socket": False}, "containers", "possible"),
        ({"other_terminals": 0}, "terminals", "closed"),
        ({"ptrace_scope": 2}, "ptrace", "closed"),
    ],
)
def test_one_fact_turns_one_way(change: dict[str, Any], id_: str, state: str) -> None:
    assert {way.id: way.state for way in ways(replace(ALL_WAYS, **change))}[id_] == state


def test_the_mode_is_always_stated() -> None:
    (check,) = isolation_checks(ALL_WAYS)
    assert check.state == "ok"
    assert "shared-uid; 12 known ways" in check.found
    assert ways(replace(ALL_WAYS, mode="isolated")) == ()


def test_a_whole_place_that_is_well() -> None:
    place = Place(STATE, Disk("/s"), SOCKETS, GIT, CONFIG, DAEMON, RECORD, Leftovers(), now=NOW)
    assert set(states(place_checks(place)).values()) == {"ok"}
    assert {field.name for field in fields(Place)} == {
        "state", "disk", "sockets", "git", "config", "daemon", "record", "leftovers", "parts", "now",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "state", "words"),
    [
        ({}, "ok", "github acme/shop, 4000 of 5000 requests left; all again in 10 min"),
        ({"requests_left": -1, "requests_limit": -1}, "ok", "github acme/shop"),
        ({"requests_left": 499}, "warn", "499 of 5000"),
        ({"forge_trouble": "gh is not logged in"}, "fail", "gh is not logged in"),
    ],
)
def test_doctor_says_in_one_line_how_the_way_to_the_forge_is(change: dict[str, Any], state: str, words: str) -> None:
    told = {
        "forge": "github acme/shop",
        "requests_left": 4000,
        "requests_limit": 5000,
        "requests_reset_at": 600_000_000,
    }
    daemon = replace(DAEMON, **{**told, **change})
    (found,) = (one for one in daemon_checks(daemon, CONFIG) if one.id == "forge")
    assert found.state == state
    assert words in found.found


def test_doctor_tells_what_the_repository_asks_and_a_fleet_cannot_meet() -> None:
    reviews = Check("forge.reviews", "warn", "a merge needs a review", "one login", "require fleet/gate")
    found = states(daemon_checks(replace(DAEMON, hurdles=(reviews,)), CONFIG))
    assert found["forge.reviews"] == "warn"
    assert states(daemon_checks(replace(DAEMON, hurdles_unknown="no answer"), CONFIG))["forge.rules"] == "warn"


def test_doctor_names_each_pull_request_that_git_cannot_read() -> None:
    daemon = replace(DAEMON, pulls_unreadable=("pr/8 waits",))
    found = [(one.id, one.state, one.found) for one in daemon_checks(daemon, CONFIG) if one.state != "ok"]
    assert found == [("forge.pull", "warn", "pr/8 waits")]


def test_doctor_asks_a_daemon_of_before_without_a_complaint_and_says_when_github_does_not_answer() -> None:
    def ask(verb: str) -> dict[str, Any]:
        raise FleetError(code, "no answer")

    code = "FLT-CTL-001"
    assert hurdles(ask, asked=True) == {}
    code = "FLT-GHB-010"
    assert hurdles(ask, asked=True) == {"hurdles_unknown": "no answer"}
    assert hurdles(ask, asked=False) == {}
