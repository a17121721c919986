"""A clone is made whole or not at all, in its one folder, and removed only once its work is saved."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fleet.core.errors import PermanentError
from fleet.process import run
from fleet.runtime.clone import make_clone, remove_clone
from fleet.runtime.escrow import GIT_ENV, save
from fleet.testing.runtime_contract import IDENTITY, World, git

SESSION = "r1-e1"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world")


def make(world: World, branch: str = "fleet/1", base: str = "main", session: str = SESSION) -> Path:
    target = world.clones / session
    make_clone(world.bare, target, branch, base, IDENTITY)
    return target


def push(world: World, clone: Path, branch: str) -> str:
    """What the forge does: bring the clone's commit into the bare repository."""
    git(world.bare, "fetch", "--quiet", str(clone), f"+HEAD:refs/heads/{branch}")
    return git(clone, "rev-parse", "HEAD")


def test_a_new_branch_begins_at_the_base(world: World) -> None:
    clone = make(world)
    assert git(clone, "symbolic-ref", "--short", "HEAD") == "fleet/1"
    assert git(clone, "rev-parse", "HEAD") == git(world.bare, "rev-parse", "main")
    assert (clone / "README").read_text() == "a program\n"
    assert git(clone, "status", "--porcelain") == ""


def test_a_branch_that_was_pushed_is_continued(world: World) -> None:
    first = make(world)
    (first / "work.txt").write_text("work\n")
    git(first, "add", "work.txt")
    git(first, "commit", "--quiet", "-m", "work")
    head = push(world, first, "fleet/1")
    second = make(world, session="r2-e1")
    assert git(second, "rev-parse", "HEAD") == head
    assert git(second, "symbolic-ref", "--short", "HEAD") == "fleet/1"


def test_a_clone_can_begin_at_a_commit(world: World) -> None:
    sha = git(world.bare, "rev-parse", "main")
    assert git(make(world, base=sha), "rev-parse", "HEAD") == sha


def test_commits_carry_the_agents_identity(world: World) -> None:
    clone = make(world)
    (clone / "work.txt").write_text("work\n")
    git(clone, "add", "work.txt")
    env = {name: value for name, value in GIT_ENV.items() if not name.startswith(("GIT_AUTHOR", "GIT_COMMITTER"))}
    done = run(["git", "-C", clone, "commit", "--quiet", "-m", "work"], timeout=60, env=env)
    assert done.ok, done.error_text
    assert git(clone, "log", "-1", "--format=%an|%ae|%cn|%ce") == "|".join(IDENTITY * 2)


def test_a_clone_borrows_its_objects_and_brings_no_hooks(world: World) -> None:
    clone = make(world)
    assert (clone / ".git/objects/info/alternates").read_text().strip() == str(world.bare / "objects")
    assert not any((clone / ".git/hooks").glob("*"))
    assert git(clone, "config", "gc.auto") == "0"


def test_a_plain_push_from_a_clone_does_not_move_the_fleets_branches(world: World) -> None:
    clone = make(world)
    done = run(["git", "-C", clone, "push", "origin", "HEAD"], timeout=60, env=GIT_ENV)
    assert not done.ok
    assert "push-with-fleet-pr-push" in done.error_text
    assert git(world.bare, "branch", "--list", "fleet/1") == ""


def test_a_half_made_clone_is_replaced(world: World) -> None:
    draft = world.clones / f".{SESSION}.partial"
    (draft / ".git").mkdir(parents=True)
    (draft / "rubbish").write_text("rubbish\n")
    clone = make(world)
    assert not draft.exists()
    assert not (clone / "rubbish").exists()


def test_a_whole_clone_is_left_as_it_is(world: World) -> None:
    clone = make(world)
    (clone / "work.txt").write_text("work\n")
    make(world)
    assert (clone / "work.txt").read_text() == "work\n"


@pytest.mark.parametrize(
    ("branch", "base"),
    [
        ("fleet/1", "nowhere"),
        ("fleet/1", "1" * 40),
        ("bad..name", "main"),
        ("-b", "main"),
        ("", "main"),
        ("x y", "main"),
    ],
)
def test_a_clone_that_cannot_be_made_leaves_nothing_in_its_place(world: World, branch: str, base: str) -> None:
    with pytest.raises(PermanentError, match="FLT-RTM-008"):
        make(world, branch, base)
    assert not (world.clones / SESSION).exists()


def test_an_empty_repository_has_nothing_to_clone(world: World, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "empty.git")
    with pytest.raises(PermanentError, match="FLT-RTM-008"):
        make_clone(tmp_path / "empty.git", world.clones / SESSION, "fleet/1", "main", IDENTITY)


@pytest.mark.parametrize("place", ["clones/../r1-e1", "r1-e1", "clones/r1", "clones/R1-e1", "clones/.git-e1", "clones"])
def test_only_a_sessions_place_among_the_clones_is_touched(world: World, place: str) -> None:
    target = Path(f"{world.root}/{place}")
    with pytest.raises(PermanentError, match="FLT-RTM-007"):
        make_clone(world.bare, target, "fleet/1", "main", IDENTITY)
    with pytest.raises(PermanentError, match="FLT-RTM-007"):
        remove_clone(target, world.bare, "", "")


def test_a_link_in_place_of_a_clone_or_of_the_folder_is_not_followed(world: World, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (world.clones / SESSION).symlink_to(precious)
    with pytest.raises(PermanentError, match="FLT-RTM-007"):
        remove_clone(world.clones / SESSION, world.bare, "", "")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "clones").symlink_to(world.clones)
    with pytest.raises(PermanentError, match="FLT-RTM-007"):
        remove_clone(tmp_path / "other" / "clones" / "r2-e1", world.bare, "", "")
    assert precious.is_dir()


def test_a_clone_without_verified_escrow_is_kept(world: World) -> None:
    clone = make(world)
    found = save(clone, world.bare, SESSION)
    for ref, sha in (("", ""), (found.ref, ""), (found.ref, "0" * 40), ("refs/fleet/escrow/other", found.sha)):
        with pytest.raises(PermanentError, match="FLT-RTM-009"):
            remove_clone(clone, world.bare, ref, sha)
    assert (clone / "README").exists()


def test_a_clone_whose_work_is_saved_is_removed_read_only_parts_included(world: World) -> None:
    clone = make(world)
    (clone / "cache" / "deep").mkdir(parents=True)
    (clone / "cache" / "deep" / "file").write_text("x\n")
    for folder in (clone / "cache" / "deep", clone / "cache"):
        folder.chmod(0o500)
    found = save(clone, world.bare, SESSION)
    remove_clone(clone, world.bare, found.ref, found.sha)
    assert list(world.clones.iterdir()) == []
    remove_clone(clone, world.bare, found.ref, found.sha)


def test_what_a_link_in_a_clone_points_to_stays(world: World, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine\n")
    clone = make(world)
    (clone / "link").symlink_to(precious)
    found = save(clone, world.bare, SESSION)
    remove_clone(clone, world.bare, found.ref, found.sha)
    assert (precious / "file").read_text() == "mine\n"


def test_a_half_done_removal_is_finished(world: World) -> None:
    trash = world.clones / f".{SESSION}.trash"
    (trash / "rest").mkdir(parents=True)
    remove_clone(world.clones / SESSION, world.bare, "", "")
    assert os.listdir(world.clones) == []
