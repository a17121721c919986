"""kill -9 during a migration, a backup, a restore, a clearing away: the old state or the new one, never half."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleet.audit.verify import verify_journal
from fleet.config.paths import FleetPaths
from fleet.core.clock import SECOND
from fleet.core.errors import FleetError, Unreachable
from fleet.daemon.supervisor import start_detached, stop
from fleet.keeping.swap import marker_of
from fleet.process import Completed, run
from fleet.store import journal
from fleet.store.db import Tx
from fleet.store.migrate import migrate, shipped
from fleet.store.open import open_for_daemon
from fleet.store.sqlite import SqliteEngine
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.repos import git
from fleet.testing.shell import Shell
from fleet.testing.waiting import PATIENCE, wait_until

# A restore that is killed here, and the state that the next `fleet up` finds: what was written after the backup is
# there (old) or not (new).
RESTORES = {
    "restore.prepared@1": "old",
    "restore.marked@1": "old",
    "restore.moved_aside@1": "new",
    "restore.swapped@1": "new",
}
MIGRATIONS = (
    "migrate.backed_up@1",
    "migrate.backed_up@2",
    "migrate.before_commit@1",
    "migrate.before_commit@2",
)
BACKUPS = ("backup.written@1",)
CLEARINGS = ("gc.planned@1", "gc.moved@1", "gc.moved@2", "gc.acted@1", "gc.acted@3")

COMMAND = """
import sys
from pathlib import Path
from fleet.cli.entry import main
from fleet.core import probe
from fleet.testing.crash import killer
point, ordinal = sys.argv[1].split("@")
probe.install(killer(point, int(ordinal), Path(sys.argv[2])))
sys.exit(main(["fleet", *sys.argv[3:]]))
"""
MIGRATE = """
import sys
from pathlib import Path
from fleet.core import probe
from fleet.store.open import open_for_daemon
from fleet.testing.crash import killer
point, ordinal = sys.argv[1].split("@")
probe.install(killer(point, int(ordinal), Path(sys.argv[2])))
open_for_daemon(Path(sys.argv[3])).close()
"""


def killed(paths: FleetPaths, point: str, *words: str) -> Completed:
    """A command that dies at a point."""
    note = paths.checkout.parent / "died"
    note.unlink(missing_ok=True)
    done = run(
        [sys.executable, "-c", COMMAND, point, note, *words], timeout=PATIENCE, cwd=paths.checkout, env=os.environ
    )
    assert done.code == -signal.SIGKILL, f"it never came to {point}: {done.text}{done.error_text}"
    assert note.read_text().startswith(point)
    return done


@contextmanager
def up(paths: FleetPaths) -> Iterator[None]:
    """A daemon for a while."""
    start_detached(paths, supervised=True)
    try:
        yield
    finally:
        stop(paths)


def notes(paths: FleetPaths) -> set[str]:
    """What was published."""
    return {str(entry["summary"]) for entry in ask(paths, "fabric.history", {"event": "note"})["entries"]}


@pytest.fixture(scope="module")
def fleet() -> Iterator[tuple[FleetPaths, Path]]:
    """A fleet that is down, with a note from before its backup and one from after it."""
    with fleet_in() as paths:
        shell = Shell(paths.checkout, {})
        with up(paths):
            ask(paths, "fabric.publish", {"kind": "note", "summary": "before"})
            source = Path(shell.answer("backup", str(paths.checkout.parent / "b.tar"))["path"])
            ask(paths, "fabric.publish", {"kind": "note", "summary": "after"})
        yield paths, source


@pytest.mark.crash
@pytest.mark.tmux
@pytest.mark.timeout(120)
@pytest.mark.sampled(4)
@pytest.mark.parametrize("point", RESTORES)
def test_a_restore_that_is_killed_leaves_the_old_state_or_the_new_one(
    fleet: tuple[FleetPaths, Path], point: str
) -> None:
    paths, source = fleet
    with up(paths):  # each kill begins at a state with something to lose
        ask(paths, "fabric.publish", {"kind": "note", "summary": "after"})
    killed(paths, point, "restore", str(source))
    doctor = Shell(paths.checkout, {}).fleet("doctor", "--json")
    assert ("left.restore" in doctor.text) is (point != "restore.prepared@1")
    with up(paths):
        expected = {"old": {"before", "after"}, "new": {"before"}}[RESTORES[point]]
        assert notes(paths) == expected
        assert ask(paths, "audit.verify")["ok"]
        restored = ask(paths, "log", {"type": "store.restored"})["entries"]
        assert len(restored) <= 1
        assert bool(restored) is (RESTORES[point] == "new") or "after" in expected
    assert not marker_of(paths).exists()
    assert not list(paths.state.parent.glob(".*incoming*"))
    assert Shell(paths.checkout, {}).fleet("restore", str(source)).ok, "and again, to the end"


@pytest.mark.crash
@pytest.mark.tmux
@pytest.mark.timeout(120)
@pytest.mark.parametrize("point", BACKUPS)
def test_a_backup_that_is_killed_leaves_no_file_that_looks_like_one(
    fleet: tuple[FleetPaths, Path], point: str, tmp_path: Path
) -> None:
    paths, _ = fleet
    killed(paths, point, "backup", str(tmp_path))
    assert not list(tmp_path.glob("*.tar"))
    made = json.loads(Shell(paths.checkout, {}).fleet("backup", str(tmp_path), "--json").text)
    assert made["ok"]
    assert [path.name for path in tmp_path.iterdir()] == [Path(made["path"]).name], "the rest was cleared away"


def age_everything(paths: FleetPaths) -> None:
    """A year passes for every run and pull request."""
    year = 365 * 86_400 * SECOND

    def change(tx: Tx) -> None:
        tx.run("UPDATE runs SET finished_at = finished_at - :year", year=year)
        tx.run("UPDATE forge_pulls SET updated_at = updated_at - :year", year=year)

    db = open_for_daemon(paths.database)
    db.write(change)
    db.close()


def cleared(paths: FleetPaths) -> bool:
    """Ask until a pass leaves nothing that could go; the first answer may not come."""
    try:
        found = ask(paths, "gc.run", patience=PATIENCE)
    except Unreachable:
        return False
    return not found["removed"] and not found["left"]


@pytest.mark.crash
@pytest.mark.tmux
@pytest.mark.timeout(120)
@pytest.mark.sampled(5)
@pytest.mark.parametrize("point", CLEARINGS)
def test_a_clearing_away_that_is_killed_is_finished_and_takes_nothing_that_is_needed(point: str) -> None:
    with fleet_in() as paths:
        with up(paths):
            ask(paths, "ticket.create", {"title": "Greet the user", "labels": ["ready"]})
            wait_until(
                lambda: ask(paths, "log", {"type": "ticket_shipped"})["entries"] and not ask(paths, "ps")["runs"],
                what="the ticket to be shipped",
            )
            head = ask(paths, "pr.show", {"number": 2})["pr"]["merged_head"]
        age_everything(paths)
        before = {path.name for path in paths.runs.glob("*-e*")}
        assert before
        note = paths.checkout.parent / "died"
        program = (sys.executable, "-m", "fleet.testing.crash", point, str(note))
        start_detached(paths, supervised=True, program=program)
        try:
            wait_until(lambda: cleared(paths), what="everything that may go to be gone")
            assert note.exists(), f"it never came to {point}"
            assert ask(paths, "audit.verify")["ok"]
            assert ask(paths, "gc.plan")["goes"] == []
            assert ask(paths, "log", {"type": "gc.done"})["entries"]
            for alarm in ("branch.unexplained", "base.unexplained"):
                assert ask(paths, "log", {"type": alarm})["entries"] == []
            diff = ask(paths, "pr.diff", {"number": 2})["diff"]
        finally:
            stop(paths)
        assert list(paths.runs.iterdir()) == []
        assert git(paths.bare, "for-each-ref", "--format=%(refname)", "refs/heads/fleet", "refs/fleet/escrow") == ""
        assert git(paths.bare, "merge-base", head, "main") == head, "what was merged is there"
        assert diff
        assert git(paths.bare, "fsck", "--full", "--no-dangling") == ""


@pytest.mark.crash
@pytest.mark.parametrize("point", MIGRATIONS)
def test_a_migration_that_is_killed_leaves_one_schema_or_the_next_and_is_finished(tmp_path: Path, point: str) -> None:
    path = tmp_path / "fleet.db"
    migrate(SqliteEngine(path), backups=tmp_path / "backups", migrations=shipped()[:1])
    note = tmp_path / "died"
    done = run([sys.executable, "-c", MIGRATE, point, note, path], timeout=PATIENCE, env=os.environ)
    assert done.code == -signal.SIGKILL, done.error_text

    connection = SqliteEngine(path).connect(read_only=True)
    numbers = [row[0] for row in connection.rows("SELECT number FROM schema_version ORDER BY number", {})]
    assert connection.rows("PRAGMA integrity_check", {}) == [("ok",)]
    connection.close()
    assert numbers == [item.number for item in shipped()[: len(numbers)]]

    db = open_for_daemon(path)
    assert verify_journal(db).ok
    assert db.read(journal.head)[0] == 0
    db.close()
    for copy in (tmp_path / "backups").glob("*.db"):
        kept = SqliteEngine(copy).connect(read_only=True)
        assert kept.rows("PRAGMA integrity_check", {}) == [("ok",)]
        kept.close()


def test_a_store_of_a_newer_program_is_not_touched_by_a_start(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    open_for_daemon(path).close()
    connection = SqliteEngine(path).connect(read_only=False)
    connection.run("INSERT INTO schema_version VALUES (9999, 'later', 'x', 1)", {})
    connection.close()
    before = path.read_bytes()
    with pytest.raises(FleetError) as caught:
        open_for_daemon(path)
    assert caught.value.code == "FLT-STO-012"
    assert path.read_bytes() == before
