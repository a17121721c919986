"""Restoring: checked before anything is touched, what lived is ended and comes back, what is foreign is refused."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.audit.verify import verify_journal
from fleet.config.paths import FleetPaths, fleet_paths
from fleet.core.errors import Conflict, FleetError, PermanentError, Refused
from fleet.core.probe import install
from fleet.core.work import RunState
from fleet.daemon import upkeep
from fleet.daemon.lease import take
from fleet.daemon.upkeep import Restored
from fleet.dispatch.reconciler import Reconciler
from fleet.keeping import archive
from fleet.keeping.backup import silent
from fleet.keeping.git import unbundle
from fleet.keeping.lock import keeping
from fleet.keeping.swap import gate_of
from fleet.runtime import proctree, records
from fleet.store import capabilities, journal, migrate, runs
from fleet.store.db import Database
from fleet.store.journal import Filter
from fleet.store.migrate import Migration, shipped
from fleet.store.open import open_for_daemon, open_read_only
from fleet.testing.desk import Desk
from fleet.testing.live import MemoryForge
from fleet.testing.repos import commit, git, make_checkout


def backup(desk: Desk, name: str = "backup.tar") -> Path:
    """A backup outside of the state folder."""
    target = desk.paths.checkout.parent / name
    return upkeep.backup(desk.paths, desk.loaded, target, clock=desk.clock, progress=silent).path


def restore(
    desk: Desk, source: Path, *, dry_run: bool = False, force: bool = False, paths: FleetPaths | None = None
) -> Restored:
    """As a person restores; the desk's own store is closed, as that of a daemon that is down."""
    desk.db.close()
    desk.clock.advance(1)
    return upkeep.restore(
        paths or desk.paths, desk.loaded, source, clock=desk.clock, dry_run=dry_run, force=force, progress=silent
    )


def refused(desk: Desk, source: Path) -> str:
    """The code of a refusal; the present state is byte for byte what it was, and nothing lies about."""
    desk.db.close()
    before = state_of(desk.paths)
    with pytest.raises(FleetError) as caught:
        restore(desk, source)
    assert state_of(desk.paths) == before
    return caught.value.code


def state_of(paths: FleetPaths) -> dict[str, bytes]:
    """Every file around the state folder but locks."""
    home = paths.state.parent
    files = (file for file in home.rglob("*") if file.is_file() and file.suffix not in (".gate", ".lock"))
    return {str(file.relative_to(home)): file.read_bytes() for file in files}


def reopened(paths: FleetPaths) -> Database:
    """The restored store."""
    return open_read_only(paths.database)


def test_what_was_done_after_the_backup_is_gone_and_kept_aside(desk: Desk) -> None:
    first = desk.ask("fabric.publish", kind="note", summary="before")
    source = backup(desk)
    second = desk.ask("fabric.publish", kind="note", summary="after")
    done = restore(desk, source)
    db = reopened(desk.paths)
    ids = {entry.id for entry in db.read(lambda tx: journal.select(tx, Filter()))}
    assert first["id"] in ids
    assert second["id"] not in ids
    assert verify_journal(db).ok
    db.close()
    assert done.aside is not None
    aside = open_read_only(done.aside / "fleet.db")
    assert second["id"] in {entry.id for entry in aside.read(lambda tx: journal.select(tx, Filter()))}
    aside.close()


def test_branches_and_saved_work_come_back(desk: Desk) -> None:
    number = desk.ticket("Do it", "ready")
    _, _, head = desk.pushed("developer", number)
    git(desk.paths.bare, "update-ref", "refs/fleet/escrow/r1-e1", head)
    source = backup(desk)
    git(desk.paths.bare, "update-ref", "-d", "refs/fleet/escrow/r1-e1")
    git(desk.paths.bare, "update-ref", "-d", f"refs/heads/fleet/{number}")
    restore(desk, source)
    refs = git(desk.paths.bare, "for-each-ref", "--format=%(refname) %(objectname)")
    assert f"refs/heads/fleet/{number} {head}" in refs
    assert f"refs/fleet/escrow/r1-e1 {head}" in refs
    assert git(desk.paths.bare, "fsck", "--full", "--strict") == ""


