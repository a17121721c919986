"""``fleet config`` and ``fleet reload`` as people and scripts call them, with and without a daemon."""

from __future__ import annotations

import fcntl
import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fleet.config.environment import VARIABLES
from fleet.config.paths import FleetPaths
from fleet.daemon.lease import holder
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.repos import git
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux

SLOW = "version: 1\nrules:\n  - on: ticket_ready\n    do:\n      - pause: 300\n"


@pytest.fixture(scope="module")
def up() -> Iterator[tuple[FleetPaths, Shell]]:
    """A fleet that is up; each test leaves the file valid."""
    with fleet_in() as paths:
        shell = Shell(paths.checkout, {})
        shell.answer("up")
        yield paths, shell
        shell.fleet("down")


@pytest.fixture
def alone() -> Iterator[tuple[FleetPaths, Shell]]:
    """A fleet of its own that is not up."""
    with fleet_in() as paths:
        shell = Shell(paths.checkout, {})
        yield paths, shell
        shell.fleet("down")


def replace(paths: FleetPaths, old: str, new: str) -> None:
    """Edit the file by hand."""
    text = paths.config.read_text()
    assert old in text
    paths.config.write_text(text.replace(old, new))


# -- looking -----------------------------------------------------------------------------------------


def test_get_tells_a_written_value_from_a_default(alone: tuple[FleetPaths, Shell]) -> None:
    _, shell = alone
    assert shell.fleet("config", "get", "max_concurrent").text == "4\n"
    assert shell.fleet("config", "get", "allow_shared_uid_merge").text == "true\n"
    assert shell.fleet("config", "get", "agents.qa-engineer.subscribes_to").text == "[pr_needs_review]\n"
    written = shell.answer("config", "get", "retry.attempts")
    assert (written["value"], written["source"], written["file"]) == (3, "file", ".fleet/config.yaml")
    assert written["line"] > 0
    default = shell.answer("config", "get", "agents.developer.max_concurrent")
    assert (default["value"], default["source"], default["line"]) == (1, "default", 0)


def test_get_reads_a_faulty_file_too(alone: tuple[FleetPaths, Shell]) -> None:
    paths, shell = alone
    replace(paths, "attempts: 3", "attempts: lots")
    assert shell.fleet("config", "get", "retry.attempts").text == "lots\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("get", "max_concurent"), 4, "Did you mean `max_concurrent`?"),
        (("get", "agents.developr.model"), 4, "Did you mean `developer`?"),
        (("get", "retry.attempts.deep"), 4, "FLT-CFG-106"),
        (("get", "retry..attempts"), 2, "FLT-CFG-101"),
        (("get",), 2, "Missing argument"),
        (("explain", "nothing"), 4, "FLT-CFG-106"),
        (("get", "agents.developer.may_start.3"), 4, "FLT-CFG-107"),
        (("set", "max_concurent", "3"), 4, "Did you mean `max_concurrent`?"),
        (("set", "max_concurrent", "lots"), 2, "expected a whole number from 1 to 500"),
        (("set", "allow_shared_uid_merge", "maybe"), 2, "expected true or false"),
        (("set", "agents", "{"), 2, "FLT-CFG-110"),
        (("set", "max_concurrent", "-5"), 3, "expected a number greater than 0"),
        (("set", "agents.developer.role", "poet"), 3, "unknown role 'poet'"),
        (("unset", "owner"), 2, "it is not in the file"),
        (("unset", "version"), 3, "version is missing"),
        (("set", "owner", "x", "--if-hash", "f" * 64), 8, "no longer the one you looked at"),
        (("set", "owner", "x", "--if-hash", "me"), 2, "a configuration's hash in full"),
        (("rollback", "99"), 4, "FLT-CFG-108"),
        (("rollback", "0"), 2, "FLT-CLI-010"),
        (("revisions", "--limit", "0"), 2, "FLT-CLI-010"),
    ],
)
def test_bad_input_is_told_what_is_wrong_and_changes_nothing(
    up: tuple[FleetPaths, Shell], words: tuple[str, ...], code: int, said: str
) -> None:
    paths, shell = up
    before = paths.config.read_bytes()
    done = shell.fleet("config", *words)
    assert (done.code, said in done.error_text) == (code, True), done.error_text
    assert object_of(shell.fleet("config", *words, "--json"))["error"]["exit_code"] == code
    assert paths.config.read_bytes() == before


