"""A scripted agent that always fails becomes a dead letter: explained, replayed once it is mended, or discarded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fleet.testing.fleets import fleet_in
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux

BROKEN = """\
version: 1
rules:
  - on: [ticket_ready]
    do:
      - append: { path: half.txt, text: "half done\\n" }
      - say: "no luck today"
      - exit: 3
"""


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    """A fleet whose developer fails at its second and last attempt."""
    with fleet_in() as paths:
        playbook = paths.checkout / ".fleet" / "playbooks" / "developer.yaml"
        mended = playbook.read_text(encoding="utf-8")
        playbook.write_text(BROKEN, encoding="utf-8")
        (paths.checkout / ".fleet" / "mended.yaml").write_text(mended, encoding="utf-8")
        config = paths.config.read_text(encoding="utf-8")
        paths.config.write_text(
            config.replace("attempts: 3", "attempts: 2").replace("backoff_seconds: 2", "backoff_seconds: 0")
        )
        found = Shell(paths.checkout, {})
        found.answer("up")
        try:
            yield found
        finally:
            found.fleet("down")


def given_up(shell: Shell, title: str) -> tuple[int, dict[str, Any]]:
    """A ready ticket that the developer fails at for good: its number and its dead letter."""
    number = shell.answer("ticket", "create", title, "--label", "ready")["ticket"]["number"]

    def letter() -> dict[str, Any] | None:
        rows: list[dict[str, Any]] = shell.answer("deadletters", "list")["dead_letters"]
        return next((row for row in rows if row["subject"] == f"ticket/{number}"), None)

    found = wait_until(letter, what="the work to be given up")
    assert found is not None
    return int(number), found


def test_it_is_explained_and_replayed_once_its_playbook_is_mended(shell: Shell) -> None:
    number, letter = given_up(shell, "Greet the user")
    assert letter["state"] == "open"
    assert letter["id"] in shell.fleet("status").text
    text = shell.fleet("deadletters", "explain", letter["id"]).text
    assert f"developer on ticket/{number} for ticket_ready: open" in text
    assert text.count("failed after") == 2
    assert "ended with exit code 3" in text
    assert "  | no luck today" in text
    assert "saved work: refs/" in text
    assert f"fleet deadletters replay {letter['id']}" in text
    found = shell.answer("deadletters", "explain", letter["id"])
    assert [run["attempt"] for run in found["attempts"]] == [1, 2]
    assert sorted(found) == [
        "attempts", "commands", "dead_letter", "ok", "replayable", "schema_version", "why_not",
    ]  # fmt: skip

    playbook = shell.folder / ".fleet" / "playbooks" / "developer.yaml"
    playbook.write_text((shell.folder / ".fleet" / "mended.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    done = shell.fleet("deadletters", "replay", letter["id"], "--reason", "mended")
    assert done.text == f"offered developer the work on ticket/{number} again\n"
    wait_until(
        lambda: shell.answer("ticket", "show", str(number))["ticket"]["labels"] == ["shipped"],
        what="the ticket to be shipped after all",
    )
    again = shell.fleet("deadletters", "replay", letter["id"], "--json")
    assert (again.code, object_of(again)["error"]["code"]) == (8, "FLT-DLQ-002")
    assert shell.fleet("deadletters", "list").text == "no dead letters\n"
    (row,) = [one for one in shell.answer("deadletters", "list", "--all")["dead_letters"] if one["id"] == letter["id"]]
    assert (row["state"], row["reason"]) == ("replayed", "mended")
    playbook.write_text(BROKEN, encoding="utf-8")


def test_a_discarded_one_is_on_record_and_needs_nobody(shell: Shell) -> None:
    number, letter = given_up(shell, "Something else")
    done = shell.fleet("deadletters", "discard", letter["id"], "--reason", "done by hand")
    assert done.text == f"discarded the work of developer on ticket/{number}\n"
    assert letter["id"] not in shell.fleet("status").text
    assert shell.answer("deadletters", "list")["dead_letters"] == []
    text = shell.fleet("deadletters", "explain", letter["id"]).text
    assert "done by hand" in text
    assert "deadletters replay" not in text
    assert shell.fleet("deadletters", "discard", letter["id"], "--reason", "again").code == 8


def test_a_moot_one_is_refused_with_the_reason(shell: Shell) -> None:
    number, letter = given_up(shell, "Not wanted")
    shell.answer("ticket", "close", str(number), "--reason", "not wanted")
    done = shell.fleet("deadletters", "replay", letter["id"])
    assert done.code == 6
    assert "is closed" in done.error_text
    assert f"fleet deadletters discard {letter['id']}" in done.error_text


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["deadletters", "explain"], 2),
        (["deadletters", "explain", "e1"], 4),
        (["deadletters", "replay", "a\nb"], 2),
        (["deadletters", "replay", "e1"], 4),
        (["deadletters", "discard", "e1"], 2),
        (["deadletters", "discard", "e1", "--reason", ""], 2),
        (["deadletters", "discard", "e1", "--reason", "x"], 4),
        (["deadletters", "frobnicate"], 2),
    ],
)
def test_bad_input_ends_with_its_exit_code(shell: Shell, words: list[str], code: int) -> None:
    done = shell.fleet(*words)
    assert (done.code, done.text) == (code, ""), done.error_text
    assert object_of(shell.fleet(*words, "--json"))["ok"] is False
