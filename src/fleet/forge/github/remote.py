"""The repository at GitHub as git sees it: fetch commits, move a branch from an expected commit.

Git asks ``gh`` for the login, so no secret is in an argument, a URL or a file of the fleet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fleet.core.errors import REFUSED_PAUSE, FleetError, PermanentError, TemporaryError
from fleet.forge.gitrepo import LONG, Repo, check_sha, git
from fleet.forge.localrows import branch_elsewhere

_NO_WAY = ("unable to access", "Could not resolve")
_BROKEN_OFF = ("early EOF", "hung up", "too slow")  # also what a server says that cannot read its own objects
_STALLED = ("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=30")  # a fetch that stands still ends
# What git says when nothing at all can be fetched from there.
_WHOLE = re.compile(
    "Authentication failed|could not read (Username|Password)|[Pp]ermission.*denied|[Rr]epository .*not found"
    "|does not appear to be a git repository|Could not read from remote repository|Write access|error: 40[13]"
)
_LOGIN = ("-c", "credential.helper=", "-c", "credential.helper=!gh auth git-credential")


class Remote:
    """One repository behind a URL."""

    def __init__(self, bare: Repo, url: str, env: Mapping[str, str]) -> None:
        """``env`` is gh's environment; of the person's git configuration only what it names is read."""
        self._bare = bare
        self._url = url
        self._env = {**env, "GIT_ALLOW_PROTOCOL": "https:file"}
        if "GIT_CONFIG_GLOBAL" not in env:
            self._env["GIT_CONFIG_GLOBAL"] = "/dev/null"

    def head(self, branch: str) -> str:
        """The commit of a branch there; "" when there is none."""
        done = self._git("ls-remote", "--quiet", "--refs", "--end-of-options", self._url, f"refs/heads/{branch}")
        return done.split()[0] if done.strip() else ""

    def fetch(self, wanted: str) -> None:
        """Bring the objects behind a commit or ref.

        Raises TemporaryError: FLT-GHB-013 where our login may not fetch, or not from there, which a person has to
        mend; FLT-GHB-015 where just this is not given, or git does not take it.
        """
        try:
            self._git(
                "-c", "fetch.fsckObjects=true", *_STALLED,
                "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
                "--no-auto-maintenance", "--no-write-commit-graph", "--no-prune", "--end-of-options", self._url, wanted,
            )  # fmt: skip
        except (PermanentError, TemporaryError) as error:
            raise self._not_fetched(error, wanted) from error

    def _not_fetched(self, error: FleetError, wanted: str) -> FleetError:
        """What a failed fetch means: for everything, or for what was wanted."""
        if isinstance(error, PermanentError) and _WHOLE.search(error.message):
            return TemporaryError(
                "FLT-GHB-013",
                f"git cannot fetch from GitHub: {error.message}",
                where=self._url,
                hint="See whether your login may read it: gh auth status",
                retry_after=REFUSED_PAUSE,
            )
        if isinstance(error, PermanentError) or any(word in error.message for word in _BROKEN_OFF):
            return TemporaryError(
                "FLT-GHB-015", error.message, where=f"{self._url} {wanted}", retry_after=REFUSED_PAUSE
            )
        return error

    def push(self, sha: str, branch: str, *, expected_old: str) -> None:
        """Move a branch there in one compare-and-set. Raises Conflict FLT-FRG-003 when it is elsewhere."""
        ref = f"refs/heads/{branch}"
        lease = f"--force-with-lease={ref}:{expected_old}"
        try:
            self._git("push", "--quiet", "--no-verify", lease, "--end-of-options", self._url, f"{check_sha(sha)}:{ref}")
        except PermanentError as error:
            present = self.head(branch)
            if present == sha:
                return
            if present != expected_old:
                raise branch_elsewhere(branch, present, expected_old) from error
            raise

    def _git(self, *words: str) -> str:
        try:
            return git(self._bare, *_LOGIN, *words, timeout=LONG, env=self._env).text
        except PermanentError as error:
            if any(word in error.message for word in (*_NO_WAY, *_BROKEN_OFF)):
                raise TemporaryError("FLT-GHB-010", error.message, where=self._url, retry_after=5.0) from error
            raise
