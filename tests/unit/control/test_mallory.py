"""The guard alone, asked about everything that Mallory tries: it decides as the published page says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.control.toolguard import ToolGuard
from fleet.core.work import Run
from fleet.store import runs
from fleet.testing.desk import Desk
from fleet.testing.mallory import ATTEMPTS, Attempt, filled_command

RESULTS = json.loads((Path(__file__).parents[2] / "claude" / "mallory.json").read_text("utf-8"))["attempts"]
NOT_OFFERED = "no such tool"  # the client does not even ask


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """The usual members."""
    made = Desk(tmp_path)
    yield made
    made.close()


def places_of(desk: Desk, run: Run) -> dict[str, str]:
    """What Mallory is handed."""
    state = desk.paths.state
    return {
        "pr": "3",
        "own": str(desk.paths.runs / run.session),
        "other": str(desk.paths.runs / "r2-e1"),
        "other_clone": str(desk.paths.clones / "r2-e1"),
        "other_name": "r2-e1",
        "other_pid": "4711",
        "daemon": "4712",
        "bare": str(desk.paths.bare),
        "database": str(desk.paths.database),
        "tmux": str(desk.paths.tmux_socket),
        "checkout": str(desk.paths.checkout),
        "home": str(state / "home"),
        "loot": str(state / "loot"),
        "door": "http://127.0.0.1:1",
        "canary": "http://127.0.0.1:2",
        "helper": "/home/x/print-key",
        "key": "a-key",
        "cwd": str(desk.paths.clones / run.session),
    }


def test_the_guard_decides_on_every_attempt_as_it_is_published(desk: Desk) -> None:
    who = desk.run("developer", f"ticket/{desk.ticket()}")
    clone = desk.clone(who, "fleet/1")
    run = desk.db.read(lambda tx: runs.get(tx, who.run_id))
    places, guard = places_of(desk, run), ToolGuard(desk.context)

    def code(one: Attempt) -> str:
        given = {"command": filled_command(one, places, f"mallory-{one.name}")} if one.command else dict(one.given)
        for name, place in places.items():
            given = {key: value.replace(f"{{{name}}}", place) if isinstance(value, str) else value
                     for key, value in given.items()}  # fmt: skip
        found, _ = guard.guarded(who, one.tool or "Bash", given, str(clone))
        return found.code if found is not None else ""

    said = {one.name: code(one) for one in ATTEMPTS}
    published = {name: row["tool"]["by"] for name, row in RESULTS.items()}
    wanted = {
        name: said[name] if by == NOT_OFFERED else by if by.startswith("FLT-GRD") else ""
        for name, by in published.items()
    }
    assert said == wanted


def test_every_attempt_is_published_and_nothing_was_merged_or_approved() -> None:
    assert set(RESULTS) == {one.name for one in ATTEMPTS}
    assert all(row["tool"]["result"] == "blocked" for name, row in RESULTS.items() if name in MUST_BE_BLOCKED)


# As tools of the client these hold whatever else changes; what a program may do inside is said on the page.
MUST_BE_BLOCKED = {one.name for one in ATTEMPTS} - {"control", "exfil", "notes"}
