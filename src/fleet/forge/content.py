"""What is in a pull request, read by git in the fleet's bare repository, wherever the pull request itself lives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fleet.core.errors import REFUSED_PAUSE, PermanentError, Unreadable
from fleet.forge import links, pullgit
from fleet.forge.gitrepo import Repo
from fleet.forge.port import CommitFact


class GitContent:
    """The questions of the port that git answers. Whoever inherits says where the two ends are."""

    repo: Repo

    def ends(self, number: int) -> tuple[str, str]:
        """Base and head of a pull request, both in ``repo``; head "" when its branch is gone."""
        raise NotImplementedError

    def commits(self, number: int) -> tuple[CommitFact, ...]:
        """Commits of a pull request that its base does not have (had not, once merged), newest first."""
        base, head = self.ends(number)
        with _of(number):
            return pullgit.commits_between(self.repo, base, head) if head else ()

    def changed_paths(self, number: int) -> tuple[str, ...]:
        """Paths that differ between merge base and head, both names of a rename, and the links that lead there."""
        base, head = self.ends(number)
        with _of(number):
            paths = pullgit.paths_between(self.repo, base, head) if head else ()
            return links.reached(paths, links.links_in(self.repo, (base, head))) if paths else ()

    def diff(self, number: int, *, limit: int = 200_000) -> str:
        """The pull request's diff as text, cut at ``limit`` characters with a line that says so."""
        base, head = self.ends(number)
        with _of(number):
            return pullgit.diff_text(self.repo, base, head, limit) if head else ""

    def conflicts(self, number: int) -> str:
        """Why the live head does not merge into the base; "" when it does."""
        base, head = self.ends(number)
        with _of(number):
            return pullgit.conflicts_between(self.repo, base, head) if head else ""

    def diff_size(self, number: int) -> tuple[int, int]:
        """Changed files, and lines added and removed together."""
        base, head = self.ends(number)
        with _of(number):
            return pullgit.diff_size(self.repo, base, head) if head else (0, 0)


@contextmanager
def _of(number: int) -> Iterator[None]:
    """Git that fails on the commits of one pull request fails for that one only: Unreadable FLT-FRG-041."""
    try:
        yield
    except PermanentError as error:
        if error.code != "FLT-FRG-015":
            raise
        raise Unreadable(
            "FLT-FRG-041",
            f"git cannot read its commits: {error.message}",
            where=f"pr/{number}",
            hint=f"Look with: git --git-dir={error.where} fsck. Push a new commit to it, or: fleet pr close {number}",
            retry_after=REFUSED_PAUSE,
        ) from error