def test_explain_says_what_from_where_what_is_allowed_and_since_when(up: tuple[FleetPaths, Shell]) -> None:
    _, shell = up
    shell.answer("config", "set", "agents.tech-lead.budget_seconds", "7200", "--reason", "a long week")
    text = shell.fleet("config", "explain", "agents.tech-lead.budget_seconds").text
    assert text.startswith("agents.tech-lead.budget_seconds: 7200\n")
    assert "Cumulative run time" in text
    assert "a whole number from 1 to 1000000000 or keys and v" in text
    assert re.search(r"from +\.fleet/config\.yaml:\d+", text)
    assert re.search(r"in force  since 2\d\d\d-.* by human:.*: a long week", text)
    facts = shell.answer("config", "explain", "agents.tech-lead.budget_seconds")
    assert (facts["value"], facts["default"], facts["in_force"]["reason"]) == (7200, None, "a long week")


def test_explain_of_a_role_names_what_it_brings(up: tuple[FleetPaths, Shell]) -> None:
    _, shell = up
    assert "pr.push" in shell.answer("config", "explain", "agents.developer.role")["role"]["may"]


def test_explain_knows_the_variables_of_the_environment(up: tuple[FleetPaths, Shell]) -> None:
    _, shell = up
    done = shell.fleet("config", "explain", "FLEET_DEBUG", env={"FLEET_DEBUG": "1"})
    assert done.text.startswith("FLEET_DEBUG: 1 (the environment of this shell)\n")
    assert shell.answer("config", "explain", "NO_COLOR")["source"] == "default"


def test_every_variable_that_the_source_reads_from_a_person_is_explained() -> None:
    source = Path(__file__).parents[2] / "src" / "fleet"
    reads = re.compile(r"""env(?:iron)?(?:\.get\(|\[)"([A-Z_]+)"|"([A-Z_]+)" (?:not )?in os\.environ""")
    rooms = [path for room in ("cli", "config", "daemon") for path in (source / room).rglob("*.py")]
    found = {one or two for path in rooms for one, two in reads.findall(path.read_text("utf-8"))}
    of_a_run = {"FLEET_CAPABILITY_FILE", "FLEET_RUN"}
    of_a_machine = {"NOTIFY_SOCKET"}  # systemd gives it to its services
    theatre = {"TMPDIR"}  # where fleet demo plays
    assert found - of_a_run - of_a_machine - theatre - set(VARIABLES) == set()
    assert set(VARIABLES) - found == set()


def test_show_prints_the_file_its_values_and_what_is_in_force(up: tuple[FleetPaths, Shell]) -> None:
    paths, shell = up
    assert shell.fleet("config", "show").text == paths.config.read_text()
    assert shell.answer("config", "show")["hash"] == shell.answer("status")["config"]["hash"]
    assert shell.fleet("config", "show", "--in-force").text == paths.config.read_text()
    effective = {row["key"]: row for row in shell.answer("config", "show", "--effective")["keys"]}
    assert effective["agents.developer.enabled"] == {"key": "agents.developer.enabled", "value": True, "line": 0}
    assert effective["max_concurrent"]["line"] > 0
    assert "default" in shell.fleet("config", "show", "--effective").text


def test_a_file_that_would_drive_the_terminal_is_shown_harmless(alone: tuple[FleetPaths, Shell]) -> None:
    paths, shell = alone
    paths.config.write_bytes(paths.config.read_bytes() + b"# \x1b]0;mine\x07\n")
    assert "\x1b" not in shell.fleet("config", "show").text


# -- changing ----------------------------------------------------------------------------------------


def test_set_and_unset_edit_the_file_and_keep_its_comments(up: tuple[FleetPaths, Shell]) -> None:
    paths, shell = up
    before = paths.config.read_text()
    done = shell.fleet("config", "set", "max_concurrent", "3")
    assert done.ok
    assert "is in force (revision" in done.text
    assert "max_concurrent: 4 -> 3" in done.text
    assert paths.config.read_text() == before.replace("max_concurrent: 4", "max_concurrent: 3")
    shell.answer("config", "set", "max_concurrent", "4")
    shell.answer("config", "set", "owner", "ann")
    assert shell.answer("config", "unset", "owner")["changed"] is True
    assert paths.config.read_text() == before
    assert shell.fleet("config", "set", "max_concurrent", "4").text.startswith("nothing has changed")


def test_a_list_is_written_with_commas_or_as_json(up: tuple[FleetPaths, Shell]) -> None:
    _, shell = up
    key = "agents.developer.subscribes_to"
    shell.answer("config", "set", key, "ticket_ready,pr_conflict")
    assert shell.answer("config", "get", key)["value"] == ["ticket_ready", "pr_conflict"]
    shell.answer("config", "set", key, '["ticket_ready", "pr_changes_requested", "pr_conflict"]')
    assert len(shell.answer("config", "get", key)["value"]) == 3


