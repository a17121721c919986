"""The real daemon, killed with signal 9 in the middle of a change or a reload: the old file or the new one.

The supervisor starts the next daemon, which reads what lies there; the journal tells which it was and whose.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleet.config.configfile import digest_of
from fleet.config.paths import FleetPaths
from fleet.config.together import NOTE
from fleet.core.errors import Unreachable
from fleet.daemon.supervisor import start_detached, stop
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.ownroles import bring_role
from fleet.testing.waiting import PATIENCE

CONFIG_PLACES = ["config.intended@1", "config.written@1", "config.accepted@1"]
EDIT = {"op": "set", "key": "max_concurrent", "value": 2}


@contextmanager
def dying_fleet(place: str) -> Iterator[tuple[FleetPaths, Path]]:
    """A supervised fleet whose first daemon dies at ``place``, and the file that says it did."""
    with fleet_in() as paths:
        note = paths.checkout.parent / "died"
        start_detached(paths, supervised=True, program=(sys.executable, "-m", "fleet.testing.crash", place, str(note)))
        try:
            yield paths, note
        finally:
            stop(paths)


@pytest.mark.crash
@pytest.mark.timeout(120)
@pytest.mark.sampled(3)
@pytest.mark.parametrize("place", CONFIG_PLACES)
def test_a_change_survives_a_kill_at(place: str) -> None:
    with dying_fleet(place) as (paths, note):
        old = paths.config.read_bytes()
        with pytest.raises(Unreachable):
            ask(paths, "config.change", {"edits": [EDIT], "reason": "less load"})
        assert note.exists(), "the daemon never came to this point"
        status = ask(paths, "status", patience=PATIENCE)
        reached = not place.startswith("config.intended")
        now = paths.config.read_bytes()
        assert now == (old.replace(b"max_concurrent: 4", b"max_concurrent: 2") if reached else old)
        assert status["config"]["hash"] == digest_of(now)
        assert sorted(path.name for path in paths.config.parent.glob(".config*")) == []
        accepted = ask(paths, "log", {"type": "config.accepted"})["entries"]
        assert len(accepted) == (2 if reached else 1)
        assert len(ask(paths, "log", {"type": "config.change_intended"})["entries"]) == 1
        assert len(ask(paths, "log", {"type": "config.change_abandoned"})["entries"]) == (0 if reached else 1)
        assert ask(paths, "audit.verify")["ok"]


@pytest.mark.long
@pytest.mark.crash
@pytest.mark.timeout(120)
def test_a_reload_survives_a_kill_before_anybody_works_by_it() -> None:
    with dying_fleet("config.accepted@1") as (paths, note):
        paths.config.write_text(paths.config.read_text().replace("max_concurrent: 4", "max_concurrent: 2"))
        with pytest.raises(Unreachable):
            ask(paths, "config.reload")
        assert note.exists()
        assert ask(paths, "status", patience=PATIENCE)["config"]["hash"] == digest_of(paths.config.read_bytes())
        assert len(ask(paths, "log", {"type": "config.accepted"})["entries"]) == 2


TOGETHER_PLACES = ["config.noted@1", "config.brought@1", "config.brought@2"]


@pytest.mark.crash
@pytest.mark.timeout(120)
@pytest.mark.sampled(3)
@pytest.mark.parametrize("place", TOGETHER_PLACES)
def test_a_rollback_of_several_files_survives_a_kill_at(place: str) -> None:
    """From the note on it is all the old configuration for everybody, its role files included, whoever dies."""
    with dying_fleet(place) as (paths, note):
        first = paths.config.read_bytes()
        role = bring_role(paths.config.parent)
        ask(paths, "config.change", {"edits": [EDIT], "reason": "less load"})
        with pytest.raises(Unreachable):
            ask(paths, "config.rollback", {"revision": 1, "reason": "as it was"})
        assert note.exists(), "the daemon never came to this point"
        status = ask(paths, "status", patience=PATIENCE)
        assert (paths.config.read_bytes(), role.exists()) == (first, False)
        assert status["config"]["hash"] == digest_of(first)
        assert not (paths.config.parent / NOTE).exists()
        assert ask(paths, "log", {"type": "config.accepted"})["entries"][-1]["payload"]["reason"] == "as it was"
        assert ask(paths, "audit.verify")["ok"]
