"""Tickets and tasks as a person handles them, on a real fleet: cancel, retry, close, remark, assign."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fleet.config.paths import FleetPaths
from fleet.testing.fleets import fleet_in
from fleet.testing.repos import git
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import is_written, wait_until

pytestmark = pytest.mark.tmux

# Asked by the watcher it delivers and then works on; asked by hand it delivers and is done.
DEVELOPER = """\
version: 1
rules:
  - on: [ticket_ready]
    do:
      - append: { path: "work-{ticket}.md", text: "done\\n" }
      - commit: { message: "Half of it" }
      - push: { title: "Half of {ticket}" }
      - append: { path: "unsaved.md", text: "not in any commit\\n" }
      - pause: { seconds: 600 }
  - on: [agent_start_requested]
    do:
      - append: { path: "work-{ticket}.md", text: "by hand\\n" }
      - commit: { message: "By hand" }
      - push: { title: "By hand" }
"""
CONFIG = """\
version: 1
max_concurrent: 8
agents:
  - {name: developer, role: developer, subscribes_to: [ticket_ready], max_concurrent: 3}
  - {name: second, role: developer, playbook: playbooks/developer.yaml}
  - {name: scribe, role: docs-writer, enabled: false}
teams:
  - {name: makers, agents: [developer, second]}
"""


@pytest.fixture(scope="module")
def fleet() -> Iterator[tuple[Shell, FleetPaths]]:
    """A fleet whose developers push and go on."""
    with fleet_in() as paths:
        paths.config.write_text(CONFIG)
        (paths.config.parent / "playbooks" / "developer.yaml").write_text(DEVELOPER)
        found = Shell(paths.checkout, {})
        found.answer("up")
        try:
            yield found, paths
        finally:
            found.fleet("down")


@pytest.fixture
def shell(fleet: tuple[Shell, FleetPaths]) -> Shell:
    """The command line of that fleet."""
    return fleet[0]


def at_work(fleet: tuple[Shell, FleetPaths], number: str) -> str:
    """Wait until a run on this ticket has something that is in no commit; the run."""
    shell, paths = fleet

    def look() -> str:
        for run in shell.answer("ps")["runs"]:
            if run["work_item"] == f"ticket/{number}" and is_written(paths.clones / run["session"] / "unsaved.md"):
                return str(run["id"])
        return ""

    return str(wait_until(look, what=f"work on ticket/{number}"))


def ticket(shell: Shell, *labels: str) -> str:
    """A new ticket; its number."""
    words = [word for label in labels for word in ("--label", label)]
    return str(shell.answer("ticket", "create", "Something", *words)["ticket"]["number"])


def pulls_of(shell: Shell, number: str) -> list[tuple[int, str]]:
    """Number and state of a ticket's pull requests."""
    return [(pull["number"], pull["state"]) for pull in shell.answer("ticket", "show", number)["pulls"]]


def cancelled(shell: Shell, run: str) -> dict[str, Any]:
    """The row of a run that was stopped; nothing while it is not over."""
    (found,) = [dict(one) for one in shell.answer("ps", "--all")["runs"] if one["id"] == run]
    return found if found["state"] == "cancelled" else {}


def log_of(shell: Shell, kind: str, number: str) -> list[dict[str, Any]]:
    """The entries of a type about a ticket."""
    found: list[dict[str, Any]] = shell.answer("log", "--type", kind, "--ticket", number)["entries"]
    return found


def test_a_cancelled_ticket_ends_with_everything_saved_and_is_taken_up_again(fleet: tuple[Shell, FleetPaths]) -> None:
    shell, paths = fleet
    number = ticket(shell, "ready")
    run = at_work(fleet, number)
    ((pull, _),) = pulls_of(shell, number)
    said = shell.fleet("ticket", "cancel", number, "--reason", "superseded")
    assert said.ok, said.error_text
    assert said.text.splitlines() == [
        f"cancelled ticket/{number}",
        f"  stopping {run}; what they did is saved",
        f"  closed pr/{pull}; its branch stays",
        f"  to take it up again: fleet ticket retry {number}",
    ]
    wait_until(lambda: log_of(shell, "ticket.cancelled", number), what="the cancellation to be done")
    ended = wait_until(lambda: cancelled(shell, run), what="the run to be over")
    assert git(paths.bare, "show", f"{ended['escrow_sha']}:unsaved.md") == "not in any commit"
    assert pulls_of(shell, number) == [(pull, "closed")]
    shown = shell.answer("ticket", "show", number)
    assert shown["ticket"]["state"] == "closed"
    assert "superseded" in shown["comments"][0]["body"]
    assert "superseded" in shell.fleet("why", f"ticket/{number}").text
    again = shell.fleet("ticket", "cancel", number, "--reason", "x", "--json")
    assert (again.code, object_of(again)["error"]["code"]) == (8, "FLT-FRG-101")

    retried = shell.answer("ticket", "retry", number, "--reason", "needed after all")
    assert retried["reopened"]
    assert [one["agent"] for one in retried["retried"]] == ["developer"]
    second = at_work(fleet, number)
    assert second != run
    assert [state for _, state in pulls_of(shell, number)] == ["closed", "open"]
    busy = shell.fleet("ticket", "retry", number)
    assert busy.code == 8
    assert "is at work on it" in busy.error_text
    shell.answer("ticket", "cancel", number, "--reason", "enough")
    wait_until(lambda: not shell.answer("ps")["runs"], what="the run to end")