@pytest.mark.long
def test_without_a_daemon_the_file_is_changed_and_comes_into_force_with_the_next_start(
    alone: tuple[FleetPaths, Shell],
) -> None:
    paths, shell = alone
    done = shell.fleet("config", "set", "max_concurrent", "2")
    assert done.ok
    assert "no daemon runs" in done.text
    assert "max_concurrent: 2" in paths.config.read_text()
    assert shell.fleet("config", "set", "max_concurrent", "0").code == 3
    assert shell.fleet("config", "set", "owner", "x", "--if-hash", "f" * 64).code == 8
    assert shell.answer("config", "unset", "shared_uid_merge_reason")["running"] is False
    assert shell.answer("up")["config_hash"] == shell.answer("config", "show")["hash"]


@pytest.mark.long
def test_without_a_daemon_nothing_is_changed_while_one_starts(alone: tuple[FleetPaths, Shell]) -> None:
    paths, shell = alone
    shell.answer("up")
    shell.answer("down")
    with open(paths.daemon_lock, "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = shell.fleet("config", "set", "max_concurrent", "2")
    assert (done.code, "FLT-CFG-111" in done.error_text) == (8, True)


@pytest.mark.long
def test_many_commands_at_once_without_a_daemon_lose_no_change(alone: tuple[FleetPaths, Shell]) -> None:
    paths, shell = alone
    wanted = {"owner": "ann", "repo": "acme/shop", "max_concurrent": "3", "retry.attempts": "5"}
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda pair: shell.fleet("config", "set", *pair), wanted.items()))
    assert [one.code for one in done] == [0] * len(wanted), [one.error_text for one in done]
    assert {key: shell.fleet("config", "get", key).text.strip() for key in wanted} == wanted
    assert not list(paths.config.parent.glob(".config*"))


@pytest.mark.long
def test_a_daemon_that_comes_back_to_a_faulty_file_refuses_and_says_so(alone: tuple[FleetPaths, Shell]) -> None:
    """Killed, it is started again by its supervisor, which gives up at once: no old configuration in secret."""
    paths, shell = alone
    shell.answer("up")
    good = paths.config.read_text()
    replace(paths, "attempts: 3", "attempts: lots")
    pid = holder(paths.daemon_lock)
    assert pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: holder(paths.supervisor_lock) is None, what="the supervisor to give up")
    assert "supervisor.gave_up" in paths.log.read_text()
    assert shell.fleet("reload").code == 5
    done = shell.fleet("up")
    assert done.code == 3
    assert ".fleet/config.yaml:" in done.error_text
    assert shell.answer("status")["agents"], "the record is readable all the same"
    paths.config.write_text(good)
    assert shell.fleet("up").ok


@pytest.mark.long
def test_an_earlier_file_comes_back_whole_also_without_a_daemon(alone: tuple[FleetPaths, Shell]) -> None:
    paths, shell = alone
    first = paths.config.read_bytes()
    shell.answer("up")
    shell.answer("config", "set", "max_concurrent", "2")
    assert shell.answer("config", "rollback", "1")["revision"] == 3
    assert paths.config.read_bytes() == first
    shell.answer("config", "rollback", "2", "--reason", "after all")
    shell.answer("down")
    paths.config.write_text("version: 9\n")
    assert shell.fleet("up").code == 3
    rows = shell.answer("config", "revisions")
    assert [row["reason"] for row in rows["revisions"]][:2] == ["after all", "back to revision 1"]
    assert shell.answer("config", "rollback", "1")["running"] is False
    assert paths.config.read_bytes() == first


def test_revisions_say_who_when_what_and_why(up: tuple[FleetPaths, Shell]) -> None:
    _, shell = up
    shell.answer("config", "set", "retry.attempts", "5", "--reason", "flaky network")
    shell.answer("config", "set", "retry.attempts", "3")
    text = shell.fleet("config", "revisions", "--limit", "3").text
    assert "flaky network" in text
    assert "retry.attempts: 5 -> 3" in text
    assert "in force" in text


# -- reload ------------------------------------------------------------------------------------------


