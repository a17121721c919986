"""A backup while others write: one instant, verified, whole or not there."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from fleet.core.errors import Conflict, FleetError, PermanentError, Refused, UsageError
from fleet.core.journal import Draft, Stream
from fleet.daemon import upkeep
from fleet.keeping import archive
from fleet.keeping.backup import Made, silent
from fleet.keeping.lock import keeping
from fleet.store import journal
from fleet.testing.desk import Desk
from fleet.testing.repos import git


def backup(desk: Desk, wanted: Path | None = None) -> Made:
    """A backup as a person asks for it."""
    return upkeep.backup(desk.paths, desk.loaded, wanted, clock=desk.clock, progress=silent)


def test_a_backup_holds_store_repository_and_configuration_and_names_its_head(desk: Desk) -> None:
    number = desk.ticket("Do it", "ready")
    _, pull, head = desk.pushed("developer", number)
    made = backup(desk)
    assert made.path.parent == desk.paths.state.parent / "backups"
    assert made.path.stat().st_mode & 0o077 == 0
    assert {part.name for part in made.manifest.parts} == {"fleet.db", "repo.bundle", "config.yaml"}
    assert made.manifest.refs[f"refs/heads/fleet/{number}"] == head
    assert made.manifest.entries == desk.db.read(journal.head)[0]
    assert pull


def test_saved_work_artifacts_and_sealed_archives_are_in_it_and_the_private_key_is_not(
    desk: Desk, tmp_path: Path
) -> None:
    base = git(desk.paths.bare, "rev-parse", "main")
    git(desk.paths.bare, "update-ref", "refs/fleet/escrow/r1-e1", base)
    artifact = desk.paths.state / "artifacts" / "ab" / "abcdef"
    artifact.parent.mkdir(parents=True)
    artifact.write_bytes(b"a result")
    (desk.paths.state / "artifacts" / "incoming").mkdir()
    (desk.paths.state / "artifacts" / "incoming" / "developer.1").write_bytes(b"half a res")
    (desk.paths.audit / "archives").mkdir(parents=True)
    for name in ("archives/1-200.jsonl", "signing.key", "signing.key.new", ".draft"):
        (desk.paths.audit / name).write_bytes(b"of the audit")
    made = backup(desk, tmp_path / "out.tar")
    assert {part.name for part in made.manifest.parts if part.name.startswith("audit/")} == {
        "audit/archives/1-200.jsonl"
    }
    assert made.manifest.refs["refs/fleet/escrow/r1-e1"] == base
    assert {part.name for part in made.manifest.parts if part.name.startswith("artifacts/")} == {"artifacts/ab/abcdef"}


def test_writers_go_on_while_the_store_is_copied_and_the_copy_is_of_one_instant(desk: Desk) -> None:
    """Every step of the copying is followed by a write; none of them is in the copy, none of them waits."""
    for number in range(200):
        desk.ask("fabric.publish", kind="note", summary=f"note {number}", payload=f'{{"text": "{"x" * 20_000}"}}')
    before = desk.db.read(journal.head)[0]
    steps: list[int] = []

    def write(what: str, done: int, whole: int) -> None:
        if what == "copying the store":
            steps.append(done)
            desk.db.write(lambda tx: journal.append(tx, Draft(Stream.EVENT, "note", "human:ann")), timeout=60)

    made = upkeep.backup(desk.paths, desk.loaded, None, clock=desk.clock, progress=write)
    assert len(steps) >= 3
    assert made.manifest.entries == before
    assert desk.db.read(journal.head)[0] == before + len(steps)


def test_a_branch_that_moves_while_the_store_is_copied_makes_it_copy_again(desk: Desk) -> None:
    """So that store and repository are of one instant wherever there is a quiet one."""
    base = git(desk.paths.bare, "rev-parse", "main")
    copies: list[str] = []

    def push(what: str, _done: int, _all: int) -> None:
        if what == "copying the repository":
            copies.append(what)
            if len(copies) == 1:
                git(desk.paths.bare, "update-ref", "refs/heads/fleet/77", base)
                desk.ask("fabric.publish", kind="note", summary="the entry of that push")

    made = upkeep.backup(desk.paths, desk.loaded, None, clock=desk.clock, progress=push)
    assert len(copies) == 2
    assert "refs/heads/fleet/77" in made.manifest.refs
    assert made.manifest.entries == desk.db.read(journal.head)[0]


def test_what_a_killed_backup_left_is_removed_by_the_next_one(desk: Desk, tmp_path: Path) -> None:
    left_over = tmp_path / f".{desk.paths.fleet_id}-backup-xyz"
    left_over.mkdir()
    (left_over / "fleet.db").write_bytes(b"half")
    backup(desk, tmp_path)
    assert not left_over.exists()
    assert sorted(path.suffix for path in tmp_path.iterdir() if path.is_file()) == [".tar"]


def test_a_backup_replaces_no_file(desk: Desk, tmp_path: Path) -> None:
    target = tmp_path / "mine.tar"
    target.write_text("precious")
    with pytest.raises(Conflict) as caught:
        backup(desk, target)
    assert caught.value.code == "FLT-KEP-013"
    assert target.read_text() == "precious"


def test_a_file_that_appears_while_the_backup_is_made_is_not_replaced_either(desk: Desk, tmp_path: Path) -> None:
    target = tmp_path / "mine.tar"

    def appear(what: str, _done: int, _all: int) -> None:
        if what == "reading back":
            target.write_text("precious")

    with pytest.raises(Conflict) as caught:
        upkeep.backup(desk.paths, desk.loaded, target, clock=desk.clock, progress=appear)
    assert caught.value.code == "FLT-KEP-013"
    assert target.read_text() == "precious"
    assert [path.name for path in tmp_path.glob(".*backup*")] == []


def test_a_folder_that_is_not_there_is_refused(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        backup(desk, tmp_path / "no" / "such" / "file.tar")
    assert caught.value.code == "FLT-KEP-020"


def test_a_place_that_cannot_be_written_is_named(desk: Desk) -> None:
    with pytest.raises(PermanentError) as caught:
        backup(desk, Path("/proc"))
    assert caught.value.code == "FLT-KEP-021"


def test_a_backup_that_would_fill_the_disk_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path, keeping={"low_disk_mb": 1_000_000_000})
    with pytest.raises(Refused) as caught:
        backup(desk)
    assert caught.value.code == "FLT-KEP-003"
    desk.close()


def test_a_store_that_is_not_whole_makes_no_backup(desk: Desk, tmp_path: Path) -> None:
    desk.ask("fabric.publish", kind="note", summary="a note")

    def break_it(tx: object) -> None:
        tx.run("DROP TRIGGER journal_no_update")  # type: ignore[attr-defined]
        tx.run("UPDATE journal SET summary = 'edited' WHERE seq = 1")  # type: ignore[attr-defined]

    desk.db.write(break_it)
    with pytest.raises(FleetError, match="entry 1") as caught:
        backup(desk, tmp_path / "out.tar")
    assert caught.value.code == "FLT-KEP-011"
    assert not (tmp_path / "out.tar").exists()


def test_two_operators_at_once_do_not_disturb_each_other(desk: Desk) -> None:
    with keeping(desk.paths.state), pytest.raises(Conflict) as caught:
        backup(desk)
    assert caught.value.code == "FLT-KEP-019"
    assert backup(desk).size


def test_the_file_is_a_plain_tar_that_other_programs_read(desk: Desk, tmp_path: Path) -> None:
    made = backup(desk, tmp_path / "out.tar")
    with tarfile.open(made.path) as tar:
        assert tar.getnames() == ["manifest.json", "fleet.db", "repo.bundle", "config.yaml"]
    assert archive.read(made.path, None) == made.manifest
