"""The repository at GitHub as git sees it: fetch commits, move a branch from an expected commit.

Git asks ``gh`` for the login, so no secret is in an argument, a URL or a file of the fleet.
"""

from __future__ import annotations

from collections.abc import Mapping

from fleet.core.errors import REFUSED_PAUSE, PermanentError, TemporaryError
from fleet.forge.gitrepo import LONG, Repo, check_sha, git
from fleet.forge.localrows import branch_elsewhere

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
        """Bring the objects behind a commit or ref. What GitHub refuses here, a person has to mend: FLT-GHB-013."""
        try:
            self._git(
                "-c", "fetch.fsckObjects=true",
                "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
                "--no-auto-maintenance", "--no-write-commit-graph", "--no-prune", "--end-of-options", self._url, wanted,
            )  # fmt: skip
        except PermanentError as error:
            raise TemporaryError(
                "FLT-GHB-013",
                f"git cannot fetch from GitHub: {error.message}",
                where=self._url,
                hint="See whether your login may read it: gh auth status",
                retry_after=REFUSED_PAUSE,
            ) from error

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
            if any(word in error.message for word in ("unable to access", "Could not resolve", "early EOF", "hung up")):
                raise TemporaryError("FLT-GHB-010", error.message, where=self._url, retry_after=5.0) from error
            raise
