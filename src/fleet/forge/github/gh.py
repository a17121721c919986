"""One request to GitHub by one run of ``gh api -i``: a clean environment, a deadline, the group ended at it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

from fleet.core.errors import PermanentError, TemporaryError, TimedOut
from fleet.forge.github.reply import Reply, parse
from fleet.process import run

CALL_SECONDS = 30.0

# What gh needs to know of the person's surroundings: where its login is, and the way out of the network.
_KEPT = (
    "PATH", "HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "GH_CONFIG_DIR", "GH_TOKEN",
    "GITHUB_TOKEN", "GH_HOST", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "GIT_CONFIG_GLOBAL",
)  # fmt: skip
_FIXED = {
    "GH_TELEMETRY": "0",
    "GH_NO_UPDATE_NOTIFIER": "1",
    "GH_PROMPT_DISABLED": "1",
    "GH_PAGER": "cat",
    "NO_COLOR": "1",
    "TZ": "UTC",
    "LC_ALL": "C",
}


class Transport(Protocol):
    """Sends a request and gives the reply, whatever its status."""

    def request(self, method: str, path: str, *, body: Mapping[str, object] | None = None, etag: str = "") -> Reply:
        """Raises TemporaryError where no reply came, PermanentError where none ever will."""


def gh_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The environment for ``gh`` (and for git where it asks gh for the login) out of the daemon's own."""
    return {name: env[name] for name in _KEPT if name in env} | _FIXED


class GhTransport:
    """Every request is a process of its own; whatever the person's ``gh`` is logged in to, this is."""

    def __init__(self, env: Mapping[str, str], *, seconds: float = CALL_SECONDS) -> None:
        """Take the daemon's environment and the cap of one call in seconds."""
        self._env = gh_environment(env)
        self._seconds = seconds

    def request(self, method: str, path: str, *, body: Mapping[str, object] | None = None, etag: str = "") -> Reply:
        """One call. Raises TemporaryError FLT-GHB-010 without an answer, PermanentError FLT-GHB-011 without gh.

        The path and the body are data to gh: an argument that begins with a letter, and standard input.
        """
        argv = ["gh", "api", "-i", "--method", method, "-H", "Accept: application/vnd.github+json"]
        if etag:
            argv += ["-H", f"If-None-Match: {etag}"]
        if body is not None:
            argv += ["--input", "-"]
        stdin = json.dumps(body).encode() if body is not None else b""
        try:
            done = run([*argv, path], timeout=self._seconds, env=self._env, stdin=stdin)
        except TimedOut as error:
            text = f"gh did not answer within {self._seconds:.0f} s and was ended"
            raise TemporaryError("FLT-GHB-010", text, where=path, retry_after=5.0) from error
        except PermanentError as error:
            if error.code != "FLT-PROC-002":
                raise
            raise PermanentError(
                "FLT-GHB-011", "gh cannot be started", where="gh", hint="Install the GitHub CLI: https://cli.github.com"
            ) from error
        reply = parse(done.text)
        if reply is not None:
            return reply
        if done.code == 4:
            raise TemporaryError(
                "FLT-GHB-001", "gh is not logged in", where="gh", hint="Log in: gh auth login", retry_after=10.0
            )
        words = " ".join(done.error_text.split())[:300] or f"exit code {done.code}"
        raise TemporaryError("FLT-GHB-010", f"no answer from GitHub: {words}", where=path, retry_after=5.0)
