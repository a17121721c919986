"""What git makes of two commits when it merges them, without a checkout and without a trace."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.forge.gitrepo import Repo, check_sha, failure, git


@dataclass(frozen=True, slots=True)
class Outcome:
    """The tree of a merge, whether it is clean, and the paths in which it conflicts, sorted."""

    tree: str
    clean: bool
    paths: tuple[str, ...]


def merge_trees(repo: Repo, one: str, other: str) -> Outcome | None:
    """Merge two commits; None when they have nothing in common.

    Raises PermanentError FLT-FRG-015 when an object cannot be read. Git itself then goes on without it, calls what
    comes out a clean merge, and says so on the side only (git 2.39): changes would be lost without a word.
    """
    done = git(
        repo, "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", check_sha(one), check_sha(other),
        accept=(0, 1, 128),
    )  # fmt: skip
    if done.code == 128 and "unrelated histories" in done.error_text:
        return None
    if done.code == 128 or any(line.startswith(("error: ", "fatal: ")) for line in done.error_text.splitlines()):
        raise failure(repo, done, "merge-tree")
    tree, *paths = done.text.split("\0")
    clean = done.code == 0
    return Outcome(tree, clean, () if clean else tuple(sorted({path for path in paths if path})))