@pytest.mark.long
def test_a_pull_request_is_closed_by_hand_and_the_watcher_says_so(fleet: tuple[Shell, FleetPaths]) -> None:
    shell, _ = fleet
    number = ticket(shell, "ready")
    at_work(fleet, number)
    shell.answer("agent", "stop", "developer")
    wait_until(lambda: not shell.answer("ps")["runs"], what="the run to end")
    ((pull, _),) = pulls_of(shell, number)
    said = shell.fleet("pr", "close", str(pull), "--reason", "wrong way")
    assert said.text == f"pr/{pull} is closed; its branch stays; ticket/{number} stays as it is\n"
    wait_until(lambda: log_of(shell, "pr_closed", number), what="pr_closed")
    assert shell.fleet("pr", "close", str(pull), "--reason", "x").code == 8
    assert shell.fleet("ticket", "retry", number).ok, "its author may begin again"
    at_work(fleet, number)
    shell.answer("ticket", "cancel", number, "--reason", "enough")
    wait_until(lambda: not shell.answer("ps")["runs"], what="the run to end")


@pytest.mark.long
def test_a_task_is_foreseen_then_given_and_wakes_nobody_else(fleet: tuple[Shell, FleetPaths]) -> None:
    shell, _ = fleet
    before = shell.answer("ticket", "list")["tickets"]
    foreseen = shell.fleet("task", "assign", "--team", "makers", "Read the messages", "--dry-run")
    assert foreseen.text.splitlines() == [
        "would assign: Read the messages",
        "AGENT      ON            NOW          BECAUSE",
        "developer  a new ticket  would start  -",
        "second     a new ticket  would start  -",
    ]
    shell.answer("agent", "pause", "second", "--reason", "lunch")
    held = shell.answer("task", "assign", "second", "Read the messages", "--dry-run")["assigned"]
    assert [(one["verdict"], one["reasons"][0]["code"]) for one in held] == [("hold", "FLT-POL-004")]
    shell.answer("agent", "resume", "second")
    assert shell.answer("ticket", "list")["tickets"] == before
    (given,) = shell.answer("task", "assign", "second", "Read the messages\nall of them")["assigned"]
    number = str(given["ticket"])
    wait_until(lambda: log_of(shell, "pr_created", number), what="its pull request")
    shown = shell.answer("ticket", "show", number)["ticket"]
    assert (shown["title"], shown["labels"]) == ("Read the messages", [])
    assert shown["author"].startswith("human:")
    runs = [one for one in shell.answer("ps", "--all")["runs"] if one["work_item"] == f"ticket/{number}"]
    assert {one["agent"] for one in runs} == {"second"}


def test_tickets_are_closed_opened_and_remarked_upon(shell: Shell) -> None:
    number = ticket(shell)
    assert shell.fleet("ticket", "comment", number, "--body", "look \x1b[31mhere").text == (
        f"remark 1 on ticket/{number}\n"
    )
    assert "look \\x1b[31mhere" in shell.fleet("ticket", "show", number).text
    assert shell.fleet("ticket", "close", number, "--reason", "done").text == f"ticket/{number} is closed\n"
    assert shell.answer("ticket", "reopen", number)["state"] == "open"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("ticket cancel 999 --reason x", 4),
        ("ticket cancel 1", 2),
        ("ticket retry 999", 4),
        ("ticket retry x", 2),
        ("ticket reopen 999", 4),
        ("ticket comment 999 --body x", 4),
        ("ticket comment 1", 2),
        ("pr close 999 --reason x", 4),
        ("pr close 1", 2),
        ("task assign develper something", 4),
        ("task assign --team ghosts something", 4),
        ("task assign --department catering something", 4),
        ("task assign", 2),
        ("task assign developer", 2),
        ("task assign developer something --ticket 999", 4),
        ("task assign scribe something", 6),
    ],
)
def test_bad_input_is_refused_with_its_exit_code(shell: Shell, words: str, code: int) -> None:
    before = shell.answer("ticket", "list")["tickets"]
    done = shell.fleet(*words.split(), "--json")
    assert done.code == code, done.text
    assert object_of(done)["error"]["exit_code"] == code
    assert "Traceback" not in shell.fleet(*words.split()).error_text
    assert shell.answer("ticket", "list")["tickets"] == before
