"""Whatever state a checkout is in: what a person did not commit keeps every byte."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.testing.folders import short_folder
from fleet.testing.forge_home import ForgeHome
from fleet.testing.repos import commit, git, worktree_state
from fleet.testing.rings import examples

NAMES = ("README.md", "app.py", "new.txt", "dir/inner.txt", "dir", "other.txt", "gone.txt")
Step = tuple[str, str]


def put(path: Path) -> None:
    """Write a file, whatever stood in its way."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    if path.parent.is_file() or path.parent.is_symlink():
        path.parent.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(f"mine: {path.name}\n")


def drop(path: Path) -> None:
    """Delete a file or folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()


def act(checkout: Path, step: Step) -> None:
    """One thing that people do to a checkout; what is impossible at the moment is skipped."""
    what, name = step
    path = checkout / name
    if what == "edit":
        put(path)
    elif what == "delete":
        drop(path)
    elif what == "link":
        put(path)
        path.unlink()
        path.symlink_to("somewhere")
    elif what == "mode" and path.is_file() and not path.is_symlink():
        path.chmod(0o755)
    elif what == "touch" and path.is_file():
        os.utime(path)
    elif what == "ignore":
        (checkout / ".git" / "info").mkdir(exist_ok=True)
        with (checkout / ".git" / "info" / "exclude").open("a") as exclude:
            exclude.write(f"/{name}\n")
    elif what == "nest" and not os.path.lexists(path) and (path.parent.is_dir() or not os.path.lexists(path.parent)):
        path.mkdir(parents=True)
        git(path, "init", "--quiet")
        put(path / "inner.txt")
    elif what in GIT_STEPS:
        git(checkout, *GIT_STEPS[what], "--", name, must=False)


GIT_STEPS: dict[str, tuple[str, ...]] = {
    "add": ("add", "--force"),
    "intend": ("add", "--force", "--intent-to-add"),
    "unstage": ("reset", "--quiet"),
    "forget": ("rm", "--quiet", "--cached", "-r"),
    "hide": ("update-index", "--assume-unchanged"),
    "skip": ("update-index", "--skip-worktree"),
}
WHATS = ("edit", "delete", "link", "mode", "touch", "ignore", "nest", *GIT_STEPS)
# Half of the states have no tracked change, so that git's own care is tried and not only ours.
INCOMING = st.tuples(st.sampled_from(("edit", "link", "nest", "ignore", "touch")), st.sampled_from(NAMES[2:5]))
STEPS = st.lists(st.tuples(st.sampled_from(WHATS), st.sampled_from(NAMES)), max_size=5) | st.lists(INCOMING, max_size=3)


@pytest.fixture(scope="module")
def prepared() -> Iterator[Callable[[], ForgeHome]]:
    """A function that resets one home: a checkout one merge behind the fleet, with nothing else in it."""
    with short_folder() as folder:
        yield _prepare(folder)


def _prepare(folder: Path) -> Callable[[], ForgeHome]:
    home = ForgeHome.make(folder)
    commit(home.checkout, {"gone.txt": "1\n", "other.txt": "1\n"}, "more files")
    home.forge.refresh()
    home.land({"app.py": "theirs\n", "new.txt": "theirs\n", "dir/inner.txt": "theirs\n", "gone.txt": None})
    pristine = home.folder / "pristine"
    shutil.copytree(home.checkout, pristine, symlinks=True)

    def reset() -> ForgeHome:
        shutil.rmtree(home.checkout)
        shutil.copytree(pristine, home.checkout, symlinks=True)
        return home

    return reset


def known(checkout: Path) -> dict[str, tuple[int, bytes]]:
    """What the checkout's HEAD holds, as a fresh worktree would show it."""
    fresh = checkout.parent / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    git(checkout, "clone", "--quiet", "--no-hardlinks", str(checkout), str(fresh))
    return worktree_state(fresh)


@settings(max_examples=examples(20, 60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_what_a_person_did_not_commit_keeps_its_bytes(prepared: Callable[[], ForgeHome], steps: list[Step]) -> None:
    home = prepared()
    for step in steps:
        act(home.checkout, step)
    before, committed = worktree_state(home.checkout), known(home.checkout)
    index = git(home.checkout, "ls-files", "--stage", "-v")
    report = home.forge.publish_base()
    after = worktree_state(home.checkout)
    if report.kind == "left_alone":
        assert after == before
        assert git(home.checkout, "ls-files", "--stage", "-v") == index
        return
    assert report.kind == "updated"
    own = {name: state for name, state in before.items() if committed.get(name) != state}
    assert {name: after.get(name) for name in own} == own
    assert git(home.checkout, "rev-parse", "HEAD") == home.base()


def test_a_checkout_without_any_of_that_is_updated(prepared: Callable[[], ForgeHome]) -> None:
    assert prepared().forge.publish_base().kind == "updated"