def test_runs_that_lived_are_ended_their_capability_with_them_and_the_work_comes_back_uncounted(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1", event="ticket_ready")
    source = backup(desk)
    done = restore(desk, source)
    assert [run.id for run in done.incoming.ended] == [who.run_id]
    db = reopened(desk.paths)
    run = db.read(lambda tx: runs.get(tx, who.run_id))
    assert run.state is RunState.LOST
    assert db.read(lambda tx: capabilities.holder_of(tx, capabilities.digest(who.run_id))) is None
    assert db.read(lambda tx: runs.live(tx)) == []
    db.close()
    with_daemon = daemons_store(desk)
    forge = MemoryForge()
    forge.add_ticket("ready")
    Reconciler(with_daemon, forge, forge, lambda: desk.loaded).tick(desk.clock.now())
    back = with_daemon.read(lambda tx: journal.select(tx, Filter(type="work_returned")))
    assert [(entry.run_id, (entry.payload or {})["attempt"]) for entry in back] == [(who.run_id, 1)]
    with_daemon.close()


def daemons_store(desk: Desk) -> Database:
    """The restored store as a daemon opens it."""
    return open_for_daemon(desk.paths.database, clock=desk.clock)


def test_the_restore_is_on_record_with_who_from_where_and_what_was_left(desk: Desk) -> None:
    desk.ask("fabric.publish", kind="note", summary="before")
    source = backup(desk)
    desk.ask("fabric.publish", kind="note", summary="after")
    left = desk.db.read(journal.head)
    restore(desk, source)
    db = reopened(desk.paths)
    (entry,) = db.read(lambda tx: journal.select(tx, Filter(type="store.restored")))
    db.close()
    assert entry.actor.startswith("human:")
    assert entry.payload is not None
    assert entry.payload["from"]["entries"] == 1  # type: ignore[index]
    assert entry.payload["left"] == {"entries": left[0], "head": left[1]}


def test_archives_come_back_and_the_key_of_this_machine_goes_on_signing(desk: Desk) -> None:
    desk.paths.audit.mkdir(exist_ok=True)
    (desk.paths.audit / "1-200.jsonl").write_bytes(b"sealed")
    (desk.paths.audit / "signing.key").touch(mode=0o600)
    (desk.paths.audit / "signing.key").write_bytes(b"secret")
    source = backup(desk)
    assert b"secret" not in source.read_bytes()
    (desk.paths.audit / "1-200.jsonl").unlink()
    restore(desk, source)
    assert (desk.paths.audit / "1-200.jsonl").read_bytes() == b"sealed"
    assert (desk.paths.audit / "signing.key").read_bytes() == b"secret"
    assert (desk.paths.audit / "signing.key").stat().st_mode & 0o077 == 0


def test_a_dry_run_checks_everything_and_changes_nothing(desk: Desk) -> None:
    desk.ask("fabric.publish", kind="note", summary="before")
    source = backup(desk)
    desk.db.close()
    before = state_of(desk.paths)
    done = restore(desk, source, dry_run=True)
    assert done.aside is None
    assert state_of(desk.paths) == before


def test_an_older_store_is_brought_up_and_a_newer_one_is_refused_in_words(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.ask("fabric.publish", kind="note", summary="before")
    old = backup(desk)
    more = [*shipped(), Migration(9_000, "later", "CREATE TABLE later (x INTEGER) STRICT;")]
    monkeypatch.setattr(migrate, "shipped", lambda engine="sqlite": more)
    assert restore(desk, old).incoming.migrated
    new = upkeep.backup(
        desk.paths, desk.loaded, desk.paths.checkout.parent / "new.tar", clock=desk.clock, progress=silent
    ).path
    monkeypatch.undo()
    with pytest.raises(PermanentError, match="schema 9000") as caught:
        restore(desk, new)
    assert caught.value.code == "FLT-STO-012"


def test_a_backup_of_another_fleet_is_refused_unless_forced(desk: Desk, tmp_path: Path) -> None:
    desk.ask("fabric.publish", kind="note", summary="ours")
    other = Desk(tmp_path / "other")
    other.ask("fabric.publish", kind="note", summary="theirs")
    foreign = backup(other)
    other.close()
    assert refused(desk, foreign) == "FLT-KEP-014"
    assert restore(desk, foreign, force=True).aside is not None


def test_a_damaged_present_does_not_stand_in_the_way(desk: Desk) -> None:
    desk.ask("fabric.publish", kind="note", summary="before")
    source = backup(desk)
    desk.db.close()
    desk.paths.database.write_bytes(b"this was a database once" * 1000)
    done = restore(desk, source)
    assert done.incoming.abandoned is None
    db = reopened(desk.paths)
    assert verify_journal(db).ok
    db.close()


def test_it_works_under_another_path_and_for_another_host(desk: Desk, tmp_path: Path) -> None:
    number = desk.ticket("Do it", "ready")
    _, _, head = desk.pushed("developer", number)
    source = backup(desk)
    elsewhere = tmp_path / "elsewhere"
    git(tmp_path, "clone", "--quiet", str(desk.paths.checkout), str(elsewhere / "repo"))
    env = {"XDG_STATE_HOME": str(elsewhere / "state"), "XDG_RUNTIME_DIR": str(elsewhere / "run")}
    paths = fleet_paths(elsewhere / "repo", env, os.getuid())
    assert paths.fleet_id != desk.paths.fleet_id
    done = restore(desk, source, paths=paths)
    assert done.aside is None
    assert git(paths.bare, "rev-parse", f"fleet/{number}") == head


def test_a_checkout_without_common_history_is_refused(desk: Desk, tmp_path: Path) -> None:
    desk.ask("fabric.publish", kind="note", summary="ours")
    source = backup(desk)
    stranger = make_checkout(tmp_path / "stranger" / "repo")
    commit(stranger, {"else.txt": "another story\n"})
    git(stranger, "checkout", "--quiet", "--orphan", "fresh")
    commit(stranger, {"new.txt": "a beginning\n"})
    git(stranger, "branch", "--force", "main", "fresh")
    env = {"XDG_STATE_HOME": str(tmp_path / "s"), "XDG_RUNTIME_DIR": str(tmp_path / "r")}
    with pytest.raises(Conflict) as caught:
        restore(desk, source, paths=fleet_paths(stranger, env, os.getuid()))
    assert caught.value.code == "FLT-KEP-014"


def test_a_store_that_is_not_the_manifests_or_refs_that_are_missing_are_refused(desk: Desk, tmp_path: Path) -> None:
    made = upkeep.backup(desk.paths, desk.loaded, tmp_path / "b.tar", clock=desk.clock, progress=silent)
    parts = tmp_path / "parts"
    parts.mkdir()
    archive.read(made.path, parts)
    sources = {part.name: parts / part.name for part in made.manifest.parts}
    lies = replace(made.manifest, refs={**made.manifest.refs, "refs/heads/gone": "0" * 40})
    archive.write(tmp_path / "lies.tar", lies, sources)
    assert refused(desk, tmp_path / "lies.tar") == "FLT-KEP-011"
    older = replace(made.manifest, entries=made.manifest.entries + 1)
    archive.write(tmp_path / "older.tar", older, sources)
    assert refused(desk, tmp_path / "older.tar") == "FLT-KEP-011"
    (parts / "repo.bundle").write_bytes(b"no bundle")
    with pytest.raises(FleetError) as caught:
        unbundle(parts / "repo.bundle", tmp_path / "new.git", "main", made.manifest.refs)
    assert caught.value.code == "FLT-KEP-011"


def test_no_room_on_the_disk_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    source = backup(desk)
    desk.loaded = replace(
        desk.loaded,
        config=desk.loaded.config.model_copy(
            update={"keeping": desk.loaded.config.keeping.model_copy(update={"low_disk_mb": 10**9})}
        ),
    )
    with pytest.raises(Refused) as caught:
        restore(desk, source)
    assert caught.value.code == "FLT-KEP-003"
    desk.close()


def test_a_running_daemon_another_restore_and_another_keeper_are_not_disturbed(desk: Desk) -> None:
    source = backup(desk)
    with take(desk.paths.daemon_lock, "a daemon", code="FLT-DMN-010"):
        with pytest.raises(Conflict, match=f"pid {os.getpid()}") as caught:
            restore(desk, source)
        assert caught.value.code == "FLT-KEP-015"
        assert restore(desk, source, dry_run=True).dry_run, "looking is allowed"
    with take(gate_of(desk.paths), "a restore", code="FLT-KEP-017"), pytest.raises(Conflict) as caught:
        restore(desk, source)
    assert caught.value.code == "FLT-KEP-017"
    with keeping(desk.paths.state), pytest.raises(Conflict) as caught:
        restore(desk, source)
    assert caught.value.code == "FLT-KEP-019"


def test_sessions_that_still_work_without_a_daemon_are_not_pulled_from_under(desk: Desk) -> None:
    source = backup(desk)
    folder = desk.paths.runs / "r0-e1"
    folder.mkdir()
    me = {"pid": os.getpid(), "start": proctree.start_time(os.getpid()), "boot": proctree.boot_id()}
    records.write(str(folder), records.STARTED, me)
    assert refused(desk, source) == "FLT-KEP-016"
    shutil.rmtree(folder)
    assert restore(desk, source).aside is not None


def test_whatever_goes_wrong_while_preparing_leaves_nothing_behind(desk: Desk) -> None:
    source = backup(desk)

    def fail(name: str) -> None:
        if name == "restore.prepared":
            raise PermanentError("FLT-STO-007", "the disk failed")

    install(fail)
    try:
        assert refused(desk, source) == "FLT-STO-007"
    finally:
        install(None)
