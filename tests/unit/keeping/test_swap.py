"""The two renames of a restore, interrupted before, between and after: the old state or the new one, never half."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config.paths import FleetPaths
from fleet.core.errors import PermanentError
from fleet.core.probe import install
from fleet.keeping.swap import marker_of, settle, swap


class Killed(Exception):
    """Stands for the kill."""


@pytest.fixture
def paths(tmp_path: Path) -> FleetPaths:
    """A state folder with one file that says old."""
    found = FleetPaths(tmp_path / "repo", "repo-1234567890", tmp_path / "fleet" / "repo-1234567890", tmp_path / "run")
    found.state.mkdir(parents=True)
    (found.state / "which").write_text("old")
    return found


def incoming(paths: FleetPaths) -> Path:
    """A prepared folder with one file that says new."""
    folder = paths.state.with_name(f".{paths.fleet_id}.incoming-x")
    folder.mkdir()
    (folder / "which").write_text("new")
    return folder


def killed_at(paths: FleetPaths, point: str) -> None:
    """A swap that ends at a point."""

    def visit(name: str) -> None:
        if name == point:
            raise Killed

    install(visit)
    try:
        with pytest.raises(Killed):
            swap(paths, incoming(paths), "x")
    finally:
        install(None)


def here(paths: FleetPaths) -> dict[str, str]:
    """Which state lies in which folder."""
    return {file.parent.name: file.read_text() for file in paths.state.parent.glob("*/which")}


def test_the_new_state_takes_the_place_and_the_old_one_is_kept(paths: FleetPaths) -> None:
    aside = swap(paths, incoming(paths), "x")
    assert here(paths) == {paths.fleet_id: "new", f"{paths.fleet_id}.before-restore-x": "old"}
    assert aside == paths.state.with_name(f"{paths.fleet_id}.before-restore-x")
    assert not marker_of(paths).exists()


@pytest.mark.parametrize(
    ("point", "said", "state"),
    [
        ("restore.marked", "rolled back", "old"),
        ("restore.moved_aside", "finished", "new"),
        ("restore.swapped", "finished", "new"),
    ],
)
def test_a_kill_between_any_two_steps_is_settled(paths: FleetPaths, point: str, said: str, state: str) -> None:
    killed_at(paths, point)
    assert settle(paths) == said
    found = here(paths)
    assert found.pop(paths.fleet_id) == state
    assert sorted(found.values()) == (["old"] if state == "new" else [])
    assert settle(paths) == "", "settling twice changes nothing"
    assert not [path for path in paths.state.parent.iterdir() if path.name.startswith(".")]


def test_a_first_restore_without_a_present_state_is_settled_too(paths: FleetPaths) -> None:
    (paths.state / "which").unlink()
    paths.state.rmdir()
    killed_at(paths, "restore.moved_aside")
    assert settle(paths) == "finished"
    assert here(paths) == {paths.fleet_id: "new"}


def test_a_prepared_folder_that_nobody_meant_to_use_is_removed(paths: FleetPaths) -> None:
    folder = incoming(paths)
    assert settle(paths) == ""
    assert not folder.exists()


@pytest.mark.parametrize("text", ["", "[]", '{"incoming": "../../etc", "aside": "x"}', '{"incoming": 7}'])
def test_a_damaged_marker_is_left_to_a_person(paths: FleetPaths, text: str) -> None:
    marker_of(paths).write_text(text)
    with pytest.raises(PermanentError) as caught:
        settle(paths)
    assert caught.value.code == "FLT-KEP-018"
    assert here(paths) == {paths.fleet_id: "old"}


def test_folders_that_no_step_leaves_so_are_left_to_a_person(paths: FleetPaths) -> None:
    killed_at(paths, "restore.moved_aside")
    (paths.state.with_name(f".{paths.fleet_id}.incoming-x") / "which").unlink()
    paths.state.with_name(f".{paths.fleet_id}.incoming-x").rmdir()
    with pytest.raises(PermanentError) as caught:
        settle(paths)
    assert caught.value.code == "FLT-KEP-018"


def test_two_restores_within_one_second_keep_both_old_states(paths: FleetPaths) -> None:
    first = swap(paths, incoming(paths), "x")
    second = swap(paths, incoming(paths), "x")
    assert first != second
    assert sorted(here(paths).values()) == ["new", "new", "old"]
    assert not marker_of(paths).exists()
