"""Saved work has a bound; what does not fit is named, stays in the clone, and never takes the rest with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.process import run
from fleet.runtime.escrow import GIT_ENV, Saved, save
from fleet.runtime.escrowcap import MEGABYTE, Cap, split, told
from fleet.testing.runtime_contract import World, git

SESSION = "r1-e1"


def names(world: World) -> set[str]:
    """What the ref holds; it is there although not all could be saved."""
    return set(git(world.bare, "ls-tree", "-r", "--name-only", f"refs/fleet/escrow/{SESSION}").split())


def capped(world: World, clone: Path, size: int = MEGABYTE, files: int = 100) -> Saved:
    return save(clone, world.bare, SESSION, cap=Cap(size, files))


def test_a_huge_file_costs_only_itself(world: World, clone: Path) -> None:
    (clone / "small.txt").write_text("small\n")
    (clone / "huge.bin").write_bytes(b"x" * (MEGABYTE + 1))
    found = capped(world, clone)
    assert (found.ref, found.sha) == ("", ""), "not all is saved, so the clone stays"
    assert "1 file of 1.0 MB in all do not fit" in found.error
    assert "huge.bin (1.0 MB)" in found.error
    assert "(the rest is in refs/fleet/escrow/r1-e1)" in found.error
    assert "small.txt" in names(world)
    assert "huge.bin" not in names(world)
    assert (clone / "huge.bin").stat().st_size == MEGABYTE + 1


def test_a_sparse_file_counts_with_the_size_it_shows(world: World, clone: Path) -> None:
    with (clone / "sparse.img").open("wb") as file:
        file.truncate(1 << 40)
    (clone / "small.txt").write_text("small\n")
    found = capped(world, clone)
    assert "sparse.img" in found.error
    assert "small.txt" in names(world)


def test_more_files_than_the_bound_are_saved_up_to_it(world: World, clone: Path) -> None:
    for number in range(30):
        (clone / f"f{number:02}.txt").write_text("x" * number)
    found = capped(world, clone, files=10)
    assert "20 files of" in found.error
    assert "f29.txt" in found.error
    assert "and 15 more" in found.error
    assert {f"f{number:02}.txt" for number in range(10)} <= names(world)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_hundred_thousand_files_are_told_and_bounded(world: World, clone: Path) -> None:
    for folder in range(100):
        place = clone / "many" / str(folder)
        place.mkdir(parents=True)
        for number in range(1000):
            (place / str(number)).touch()
    found = save(clone, world.bare, SESSION, seconds=300, cap=Cap(MEGABYTE, 1000))
    assert "99000 files" in found.error
    assert sum(name.startswith("many/") for name in names(world)) == 1000


def test_a_change_to_a_tracked_file_that_does_not_fit_leaves_the_committed_one(world: World, clone: Path) -> None:
    tracked = git(world.bare, "ls-tree", "-r", "--name-only", "main").split()[0]
    before = git(world.bare, "show", f"main:{tracked}")
    (clone / tracked).write_bytes(b"y" * (2 * MEGABYTE))
    (clone / "gone-soon.txt").write_text("x")
    found = capped(world, clone)
    assert tracked in found.error
    assert git(world.bare, "show", f"refs/fleet/escrow/{SESSION}:{tracked}") == before


def test_a_deleted_file_is_deleted_in_what_is_saved_although_something_else_does_not_fit(
    world: World, clone: Path
) -> None:
    tracked = git(world.bare, "ls-tree", "-r", "--name-only", "main").split()[0]
    (clone / tracked).unlink()
    (clone / "huge.bin").write_bytes(b"x" * (MEGABYTE + 1))
    (clone / "small.txt").write_text("small\n")
    assert "huge.bin" in capped(world, clone).error
    assert tracked not in names(world)


def test_commits_that_are_too_large_stay_in_the_clone_whole(world: World, clone: Path) -> None:
    import_bytes = b"".join(bytes([number % 251]) + str(number).encode() for number in range(400_000))
    (clone / "huge.bin").write_bytes(import_bytes)
    for words in (("add", "-A"), ("commit", "--quiet", "-m", "huge")):
        assert run(["git", "-C", clone, *words], timeout=60, env={**GIT_ENV, "HOME": "/nonexistent"}).ok
    found = capped(world, clone, size=100_000)
    assert "what is committed in the clone takes" in found.error
    assert found.ref == ""
    assert (clone / "huge.bin").exists()


def test_what_is_within_the_bound_is_saved_whole(world: World, clone: Path) -> None:
    (clone / "a.txt").write_text("a\n")
    found = capped(world, clone)
    assert (found.error, found.ref) == ("", f"refs/fleet/escrow/{SESSION}")


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=4), st.integers(0, 1000)), unique_by=lambda one: one[0]),
    st.integers(0, 2000),
    st.integers(0, 10),
)
def test_nothing_is_lost_between_what_is_saved_and_what_is_told(
    sizes: list[tuple[bytes, int]], most: int, files: int
) -> None:
    cap = Cap(most, files)
    kept, left = split(sizes, cap)
    assert sorted([*kept, *(path for path, _ in left)]) == sorted(path for path, _ in sizes)
    known = dict(sizes)
    assert len(kept) <= files
    assert sum(known[path] for path in kept) <= most
    if left:
        assert f"{len(left)} file" in told(left, cap)
    assert bool(left) == (not cap.fits([size for _, size in sizes]))
