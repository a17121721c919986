"""``fleet audit`` on a real fleet: words, JSON, exit codes, and the program that checks an export elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tampering import reseal, tamper

from fleet.testing.fleets import fleet_in
from fleet.testing.repos import git
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    """A running fleet with a ticket that nobody takes."""
    with fleet_in() as paths, Shell(paths.checkout, {}).up() as found:
        found.answer("ticket", "create", "Greet the user")
        yield found


def test_the_head_is_signed_listed_and_verified(shell: Shell) -> None:
    made = shell.answer("audit", "checkpoint")
    assert made["seq"] >= 1
    listed = shell.answer("audit", "checkpoints", "--limit", "1")
    assert [row["number"] for row in listed["checkpoints"]] == [made["number"]]
    assert listed["anchor"]["lines"] >= made["number"]
    found = shell.answer("audit", "verify")
    assert found["checkpoints"]["seq"] >= made["seq"]
    assert shell.answer("audit", "verify", "--since-checkpoint")["ok"]
    text = shell.fleet("audit", "verify").text
    assert "the journal is whole" in text
    assert f"key: {found['checkpoints']['public']}" in text
    assert "NUMBER" in shell.fleet("audit", "checkpoints").text
    assert "checkpoint" in shell.fleet("audit", "checkpoint").text


def test_the_key_is_printed_and_rotated(shell: Shell) -> None:
    first = shell.fleet("audit", "key").text.split()[0]
    assert re.fullmatch(r"[0-9a-f]{64}", first)
    assert shell.fleet("audit", "rotate-key").code == 2
    refused = shell.fleet("audit", "rotate-key", "--lost", "--reason", "x", "--json")
    assert (refused.code, object_of(refused)["error"]["code"]) == (8, "FLT-AUD-005")
    made = shell.answer("audit", "rotate-key", "--reason", "yearly")
    assert made["public"] != first
    assert shell.answer("audit", "verify", "--key", first)["ok"]
    wrong = shell.fleet("audit", "verify", "--key", "ab" * 32)
    assert wrong.code == 1
    assert "never signed here" in wrong.text
    assert shell.fleet("audit", "verify", "--key", "xyz").code == 2


def test_an_export_is_checked_here_and_by_the_program_alone(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    made = shell.answer("audit", "export", "-o", str(file))
    assert made["whole"]
    again = shell.fleet("audit", "export", "-o", str(file), "--json")
    assert (again.code, object_of(again)["error"]["code"]) == (8, "FLT-AUD-011")
    assert shell.answer("audit", "verify", "--archive", str(file))["files"]["entries"] == made["entries"]
    program = tmp_path / "verify.py"
    program.write_text(shell.fleet("audit", "verifier").text)
    words = [sys.executable, "-I", str(program), str(file), "--key", shell.answer("audit", "key")["public"]]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"whole: {made['entries']} entries")
    file.write_text(file.read_text().replace("Greet", "Insult"))
    assert subprocess.run(words, capture_output=True, check=False).returncode == 1
    bad = shell.fleet("audit", "verify", "--archive", str(file))
    assert bad.code == 1
    assert "NOT fit" in bad.text


def test_an_export_to_standard_output_is_the_file(shell: Shell, tmp_path: Path) -> None:
    lines = shell.fleet("audit", "export").text.splitlines()
    assert lines[0].startswith('{"after":0,')
    assert '"record":"trailer"' in lines[-1]
    assert shell.fleet("audit", "export", "--type", "config.accepted", "--format", "csv").text.count("\n") == 2
    assert "cannot be verified" in shell.fleet("audit", "export", "--since", "1h", "-o", str(tmp_path / "x")).text
    for words in (["--json"], ["--format", "xml"], ["--since", "soon"], ["--ticket", "1", "--pr", "2"]):
        assert shell.fleet("audit", "export", *words).code == 2, words
    assert shell.fleet("audit", "export", "-o", str(tmp_path / "no" / "x")).code == 1
    agent = shell.fleet("audit", "export", env={"FLEET_RUN": "nobody-of-this-test-e1"})
    assert agent.code == 6


def test_an_archive_is_counted_first_and_refuses_what_is_too_young(shell: Shell, tmp_path: Path) -> None:
    for words in ([], ["--keep", "5"], ["--keep", "5", "--before", "1d", "-o", "x"], ["--keep", "0", "--dry-run"]):
        assert shell.fleet("audit", "archive", *words).code == 2, words
    young = shell.fleet("audit", "archive", "--keep", "1", "-o", str(tmp_path / "x"), "--json")
    assert (young.code, object_of(young)["error"]["code"]) == (8, "FLT-AUD-031")
    assert not (tmp_path / "x").exists()


@pytest.mark.long
def test_a_commit_put_on_the_base_past_the_fleet_is_reported_by_itself_and_accepted_by_a_person(shell: Shell) -> None:
    assert "git agrees" in shell.fleet("audit", "verify", "--against-git").text
    bare = Path(shell.answer("watcher", "status")["paths"]["state"]) / "repo.git"
    old = git(bare, "rev-parse", "main")
    who = ("developer", "developer@agents.fleet.invalid")
    new = git(bare, "commit-tree", "-p", old, "-m", "slipped in", f"{old}^{{tree}}", who=who)
    git(bare, "update-ref", "refs/heads/main", new)
    wait_until(lambda: any(one["kind"] == "base" for one in shell.answer("status")["attention"]), what="the alarm")
    assert "accept-base" in shell.fleet("status").text
    found = shell.fleet("audit", "verify", "--against-git")
    assert found.code == 1
    assert "git does NOT agree" in found.text
    assert "developer@agents.fleet.invalid" in found.text
    assert shell.fleet("audit", "accept-base", "abc", "--reason", "x").code == 2
    assert shell.fleet("audit", "accept-base", "0" * 40, "--reason", "x").code == 4
    assert shell.fleet("audit", "accept-base", new).code == 2
    assert shell.answer("audit", "accept-base", new, "--reason", "a test")["open"] == []
    assert shell.answer("audit", "verify", "--against-git")["git"]["ok"]
    assert not [one for one in shell.answer("status")["attention"] if one["kind"] == "base"]


@pytest.mark.long
def test_old_entries_go_into_an_archive_and_the_record_stays_provable(tmp_path: Path) -> None:
    with fleet_in() as paths:
        with paths.config.open("a") as config:
            config.write("audit:\n  keep_days: 0\n")
        shell = Shell(paths.checkout, {})
        shell.answer("up")
        try:
            for number in range(8):
                shell.answer("fabric", "publish", "--event", "note", "--summary", f"remark {number}")
            wait_until(lambda: shell.fleet("audit", "archive", "--keep", "2", "--dry-run").ok, what="the router")
            assert "would be sealed" in shell.fleet("audit", "archive", "--keep", "2", "--dry-run").text
            file = str(tmp_path / "one.jsonl")
            made = shell.answer("audit", "archive", "--keep", "2", "-o", file)
            assert made["removed"] > 0
            assert shell.answer("audit", "verify", "--archive", file, "--against-git")["ok"]
            assert file in shell.fleet("audit", "checkpoints").text
            told = shell.fleet("log")
            assert f"entries up to {made['last']} may lie in an archive" in told.error_text
            shell.answer("down")
            shell.answer("up")
            assert shell.answer("audit", "verify")["ok"]
        finally:
            shell.fleet("down")


@pytest.mark.long
def test_without_a_daemon_the_record_is_still_verified_exported_and_an_attack_found(tmp_path: Path) -> None:
    """The owner's uid edits the store with plain SQL and recomputes the chain; the key's file it leaves alone."""
    with fleet_in() as paths:
        shell = Shell(paths.checkout, {})
        shell.answer("up")
        shell.answer("ticket", "create", "Greet the user")
        shell.answer("audit", "checkpoint")
        shell.answer("down")
        assert shell.answer("audit", "verify")["ok"]
        assert "git agrees" in shell.fleet("audit", "verify", "--against-git").text
        assert shell.answer("audit", "key")["public"]
        assert shell.answer("audit", "checkpoints")["total"] >= 1
        assert shell.answer("audit", "export", "-o", str(tmp_path / "x"))["signed"]
        assert shell.fleet("audit", "checkpoint").code == 5
        tamper(paths.database, "UPDATE journal SET actor = 'human:eve' WHERE seq = 2")
        assert shell.fleet("audit", "verify").code == 1
        reseal(paths.database)
        found = shell.fleet("audit", "verify", "--json")
        assert found.code == 1
        assert "rewritten" in object_of(found)["first_bad"]["what"]
