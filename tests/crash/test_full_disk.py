"""The whole daemon on a small file system of its own that fills up: it waits, keeps what it said, and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.config.paths import FleetPaths
from fleet.core.errors import FleetError
from fleet.daemon import upkeep
from fleet.daemon.supervisor import start_detached, stop
from fleet.keeping.backup import silent
from fleet.process import run
from fleet.testing.desk import Desk
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.waiting import wait_until

SIZE = "40m"
LIMITS = "keeping:\n  low_disk_mb: 8\n  low_disk_percent: 0\n"
PIECE = b"\0" * 65536


@contextmanager
def small_disk(folder: Path, size: str = SIZE) -> Iterator[None]:
    """A small file system over ``folder``; skips the test where this user may not mount one."""
    mounted = run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)], timeout=60)
    if not mounted.ok:
        pytest.skip(f"NOT TESTED: no small file system can be mounted here: {mounted.error_text}")
    try:
        yield
    finally:
        run(["umount", "--lazy", str(folder)], timeout=60)


@contextmanager
def fleet_on_a_small_disk() -> Iterator[FleetPaths]:
    """A supervised fleet whose state folder is on the small disk."""
    with fleet_in() as paths:
        text = paths.config.read_text()
        paths.config.write_text(f"{text}\n{LIMITS}")
        with small_disk(paths.state.parent.parent):
            start_detached(paths, supervised=True)
            try:
                yield paths
            finally:
                stop(paths)


def fill(ballast: Path, leave: int = 0) -> None:
    """Write until the disk is full, then give ``leave`` bytes back."""
    with ballast.open("ab", buffering=0) as file:
        with suppress(OSError):
            while file.write(PIECE) == len(PIECE):
                pass
        if leave:
            file.truncate(max(0, ballast.stat().st_size - leave))


def publish_until_refused(paths: FleetPaths) -> tuple[list[str], FleetError]:
    """Ids that the daemon acknowledged, and what it said when it could not go on."""
    acknowledged: list[str] = []
    for number in range(2_000):
        args = {"kind": "note", "summary": f"note {number}", "payload": f'{{"text": "{"x" * 20_000}"}}'}
        try:
            acknowledged.append(str(ask(paths, "fabric.publish", args)["id"]))
        except FleetError as error:
            return acknowledged, error
    raise AssertionError("the disk never became full")


@pytest.mark.crash
@pytest.mark.tmux
@pytest.mark.timeout(180)
def test_a_full_disk_stops_starts_keeps_what_was_acknowledged_and_ends_by_itself() -> None:
    with fleet_on_a_small_disk() as paths:
        pid = ask(paths, "ping")["pid"]
        ballast = paths.state.parent / "ballast"
        fill(ballast, leave=5_000_000)
        assert ask(paths, "status")["disk"]["low"] is True

        ask(paths, "ticket.create", {"title": "Greet the user", "labels": ["ready"]})
        held = wait_until(lambda: ask(paths, "status")["held"], what="the start to be held")
        assert "8 MB" in held[0]["reason"]
        assert ask(paths, "ps", {"all": True})["runs"] == []

        acknowledged, refusal = publish_until_refused(paths)
        assert refusal.code == "FLT-STO-008", str(refusal)
        fill(ballast)
        assert ask(paths, "ping")["pid"] == pid, "reading goes on, in the same process"
        with pytest.raises(FleetError) as caught:
            ask(paths, "fabric.publish", {"kind": "note", "summary": "x", "payload": f'{{"text": "{"y" * 20_000}"}}'})
        assert caught.value.code == "FLT-STO-008"

        ballast.unlink()
        shipped = wait_until(
            lambda: ask(paths, "log", {"type": "ticket_shipped"})["entries"], what="the chain to go on"
        )
        assert len(shipped) == 1
        assert ask(paths, "ping")["pid"] == pid, "no restart was needed"
        stored = {entry["id"] for entry in ask(paths, "fabric.history", {"limit": 10_000, "event": "note"})["entries"]}
        assert set(acknowledged) <= stored
        assert ask(paths, "audit.verify")["ok"]
        assert ask(paths, "status")["disk"]["low"] is False


@pytest.mark.crash
def test_a_disk_that_becomes_full_while_a_backup_is_written_or_unpacked_is_said_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    """What was measured before may be wrong by the time it is written."""
    desk = Desk(tmp_path / "desk", keeping={"low_disk_mb": 1, "low_disk_percent": 0})
    for number in range(20):
        desk.ask("fabric.publish", kind="note", summary=f"note {number}", payload=f'{{"text": "{"x" * 30_000}"}}')
    source = upkeep.backup(desk.paths, desk.loaded, tmp_path / "b.tar", clock=desk.clock, progress=silent).path
    small = tmp_path / "small"
    small.mkdir()
    with small_disk(small, size="4m"):
        used = small / "used"

        def use_it_up(what: str, _done: int, _all: int) -> None:
            if what in ("copying the repository", "unpacking"):
                fill(used, leave=200_000)

        with pytest.raises(FleetError) as caught:
            upkeep.backup(desk.paths, desk.loaded, small / "b.tar", clock=desk.clock, progress=use_it_up)
        assert caught.value.code == "FLT-KEP-003", str(caught.value)
        assert [path.name for path in small.iterdir()] == ["used"]
        used.unlink()

        elsewhere = replace(desk.paths, state=small / "state")
        with pytest.raises(FleetError) as caught:
            upkeep.restore(
                elsewhere, desk.loaded, source, clock=desk.clock, dry_run=False, force=False, progress=use_it_up
            )
        assert caught.value.code == "FLT-KEP-003", str(caught.value)
        assert sorted(path.name for path in small.iterdir()) == [f".{desk.paths.fleet_id}.gate", "used"]
    desk.close()