def test_reload_takes_a_new_agent_in_and_says_so(up: tuple[FleetPaths, Shell]) -> None:
    paths, shell = up
    before = paths.config.read_text()
    assert shell.fleet("reload").text.startswith("nothing has changed")
    paths.config.write_text(before + "\n  - name: docs\n    role: developer\n")
    assert "fleet reload would change:\n  agent docs joins as developer" in shell.fleet("config", "diff").text
    assert shell.answer("config", "diff")["same"] is False
    done = shell.fleet("reload", "--reason", "docs")
    assert "agent docs joins as developer" in done.text
    assert "docs" in {row["name"] for row in shell.answer("agent", "list")["agents"]}
    paths.config.write_text(before)
    assert shell.answer("reload")["changes"]["agents_removed"] == ["docs"]
    assert shell.fleet("config", "diff").text.startswith("the file is what is in force")


def test_reload_of_a_faulty_file_prints_every_fault_and_changes_nothing(up: tuple[FleetPaths, Shell]) -> None:
    paths, shell = up
    before, hash_before = paths.config.read_text(), shell.answer("status")["config"]["hash"]
    try:
        replace(paths, "attempts: 3", "attempts: lots")
        replace(paths, "role: developer", "role: poet")
        for words in (("reload",), ("config", "diff")):
            done = shell.fleet(*words)
            assert done.code == 3
            assert len(re.findall(r"\.fleet/config\.yaml:\d+:\d+: ", done.error_text)) >= 2
        assert len(object_of(shell.fleet("reload", "--json"))["error"]["problems"]) == 2
        assert shell.answer("status")["config"]["hash"] == hash_before
    finally:
        paths.config.write_text(before)
    assert shell.answer("log", "--type", "config.refused")["entries"]


def test_reload_without_a_daemon_says_to_start_one(alone: tuple[FleetPaths, Shell]) -> None:
    _, shell = alone
    done = shell.fleet("reload")
    assert (done.code, "fleet up" in done.error_text) == (5, True)


@pytest.mark.parametrize("whom", ["the daemon", "its supervisor"])
def test_a_hangup_signal_reloads(up: tuple[FleetPaths, Shell], whom: str) -> None:
    paths, shell = up
    lock = paths.daemon_lock if whom == "the daemon" else paths.supervisor_lock
    before, starts = paths.config.read_text(), len(shell.answer("log", "--type", "daemon.started")["entries"])
    pid = holder(lock)
    assert pid
    replace(paths, "max_concurrent: 4", "max_concurrent: 6")
    os.kill(pid, signal.SIGHUP)
    wait_until(lambda: _limit(paths) == 6, what="the reload")
    wait_until(lambda: _accepted_by(shell) == "system:daemon", what="the reload to be on record")
    replace(paths, "max_concurrent: 6", "max_concurrent: no")
    os.kill(pid, signal.SIGHUP)
    wait_until(lambda: "config.refused" in paths.log.read_text(), what="the complaint in the log")
    paths.config.write_text(before)
    shell.answer("reload")
    assert len(shell.answer("log", "--type", "daemon.started")["entries"]) == starts


def _accepted_by(shell: Shell) -> str:
    """Who had the newest configuration put in force."""
    return str(shell.answer("log", "--type", "config.accepted")["entries"][-1]["actor"])


def _limit(paths: FleetPaths) -> object:
    return ask(paths, "config.key", {"key": "max_concurrent"})["value"]


def test_a_run_goes_on_under_the_configuration_it_started_with(alone: tuple[FleetPaths, Shell]) -> None:
    """Its agent leaves the file meanwhile: the run lives, nothing new starts, and stopping it still works."""
    paths, shell = alone
    (paths.config.parent / "playbooks" / "developer.yaml").write_text(SLOW)
    git(paths.checkout, "add", ".fleet")
    git(paths.checkout, "commit", "--quiet", "-m", "fleet")
    shell.answer("up")
    shell.answer("ticket", "create", "One", "--label", "ready")

    def runs() -> list[dict[str, object]]:
        return [row for row in shell.answer("ps")["runs"] if row["state"] == "running"]

    wait_until(runs, what="the developer to be at work")
    text = paths.config.read_text()
    start = text.index("  - name: developer")
    end = text.index("  - name: tech-lead")
    paths.config.write_text(text[:start] + text[end:])
    assert shell.answer("reload")["changes"]["agents_removed"] == ["developer"]
    assert len(runs()) == 1
    shell.answer("ticket", "create", "Two", "--label", "ready")
    wait_until(
        lambda: [
            row for row in shell.answer("log", "--type", "event.routed")["entries"] if row["subject"] == "ticket/2"
        ],
        what="the second ticket to be routed",
    )
    assert len(shell.answer("ps", "--all")["runs"]) == 1
    why = shell.fleet("agent", "start", "developer", "--ticket", "2")
    assert why.code != 0
    shell.answer("agent", "stop", "developer")
    wait_until(lambda: not shell.answer("ps")["runs"], what="the run to end")
