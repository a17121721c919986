"""One request to GitHub by one run of ``gh api -i``: a clean environment, a deadline, the group ended at it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from fleet.core.errors import PermanentError, TemporaryError, TimedOut
from fleet.forge.github.reply import Reply, parse
from fleet.process import Completed, run

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
    # A run is over before collecting garbage pays: a fifth less processor time. The bound is for a huge answer.
    "GOGC": "off",
    "GOMEMLIMIT": "256MiB",
}


class Transport(Protocol):
    """Sends a request and gives the reply, whatever its status."""

    def request(self, method: str, path: str, *, body: Mapping[str, object] | None = None, etag: str = "") -> Reply:
        """Raises TemporaryError where no reply came, PermanentError where none ever will."""

    def login(self) -> str:
        """A mark of the login that requests are made by, without asking anybody; another login, another mark."""

    def close(self) -> None:
        """Let go of what is kept open between requests."""


def gh_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The environment for ``gh`` (and for git where it asks gh for the login) out of the daemon's own."""
    return {name: env[name] for name in _KEPT if name in env} | _FIXED


def login_mark(env: Mapping[str, str]) -> str:
    """What changes with the login of ``gh``: its file of accounts, and a token in the environment. Holds no secret."""
    token = env.get("GH_TOKEN") or env.get("GITHUB_TOKEN") or ""
    config = env.get("GH_CONFIG_DIR") or str(
        Path(env.get("XDG_CONFIG_HOME") or f"{env.get('HOME', '')}/.config") / "gh"
    )
    try:
        found = os.stat(f"{config}/hosts.yml")
        file = f"{found.st_ino}:{found.st_mtime_ns}:{found.st_size}"
    except OSError:
        file = "none"
    return hashlib.sha256(f"{token}\n{file}".encode()).hexdigest()


def ask_gh(
    words: Sequence[str], env: Mapping[str, str], seconds: float, *, stdin: bytes = b"", about: str = "gh"
) -> Completed:
    """One run of ``gh``, whatever its exit code. ``env`` is gh's; ``about`` is what an error names as its place.

    Raises TemporaryError FLT-GHB-010 when it hangs, PermanentError FLT-GHB-011 when there is none.
    """
    try:
        return run(("gh", *words), timeout=seconds, env=env, stdin=stdin)
    except TimedOut as error:
        raise no_answer(about, f"gh did not answer within {seconds:.0f} s and was ended") from error
    except PermanentError as error:
        if error.code != "FLT-PROC-002":
            raise
        raise PermanentError(
            "FLT-GHB-011", "gh cannot be started", where="gh", hint="Install the GitHub CLI: https://cli.github.com"
        ) from error


def no_answer(path: str, text: str) -> TemporaryError:
    """The error for a request that got no reply."""
    return TemporaryError("FLT-GHB-010", text, where=path, retry_after=5.0)


def no_login() -> TemporaryError:
    """The error for a ``gh`` that knows no login."""
    return TemporaryError(
        "FLT-GHB-001", "gh is not logged in", where="gh", hint="Log in: gh auth login", retry_after=10.0
    )


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
        words = ["api", "-i", "--method", method, "-H", "Accept: application/vnd.github+json"]
        if etag:
            words += ["-H", f"If-None-Match: {etag}"]
        if body is not None:
            words += ["--input", "-"]
        stdin = json.dumps(body).encode() if body is not None else b""
        done = ask_gh([*words, path], self._env, self._seconds, stdin=stdin, about=path)
        reply = parse(done.text)
        if reply is not None:
            return reply
        if done.code == 4:
            raise no_login()
        words_of_gh = " ".join(done.error_text.split())[:300] or f"exit code {done.code}"
        raise no_answer(path, f"no answer from GitHub: {words_of_gh}")

    def login(self) -> str:
        """Whatever ``gh`` is logged in to at this moment."""
        return login_mark(self._env)

    def close(self) -> None:
        """Nothing: every request was a process that has ended."""
