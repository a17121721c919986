"""fleet backup and fleet restore as a person and a script see them: text, JSON, refusals, exit codes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.testing.fleets import fleet_in
from fleet.testing.shell import Shell, object_of

pytestmark = pytest.mark.tmux


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    """A fleet that is up, with one note on record."""
    with fleet_in() as paths, Shell(paths.checkout, {}).up() as found:
        found.answer("fabric", "publish", "--kind", "note", "--summary", "before")
        yield found


def test_a_backup_says_where_it_is_how_large_and_what_it_holds(shell: Shell) -> None:
    done = shell.fleet("backup", str(shell.folder.parent / "text.tar"))
    assert done.ok, done.error_text
    first, second, third = done.text.splitlines()
    assert first == str(shell.folder.parent / "text.tar")
    assert "verified" in second
    assert "head: " in third
    assert done.error_text == "", "no progress where nobody watches"


def test_its_json_has_the_agreed_fields(shell: Shell) -> None:
    found = shell.answer("backup", str(shell.folder.parent / "json.tar"))
    assert sorted(found) == [
        "bytes", "fleet", "journal", "made_at", "ok", "parts", "path", "refs", "schema", "schema_version", "seconds",
    ]  # fmt: skip
    assert [part["name"] for part in found["parts"]][:3] == ["fleet.db", "repo.bundle", "config.yaml"]


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (("backup", "/nowhere/at/all.tar"), 2, "FLT-KEP-020"),
        (("backup", "a-disk-that-is-not-there/"), 2, "FLT-KEP-020"),
        (("restore", "/nowhere/at/all.tar", "--dry-run"), 4, "FLT-KEP-010"),
        (("restore", ".fleet/config.yaml", "--dry-run"), 2, "FLT-KEP-012"),
        (("restore", ".fleet/config.yaml"), 8, "FLT-KEP-015"),
        (("restore",), 2, "FLT-CLI-010"),
        (("backup", "one", "two"), 2, "FLT-CLI-010"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_done_is_refused_with_its_code(
    shell: Shell, words: tuple[str, ...], exit_code: int, code: str
) -> None:
    done = shell.fleet(*words)
    assert (done.code, code in done.error_text) == (exit_code, True), done.error_text
    found = object_of(shell.fleet(*words, "--json"))
    assert (found["ok"], found["error"]["code"]) == (False, code)


def test_agents_neither_copy_nor_replace_the_record(shell: Shell) -> None:
    for words in (("backup",), ("restore", "x.tar")):
        done = shell.fleet(*words, env={"FLEET_RUN": "nobody-of-this-test-e1"})
        assert (done.code, "FLT-CLI-007" in done.error_text) == (6, True)


@pytest.mark.long
def test_a_restore_goes_back_and_says_what_it_left(shell: Shell) -> None:
    source = shell.answer("backup", str(shell.folder.parent / "back.tar"))["path"]
    shell.answer("fabric", "publish", "--kind", "note", "--summary", "after")
    looked = shell.fleet("restore", source, "--dry-run")
    assert looked.ok
    assert looked.text.startswith("could be restored: ")
    assert looked.text.endswith("nothing was changed\n")
    shell.answer("down")
    try:
        found = json.loads(shell.fleet("restore", source, "--json").text)
        assert found["ok"]
        assert Path(found["aside"]).is_dir()
        assert found["left"]["entries"] > found["journal"]["entries"]
        assert found["ended_runs"] == []
        again = shell.fleet("restore", source)
        assert "the state that was left is in " in again.text
        assert again.text.endswith("next: fleet up\n")
    finally:
        shell.answer("up")
    said = [entry["summary"] for entry in shell.answer("fabric", "history", "--event", "note")["entries"]]
    assert said == ["before"]


def test_what_could_go_is_shown_and_nothing_is_removed_without_yes(shell: Shell) -> None:
    done = shell.fleet("gc")
    assert done.ok, done.error_text
    assert done.text.startswith("could go: ")
    assert "stays: " in done.text
    found = shell.answer("gc", "--dry-run")
    assert sorted(found) == ["bytes", "goes", "kept", "ok", "schema_version"]
    assert shell.answer("log", "--type", "gc.planned")["entries"] == []


def test_yes_removes_and_the_record_says_who_did_it(shell: Shell) -> None:
    state = Path(shell.answer("watcher", "status")["paths"]["state"])
    left_over = state / "runs" / ".gone-r1-e1"
    left_over.mkdir()
    os.utime(left_over, (1_000_000_000, 1_000_000_000))
    assert ".gone-r1-e1" in shell.fleet("gc").text
    done = shell.fleet("gc", "--yes")
    assert done.ok, done.error_text
    assert done.text.startswith("removed: 1 thing")
    assert not left_over.exists()
    (entry,) = shell.answer("log", "--type", "gc.done")["entries"]
    assert entry["actor"].startswith("human:")
    again = shell.answer("gc", "--yes")
    assert (again["removed"], again["left"]) == ([], 0)


def test_yes_and_dry_run_exclude_each_other(shell: Shell) -> None:
    done = shell.fleet("gc", "--yes", "--dry-run")
    assert (done.code, "FLT-KEP-022" in done.error_text) == (2, True)


def test_looking_needs_no_daemon_and_removing_does(shell: Shell) -> None:
    shell.answer("down")
    try:
        looked = shell.fleet("gc")
        assert looked.ok, looked.error_text
        assert "could go: " in looked.text
        assert shell.fleet("gc", "--yes").code == 5
    finally:
        shell.answer("up")
