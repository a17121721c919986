"""Agents as their operator handles them, on a real fleet: hold back, let go, look, read what they showed."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from fleet.process import end_group, spawn
from fleet.testing.fleets import fleet_in
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux

# A developer that says what it was told, changes a file, and works until it is stopped.
PLAYBOOK = """\
version: 1
rules:
  - on: [ticket_ready, agent_start_requested]
    do:
      - say: "ticket {ticket}, round {round}"
      - append: { path: "work.md", text: "unfinished {ticket}\\n" }
      - pause: { seconds: 600 }
"""
CONFIG = """\
version: 1
max_concurrent: 8
agents:
  - name: developer
    role: developer
    subscribes_to: [ticket_ready]
    max_concurrent: 3
    budget_seconds: 7200
    timeout_seconds: 900
  - {name: tech-lead, role: tech-lead, subscribes_to: [pr_needs_review]}
  - {name: scribe, role: docs-writer, enabled: false}
teams:
  - {name: makers, agents: [developer]}
"""


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    """A fleet whose developer works until somebody stops it."""
    with fleet_in() as paths:
        (paths.config.parent / "config.yaml").write_text(CONFIG)
        (paths.config.parent / "playbooks" / "developer.yaml").write_text(PLAYBOOK)
        found = Shell(paths.checkout, {})
        found.answer("up")
        try:
            assert ticket(found) == "1"  # starts nobody
            yield found
        finally:
            found.fleet("down")


def ticket(shell: Shell, *labels: str) -> str:
    """A new ticket; its number."""
    words = [word for label in labels for word in ("--label", label)]
    return str(shell.answer("ticket", "create", "Something", *words)["ticket"]["number"])


def runs_on(shell: Shell, number: str) -> list[dict[str, Any]]:
    """The runs on a ticket, oldest first."""
    return [run for run in shell.answer("ps", "--all")["runs"] if run["work_item"] == f"ticket/{number}"]


def running(shell: Shell, number: str) -> str:
    """Wait until the developer works on a ticket; the run."""

    def look() -> str:
        return next((run["id"] for run in runs_on(shell, number) if run["state"] == "running"), "")

    return str(wait_until(look, what=f"a run on ticket/{number}"))


@pytest.mark.long
def test_what_comes_for_a_paused_agent_waits_until_it_is_resumed(shell: Shell) -> None:
    assert shell.answer("agent", "pause", "developer", "--reason", "release week")["agents"] == ["developer"]
    number = ticket(shell, "ready")

    def held() -> list[dict[str, Any]]:
        return [one for one in shell.answer("status")["held"] if one["subject"] == f"ticket/{number}"]

    waiting = wait_until(held, what="the ticket to wait")
    assert "release week" in waiting[0]["reason"]
    shown = shell.fleet("agent", "show", "developer").text
    assert "paused" in shown
    assert "release week" in shown
    assert f"ticket/{number}" in shown
    assert runs_on(shell, number) == []
    again = shell.fleet("agent", "pause", "developer", "--reason", "me too", "--json")
    assert (again.code, object_of(again)["error"]["code"]) == (8, "FLT-AGT-101")
    assert shell.fleet("agent", "resume", "--team", "makers").text == "resumed developer\n"
    running(shell, number)
    assert shell.fleet("agent", "resume", "developer").code == 8
    shell.answer("agent", "stop", "developer", "--reason", "enough")
    wait_until(lambda: not shell.answer("ps")["runs"], what="the run to end")


@pytest.mark.long
def test_a_pause_that_stops_saves_the_work_and_lets_it_wait(shell: Shell) -> None:
    number = ticket(shell, "ready")
    run = running(shell, number)
    attach = shell.fleet("agent", "attach", "developer")  # no terminal here
    assert attach.code == 2
    assert "FLT-CLI-018" in attach.error_text
    answer = shell.answer("agent", "pause", "--all", "--stop", "--reason", "the machine is needed")
    assert answer["stopping"] == [run]
    assert sorted(answer["agents"]) == ["developer", "scribe", "tech-lead"]
    wait_until(lambda: not shell.answer("ps")["runs"], what="the run to end")
    (ended,) = runs_on(shell, number)
    assert ended["state"] == "cancelled"
    assert ended["escrow_sha"]
    wait_until(lambda: shell.answer("status")["held"], what="its work to wait")
    shell.answer("agent", "resume", "--all")
    second = running(shell, number)
    assert second != run
    shell.answer("agent", "stop", "--all")
    wait_until(lambda: not shell.answer("ps")["runs"], what="the run to end")


def test_a_start_by_hand_is_named_by_ticket_or_pull_request(shell: Shell) -> None:
    number = ticket(shell)
    said = shell.fleet("agent", "start", "developer", "--ticket", number)
    assert said.ok
    assert f"asked for developer on ticket/{number}" in said.text
    running(shell, number)
    shell.answer("agent", "stop", "developer")
    wait_until(lambda: not shell.answer("ps")["runs"], what="the run to end")


def test_logs_show_each_run_with_its_end_and_nothing_steers_the_terminal(shell: Shell) -> None:
    number = ticket(shell, "ready")
    run = running(shell, number)

    def said() -> bool:
        return f"ticket {number}" in shell.fleet("agent", "logs", "developer", "--run", run).text

    wait_until(said, what="its first line")
    shell.answer("agent", "stop", "developer", "--reason", "seen enough")
    wait_until(lambda: not shell.answer("ps")["runs"], what="the run to end")
    done = shell.fleet("agent", "logs", "developer")
    assert done.ok
    assert b"\x1b" not in done.out
    assert f"== {run} on ticket/{number} for ticket_ready" in done.text
    assert "seen enough" in done.text
    found = shell.answer("agent", "logs", "developer", "--lines", "1")
    assert [one["id"] for one in found["runs"]] == [run]
    assert len(found["runs"][0]["lines"]) == 1


def test_logs_are_followed_into_the_next_run_until_interrupted(shell: Shell) -> None:
    first = ticket(shell, "ready")
    running(shell, first)
    argv = [sys.executable, "-m", "fleet", "agent", "logs", "developer", "--follow", "--json", "--lines", "1"]
    child = spawn(argv, cwd=shell.folder, env=os.environ)
    assert child.stdout is not None
    try:
        json.loads(child.stdout.readline())  # it follows now
        number = ticket(shell, "ready")
        run = running(shell, number)
        lines: list[dict[str, Any]] = []
        while not any(one["run"] == run and f"ticket {number}" in one.get("line", "") for one in lines):
            lines.append(json.loads(child.stdout.readline()))
        shell.answer("agent", "stop", "developer")
        while not any(one["run"] == run and one.get("state") == "cancelled" for one in lines):
            lines.append(json.loads(child.stdout.readline()))
        mine = [one["line"] for one in lines if one["run"] == run and "line" in one]
        assert len(mine) == len(set(mine)), "no line twice"
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 130
    finally:
        end_group(child)
    wait_until(lambda: not shell.answer("ps")["runs"], what="the run to end")


def test_budgets_and_teams_are_tables_for_people(shell: Shell) -> None:
    text = shell.fleet("agent", "budget").text.splitlines()
    assert text[0].split() == ["NAME", "RUNS", "DURATION", "BUDGET", "USED", "WINDOW", "LEFT"]
    assert text[1].split()[0] == "developer"
    assert text[1].split()[3] == "2h00m"
    (found,) = shell.answer("agent", "budget", "developer")["agents"]
    assert found["budget_seconds"] == 7200
    assert (found["tokens"]["used"], found["tokens"]["budget"], found["unpriced_answers"]) == (0, None, 0)
    assert shell.fleet("team", "list").text == (
        "TEAM    SIZE  AGENTS\nmakers  1     developer\nin no team: scribe, tech-lead\n"
    )
    assert [one["name"] for one in shell.answer("team", "show", "makers")["agents"]] == ["developer"]


def test_an_agent_is_hired_and_works_without_a_restart(shell: Shell) -> None:
    made = shell.fleet(
        "agent", "create", "second", "--role", "developer", "--budget", "2h", "--subscribes-to", "qa_failed",
        "--reason", "more hands",
    )  # fmt: skip
    assert made.ok, made.error_text
    assert made.text.splitlines()[:3] == [
        "second is a member in the role developer",
        "  wrote .fleet/playbooks/second.yaml",
        "  wrote .fleet/prompts/second.md",
    ]
    number = ticket(shell)
    shell.answer("agent", "start", "second", "--ticket", number)

    def opened() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = shell.answer("ticket", "show", number)["pulls"]
        return found

    assert wait_until(opened, what="its pull request")[0]["author"] == "agent:second"
    assert shell.answer("agent", "budget", "second", "--set", "90m")["agents"][0]["budget_seconds"] == 5400
    assert shell.fleet("agent", "budget", "second", "--set", "none").text.splitlines()[1].split()[3] == "none"
    assert "90m" not in shell.fleet("agent", "revisions", "second").text
    assert shell.answer("agent", "rollback", "second")["changes"]["lines"]
    assert shell.answer("agent", "budget", "second")["agents"][0]["budget_seconds"] == 5400
    assert shell.fleet("team", "add", "makers", "second").text.splitlines()[0] == "makers: developer, second"
    assert shell.answer("team", "remove", "makers", "second")["agents"] == ["developer"]
    words = ("agent", "create", "outside", "--role", "developer", "--json")
    assert shell.fleet(*words, "--", "true").code == 2, "a command needs --vendor command"
    outside = object_of(shell.fleet(*words, "--vendor", "command", "--", "true", "{brief}"))
    assert outside["files"] == ["prompts/outside.md"]
    assert shell.answer("config", "get", "agents.outside.command")["value"] == ["true", "{brief}"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("agent show develper", 4),
        ("agent create x", 2),
        ("agent create x --role developer --template developer", 2),
        ("agent create x --template juggler", 4),
        ("agent budget nobody", 4),
        ("agent logs nobody", 4),
        ("agent logs developer --run nothing", 4),
        ("agent logs developer --lines 0", 2),
        ("agent pause developer", 2),
        ("agent pause --reason x", 2),
        ("agent pause developer --all --reason x", 2),
        ("agent pause --team ghosts --reason x", 4),
        ("agent resume developer", 8),
        ("agent start developer", 2),
        ("agent start developer --ticket 1 --pr 2", 2),
        ("agent start developer --ticket 99", 4),
        ("agent start scribe --ticket 1", 6),
        ("team show ghosts", 4),
        ("agent create developer --role developer", 8),
        ("agent create new --role develper", 4),
        ("agent create new", 2),
        ("agent create new --role developer --vendor command", 2),
        ("agent create new --role developer --budget soon", 2),
        ("agent create new --role developer --reports-to nobody", 3),
        ("agent create Bad/Name --role developer", 2),
        ("agent budget --set 1h", 2),
        ("agent budget developer --set 1h --set-tokens 5k", 2),
        ("agent budget developer --set-usd five", 2),
        ("agent budget developer --set-tokens 5k", 3),
        ("budget grant developer --reason x", 2),
        ("budget grant developer 1h --usd 5 --reason x", 2),
        ("budget grant developer --tokens lots --reason x", 2),
        ("budget grant developer --tokens 5k --reason x", 8),
        ("agent budget developer --set 0", 2),
        ("agent budget nobody --set 1h", 4),
        ("agent rollback nobody", 4),
        ("agent rollback developer --revision 999", 4),
        ("agent revisions nobody", 4),
        ("team add makers nobody", 3),
        ("team add makers developer", 8),
        ("team remove ghosts", 4),
    ],
)
def test_bad_input_is_refused_with_its_exit_code(shell: Shell, words: str, code: int) -> None:
    done = shell.fleet(*words.split(), "--json")
    assert done.code == code, done.text
    assert object_of(done)["error"]["exit_code"] == code
    plain = shell.fleet(*words.split())
    assert plain.code == code
    assert "Traceback" not in plain.error_text


@pytest.mark.long
def test_what_agents_showed_is_read_without_the_daemon_too(shell: Shell) -> None:
    shell.fleet("down")
    try:
        for words in ("agent logs developer", "agent show developer", "agent budget", "team list"):
            assert shell.answer(*words.split())
        assert shell.fleet("agent", "logs", "developer", "-f").code == 5
        assert shell.fleet("agent", "pause", "developer", "--reason", "x").code == 5
    finally:
        shell.answer("up")
