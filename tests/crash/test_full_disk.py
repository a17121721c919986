"""The whole daemon on a small file system of its own that fills up: it waits, keeps what it said, and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from fleet.config.paths import FleetPaths
from fleet.core.errors import FleetError
from fleet.daemon.supervisor import start_detached, stop
from fleet.process import run
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.waiting import wait_until

SIZE = "40m"
LIMITS = "keeping:\n  low_disk_mb: 8\n  low_disk_percent: 0\n"
PIECE = b"\0" * 65536


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of a few MB over ``folder``; skips the test where this user may not mount one."""
    mounted = run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", str(folder)], timeout=20)
    if not mounted.ok:
        pytest.skip(f"NOT TESTED: no small file system can be mounted here: {mounted.error_text}")
    try:
        yield
    finally:
        run(["umount", "--lazy", str(folder)], timeout=20)


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
                stop(paths, 20)


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
        held = wait_until(lambda: ask(paths, "status")["held"], timeout=30, what="the start to be held")
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
            lambda: ask(paths, "log", {"type": "ticket_shipped"})["entries"], timeout=90, what="the chain to go on"
        )
        assert len(shipped) == 1
        assert ask(paths, "ping")["pid"] == pid, "no restart was needed"
        stored = {entry["id"] for entry in ask(paths, "fabric.history", {"limit": 10_000, "event": "note"})["entries"]}
        assert set(acknowledged) <= stored
        assert ask(paths, "audit.verify")["ok"]
        assert ask(paths, "status")["disk"]["low"] is False
