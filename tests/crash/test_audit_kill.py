"""The daemon is killed with signal 9 while it archives or replaces its key: the old state or the new, never half."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fleet.audit.exported import verify_files
from fleet.config.paths import FleetPaths
from fleet.core.errors import FleetError
from fleet.daemon.supervisor import start_detached, stop
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.waiting import PATIENCE, wait_until

pytestmark = [pytest.mark.crash, pytest.mark.tmux]

ARCHIVE_PLACES = ["archive.written@1", "archive.sealed@1"]
ROTATE_PLACES = ["rotate.written@1", "rotate.recorded@1"]


@contextmanager
def dying(place: str) -> Iterator[tuple[FleetPaths, Path]]:
    """A supervised fleet with two dozen entries that may be archived at once; its first daemon dies at ``place``."""
    with fleet_in() as paths:
        with paths.config.open("a") as config:
            config.write("audit:\n  keep_days: 0\n")
        note = paths.checkout.parent / "died"
        start_detached(paths, supervised=True, program=(sys.executable, "-m", "fleet.testing.crash", place, str(note)))
        try:
            for number in range(20):
                ask(paths, "fabric.publish", {"event": "note", "summary": f"remark {number}"})
            wait_until(lambda: waits_for_nothing(paths), what="the router to pass everything")
            yield paths, note
        finally:
            stop(paths)


def waits_for_nothing(paths: FleetPaths) -> bool:
    """Whether all that was published could go into an archive."""
    with suppress(FleetError):
        return bool(ask(paths, "audit.archive", {"keep": 1, "dry_run": True})["last"] > 20)
    return False


def archived(paths: FleetPaths, file: str) -> dict[str, Any]:
    """What an archive of all but the newest entry came to; nothing while there is nothing to put into it yet."""
    with suppress(FleetError):
        return ask(paths, "audit.archive", {"keep": 1, "file": file})
    return {}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("place", ARCHIVE_PLACES)
def test_an_archive_is_made_whole_or_not_at_all(place: str) -> None:
    with dying(place) as (paths, note):
        file = paths.checkout.parent / "one.jsonl"
        with pytest.raises(FleetError):
            ask(paths, "audit.archive", {"keep": 3, "file": str(file)})
        assert note.exists()
        found = ask(paths, "audit.verify", patience=PATIENCE)
        assert found["ok"], found
        seals = ask(paths, "audit.checkpoints")["archives"]
        assert verify_files([file]).entries > 0  # a file that has its name is whole
        remarks = ask(paths, "log", {"type": "note", "limit": 100})["entries"]
        if place == "archive.written@1":
            assert seals == []
            assert len(remarks) == 20
        else:
            assert [seal["file"] for seal in seals] == [str(file)]
            assert len(remarks) < 20
        for number in range(5):
            ask(paths, "fabric.publish", {"event": "note", "summary": f"after the restart {number}"})
        again = wait_until(lambda: archived(paths, f"{file}2"), what="the rest to be dealt with and archived")
        files = [str(file), f"{file}2"] if seals else [f"{file}2"]
        assert ask(paths, "audit.verify_files", {"files": files})["ok"]
        assert ask(paths, "audit.verify")["ok"]
        assert again["removed"] > 0


@pytest.mark.sampled(2)
@pytest.mark.parametrize("place", ROTATE_PLACES)
def test_a_key_is_replaced_or_stays(place: str) -> None:
    with dying(place) as (paths, note):
        before = ask(paths, "audit.key")["public"]
        with pytest.raises(FleetError):
            ask(paths, "audit.rotate_key", {"reason": "a test"})
        assert note.exists()
        after = ask(paths, "audit.key", patience=PATIENCE)["public"]
        assert (after == before) == (place == "rotate.written@1")
        ask(paths, "audit.checkpoint")
        found = ask(paths, "audit.verify", {"key": before})
        assert found["ok"], found
        assert found["checkpoints"]["public"] == after
        assert found["remarks"] == []


@pytest.mark.long
def test_a_checkpoint_that_was_signed_but_not_kept_is_made_anew() -> None:
    """The first visit is the one that every start of a daemon makes."""
    with dying("checkpoint.signed@2") as (paths, note):
        with pytest.raises(FleetError):
            ask(paths, "audit.checkpoint")
        assert note.exists()
        assert ask(paths, "audit.verify", patience=PATIENCE)["ok"]
        ask(paths, "audit.checkpoint")
        found = ask(paths, "audit.verify")
        assert (found["ok"], found["checkpoints"]["unsigned"]) == (True, 0)
        assert found["checkpoints"]["anchored"] == found["checkpoints"]["count"]
