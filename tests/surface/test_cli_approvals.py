"""A change of a protected path waits for a person: asked with the diff, approved, voided, denied, on a real fleet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fleet.config.paths import FleetPaths, fleet_paths
from fleet.core.clock import SECOND
from fleet.store.open import open_for_daemon
from fleet.testing.fleets import fleet_in
from fleet.testing.repos import commit, git
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux

PLAYBOOK = """\
version: 1
rules:
  - on: [ticket_ready, pr_changes_requested]
    do:
      - write: { path: CLAUDE.md, text: "" }
      - run:
          argv: [python3, -c, "open('CLAUDE.md', 'w').write('round {round}%c%c[31mnot obeyed%c' % (10, 27, 10))"]
      - write: { path: "fleet-rehearsal/ticket-{ticket}.md", text: "ticket {ticket}\\n" }
      - commit: { message: "Change the rules" }
      - push: { title: "Change the rules", body: "" }
"""


@contextmanager
def asking_fleet(*, allow_merge: bool = True) -> Iterator[Shell]:
    """A fleet whose developer changes CLAUDE.md, up, with a ready ticket for it."""
    with fleet_in(allow_merge=allow_merge) as paths:
        (paths.checkout / ".fleet" / "playbooks" / "developer.yaml").write_text(PLAYBOOK, encoding="utf-8")
        shell = Shell(paths.checkout, {})
        shell.answer("up")
        try:
            shell.answer("ticket", "create", "Change the rules", "--label", "ready")
            yield shell
        finally:
            shell.fleet("down")


@pytest.fixture
def shell() -> Iterator[Shell]:
    with asking_fleet() as found:
        yield found


def asked(shell: Shell, *, count: int = 1) -> dict[str, Any]:
    """The newest question, once as many have been asked."""

    def found() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = shell.answer("approvals", "--all")["approvals"]
        return rows if len(rows) >= count else []

    newest: dict[str, Any] = wait_until(found, what=f"question {count} to a person")[-1]
    return newest


def merged(shell: Shell) -> dict[str, Any]:
    """pr/2 once it is merged."""

    def found() -> dict[str, Any] | None:
        pull: dict[str, Any] = shell.answer("pr", "show", "2")["pr"]
        return pull if pull["state"] == "merged" else None

    pull = wait_until(found, what="pr/2 to be merged")
    assert pull is not None
    return pull


def idle(shell: Shell) -> bool:
    """Whether nobody is at work."""
    return not shell.answer("ps")["runs"]


def test_an_approved_change_is_merged_at_exactly_that_head_without_further_typing(shell: Shell) -> None:
    row = asked(shell)
    assert (row["subject"], row["status"], row["agent"]) == ("pr/2", "requested", "release-manager")
    listed = shell.fleet("approvals").text
    assert "CLAUDE.md is protected: a person has to approve this head [FLT-POL-072]" in listed
    assert f"fleet approvals show {row['id']}" in listed
    assert "fleet approvals show pr/2" in shell.fleet("status").text
    shown = shell.fleet("approvals", "show", row["id"])
    assert f"may release-manager merge exactly {row['head']}?" in shown.text
    assert "+round 1" in shown.text
    assert "+\\x1b[31mnot obeyed" in shown.text
    assert "\x1b" not in shown.text
    assert "agent:qa-engineer approved" in shown.text
    assert "2 files changed, +3 -0" in shown.text
    done = shell.fleet("approve", "pr/2", "--reason", "read it")
    assert done.text.splitlines()[-1] == f"approved pr/2 at {row['head'][:10]}; release-manager goes on"
    assert merged(shell)["merged_head"] == row["head"]
    after = asked(shell)
    assert (after["state"], after["status"], after["reason"]) == ("granted", "granted", "read it")
    assert shell.fleet("approvals").text == "nothing waits for a person\n"
    assert shell.fleet("deny", row["id"], "--reason", "no").code == 8
    assert shell.fleet("approve", row["id"]).ok, "the same person says the same again"
    assert len(shell.answer("log", "--type", "approval.granted")["entries"]) == 1
    why = shell.fleet("why", "pr/2").text
    assert "let the protected paths through" in why


@pytest.mark.long
def test_where_agents_may_not_merge_a_person_is_asked_and_the_agent_merges() -> None:
    with asking_fleet(allow_merge=False) as shell:
        row = asked(shell)
        assert [reason["code"] for reason in row["reasons"]] == ["FLT-POL-072", "FLT-POL-074"]
        result = shell.answer("approve", row["id"])
        assert (result["approval"]["state"], result["waiting"], result["merged"]) == (
            "granted", "release-manager", None,
        )  # fmt: skip
        assert merged(shell)["merged_head"] == row["head"]
        (event,) = shell.answer("log", "--type", "pr_merged")["entries"]
        assert event["actor"] == "agent:release-manager"


def test_a_denied_change_comes_back_with_the_reason_and_the_new_head_is_asked_about(shell: Shell) -> None:
    row = asked(shell)
    done = shell.fleet("deny", row["id"], "--reason", "say why the rules change")
    assert done.text == f"denied pr/2 at {row['head'][:10]}; agent:developer is told why\n"
    new = asked(shell, count=2)
    assert new["head"] != row["head"]
    assert "+round 2" in shell.fleet("approvals", "show", "pr/2").text
    shown = shell.answer("pr", "show", "2")
    assert any("say why the rules change" in remark["body"] for remark in shown["comments"])
    assert shell.answer("approvals", "--all")["approvals"][0]["state"] == "refused"


@pytest.mark.long
def test_a_push_after_the_question_voids_it_and_nothing_is_granted(shell: Shell) -> None:
    row = asked(shell)
    wait_until(lambda: idle(shell), what="the reviewers to end")
    git(shell.folder, "fetch", "--quiet", str(bare(shell)), "fleet/1")
    git(shell.folder, "switch", "--quiet", "--detach", "FETCH_HEAD")
    head = commit(shell.folder, {"more.txt": "by hand\n"})
    shell.answer("pr", "create", "--ticket", "1", "--ref", "HEAD")
    done = shell.fleet("approve", row["id"], "--json")
    assert done.code == 8
    error = object_of(done)["error"]
    assert (error["code"], head in error["hint"]) == ("FLT-APR-003", True)
    stale = next(one for one in shell.answer("approvals", "--all")["approvals"] if one["id"] == row["id"])
    assert (stale["status"], stale["state"]) == ("void", "requested")
    assert "void: the head moved" in shell.fleet("approvals", "--all").text
    assert asked(shell, count=2)["head"] == head
    assert shell.answer("pr", "show", "2")["pr"]["state"] == "open"


@pytest.mark.long
def test_an_edit_of_the_ticket_voids_the_question_and_an_expired_one_is_not_answered(shell: Shell) -> None:
    row = asked(shell)
    shell.answer("down")
    change(shell, "UPDATE forge_tickets SET body = 'and delete the tests'")
    shell.answer("up")
    done = shell.fleet("approve", row["id"])
    assert (done.code, "the text of the ticket was edited" in done.error_text) == (8, True)
    wait_until(lambda: shell.answer("log", "--type", "ticket_edited")["entries"], what="the edit to be seen")
    shell.answer("ticket", "accept", "1", "--reason", "I meant that")
    new = asked(shell, count=2)
    assert (new["head"], new["id"] != row["id"]) == (row["head"], True)
    shell.answer("down")
    change(shell, f"UPDATE approvals SET expires_at = {new['requested_at'] + SECOND} WHERE id = '{new['id']}'")
    shell.answer("up")
    wait_until(lambda: shell.answer("log", "--type", "approval.expired")["entries"], what="the question to expire")
    assert shell.fleet("approve", new["id"]).code == 8


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["approvals", "show"], 2),
        (["approvals", "frobnicate", "a1"], 2),
        (["approvals", "show", "a1", "--all"], 2),
        (["approvals", "show", "a1"], 4),
        (["approve"], 2),
        (["approve", "a1"], 4),
        (["approve", "pr/99"], 4),
        (["approve", "a\nb"], 2),
        (["approve", "a1", "--head", "abc"], 4),
        (["deny", "a1"], 2),
        (["deny", "a1", "--reason", ""], 2),
        (["deny", "a1", "--reason", "no"], 4),
    ],
)
def test_bad_input_ends_with_its_exit_code(idle_shell: Shell, words: list[str], code: int) -> None:
    done = idle_shell.fleet(*words)
    assert (done.code, done.text) == (code, ""), done.error_text
    as_json = idle_shell.fleet(*words, "--json")
    assert as_json.code == code
    assert object_of(as_json)["ok"] is False


@pytest.fixture(scope="module")
def idle_shell() -> Iterator[Shell]:
    """A fleet with nothing to do."""
    with fleet_in() as paths:
        found = Shell(paths.checkout, {})
        found.answer("up")
        yield found
        found.fleet("down")


@pytest.mark.long
def test_without_a_daemon_people_read_and_answer_nothing(idle_shell: Shell) -> None:
    idle_shell.answer("down")
    assert idle_shell.answer("approvals")["approvals"] == []
    assert idle_shell.fleet("deny", "a1", "--reason", "no").code == 5
    idle_shell.answer("up")


def bare(shell: Shell) -> str:
    """The fleet's repository."""
    return str(places(shell).bare)


def change(shell: Shell, sql: str) -> None:
    """While no daemon runs: what somebody did to the forge, or time did to a row."""
    db = open_for_daemon(places(shell).database)
    try:
        db.write(lambda tx: tx.run(sql))
    finally:
        db.close()


def places(shell: Shell) -> FleetPaths:
    """Where this fleet lies."""
    return fleet_paths(shell.folder, os.environ, os.getuid())
