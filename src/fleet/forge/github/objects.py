"""Brings commits from GitHub. What it does not give for one pull request holds up that one; later it is asked again.

A head can be named by GitHub and yet not be there for git: its fork is gone, it was pruned, its objects are broken.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.core.clock import SECOND, Clock
from fleet.core.errors import REFUSED_PAUSE, TemporaryError, Unreadable
from fleet.forge.github.remote import Remote
from fleet.forge.gitrepo import Repo, is_commit

LONGEST_PAUSE = 300.0  # seconds until a commit that was not given is asked for again
_OF_ONE = ("FLT-GHB-015", "FLT-FRG-014")  # not given, or not within the time
_KEPT = 200


@dataclass(frozen=True, slots=True)
class _Missing:
    """A commit that was asked for in vain, last at ``at``, and not again before ``until`` (microseconds)."""

    times: int
    at: int
    until: int
    message: str


class Objects:
    """What the fleet's bare repository holds of GitHub's. Safe to use from several threads."""

    def __init__(self, bare: Repo, remote: Remote, clock: Clock) -> None:
        """Nothing is asked yet."""
        self._bare = bare
        self._remote = remote
        self._clock = clock
        self._missing: dict[str, _Missing] = {}

    def have(self, sha: str) -> None:
        """Bring a commit that everything needs, such as the base's. Raises what the remote raises."""
        if not is_commit(self._bare, sha):
            self._remote.fetch(sha)

    def have_of(self, number: int, sha: str) -> None:
        """Bring a commit of one pull request. Raises Unreadable FLT-GHB-015 for as long as it is not to be had."""
        if is_commit(self._bare, sha):
            self._missing.pop(sha, None)
            return
        before = self._missing.get(sha)
        if before is not None and before.at <= self._clock.now() < before.until:
            raise unreadable(number, sha, before.message)
        try:
            self._remote.fetch(sha)
        except TemporaryError as error:
            if error.code not in _OF_ONE:
                raise
            self._remember(sha, before, error.message)
            raise unreadable(number, sha, error.message) from error
        self._missing.pop(sha, None)

    def _remember(self, sha: str, before: _Missing | None, message: str) -> None:
        times, now = (before.times if before is not None else 0) + 1, self._clock.now()
        pause = min(REFUSED_PAUSE * 2.0 ** min(times - 1, 10), LONGEST_PAUSE)
        self._missing.pop(sha, None)
        self._missing[sha] = _Missing(times, now, now + round(pause * SECOND), message)
        for oldest in list(self._missing)[:-_KEPT]:
            self._missing.pop(oldest, None)


def unreadable(number: int, sha: str, message: str) -> Unreadable:
    """The error for a commit of one pull request that GitHub names and does not give."""
    return Unreadable(
        "FLT-GHB-015",
        f"its commit {sha[:12]} is not to be had: {message}",
        where=f"pr/{number}",
        hint="It is asked for again by itself. If that lasts: push a new commit to it, or close it at GitHub.",
        retry_after=REFUSED_PAUSE,
    )
