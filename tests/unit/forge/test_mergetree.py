"""A merge is what git makes of all that two commits hold, or it is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.core.errors import PermanentError
from fleet.forge.collide import contested
from fleet.forge.gitrepo import Repo
from fleet.forge.mergetree import merge_trees
from fleet.testing.repos import commit, git, make_checkout


@pytest.mark.parametrize("lost", ["tree", "file"])
def test_a_merge_over_an_object_that_cannot_be_read_is_never_taken_for_a_clean_one(tmp_path: Path, lost: str) -> None:
    """Git 2.39 ends well with a tree that lacks what it could not read."""
    checkout = make_checkout(tmp_path / "checkout")
    start = commit(checkout, {"shared.txt": "".join(f"{number}\n" for number in range(20))})
    head = commit(checkout, {"shared.txt": "".join(f"{number}\n" for number in range(21)), "kept.txt": "work\n"})
    git(checkout, "checkout", "--quiet", "--detach", start)
    base = commit(checkout, {"shared.txt": "".join(f"{number}\n" for number in range(-1, 20))})
    whole = merge_trees(Repo(checkout), base, head)
    assert whole is not None
    assert whole.clean
    name = git(checkout, "rev-parse", f"{head}^{{tree}}" if lost == "tree" else f"{head}:shared.txt")
    (checkout / ".git" / "objects" / name[:2] / name[2:]).unlink()
    with pytest.raises(PermanentError, match="FLT-FRG-015"):
        merge_trees(Repo(checkout), base, head)
    assert contested(Repo(checkout), base, head) == ()
