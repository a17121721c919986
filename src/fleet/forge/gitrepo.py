"""Git by its command line: the one place of this room that builds a git command and reads its answer.

Takes a ``Repo`` and checked names, gives plain values. Every call has a clean environment (no system or
user configuration, no hooks, no prompts, no lazy fetching, only local transport), a deadline, full ref
names, ``-z`` formats and ``--end-of-options``. Git's failures become FLT-FRG-* errors here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fleet.core.errors import FleetError, PermanentError, TemporaryError, TimedOut, UsageError
from fleet.process import Completed, run

QUICK = 30.0  # seconds: reading, and moving refs
LONG = 600.0  # seconds: moving objects

FLEET_NAME = "fleet"
FLEET_MAIL = "fleet@agents.fleet.invalid"

# Nothing of the caller's environment reaches git. HOME does not exist, so that no ~/.config/git is read.
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "TZ": "UTC",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_EDITOR": "true",
    "GIT_PAGER": "cat",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOW_PROTOCOL": "file",  # overrides every protocol.* setting, also in child processes
    "GIT_AUTHOR_NAME": FLEET_NAME,
    "GIT_AUTHOR_EMAIL": FLEET_MAIL,
    "GIT_COMMITTER_NAME": FLEET_NAME,
    "GIT_COMMITTER_EMAIL": FLEET_MAIL,
}

# On the command line, because these win over the configuration of the repository itself.
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.fsync=all",
    "core.fsyncMethod=batch",
    "core.quotePath=true",
    "protocol.ext.allow=never",
    "protocol.version=2",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "log.showSignature=false",
    "merge.renames=true",
)
_PREFIX = ("git", *(word for setting in _SETTINGS for word in ("-c", setting)))

_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")

# What passes by itself: full disks, memory, a lock that another git holds.
_PASSING = ("No space left", "Cannot allocate memory", "Resource temporarily unavailable", "Too many open files")
_LOCKED = re.compile(r"Unable to create '[^']*\.lock': File exists")


@dataclass(frozen=True, slots=True)
class Repo:
    """Where git works: a bare repository, named exactly, or a checkout, in which git finds its own folder."""

    path: Path
    bare: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """How the repository is named on the command line."""
        return (f"--git-dir={self.path}",) if self.bare else ("-C", str(self.path))


@dataclass(frozen=True, slots=True)
class RefMove:
    """One change of a ref. ``old``: the value it must have now ("" = must not exist, None = anything).

    ``new`` is the value to give it; "" deletes it; None only verifies ``old``.
    """

    ref: str
    new: str | None
    old: str | None = None


def command(repo: Repo, *words: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """The whole argv of a git command and its clean environment, for a caller that runs it by itself."""
    return (*_PREFIX, *repo.words, *words), dict(_ENVIRONMENT)


def git(
    repo: Repo,
    *words: str,
    stdin: bytes = b"",
    timeout: float = QUICK,
    env: dict[str, str] | None = None,
    accept: Sequence[int] = (0,),
) -> Completed:
    """Run one git command. ``env`` adds to the clean environment; ``accept`` lists exit codes that are answers.

    Raises TemporaryError FLT-FRG-014 when it may work later, PermanentError FLT-FRG-015 otherwise.
    """
    argv, clean = command(repo, *words)
    cwd = repo.path if repo.path.is_dir() else None  # the daemon's own folder may be gone
    try:
        done = run(argv, timeout=timeout, cwd=cwd, env={**clean, **(env or {})}, stdin=stdin)
    except TimedOut as error:
        raise TemporaryError(
            "FLT-FRG-014", f"git {words[0]} took longer than {timeout:.0f} s", where=str(repo.path)
        ) from error
    if done.code not in accept:
        raise failure(repo, done, words[0])
    return done


def failure(repo: Repo, done: Completed, verb: str) -> FleetError:
    """What a failed command means, by who must act."""
    text = done.error_text
    where = str(repo.path)
    if "dubious ownership" in text:
        return PermanentError(
            "FLT-FRG-016",
            "the repository belongs to another user, and git refuses to use it",
            where=where,
            hint="Run the fleet as the owner of the repository.",
        )
    if done.code < 0:
        return TemporaryError("FLT-FRG-014", f"git {verb} was ended by signal {-done.code}", where=where)
    last = _last_line(text) or f"exit code {done.code}"
    if any(word in text for word in _PASSING) or _LOCKED.search(text):
        return TemporaryError("FLT-FRG-014", f"git {verb} cannot work now: {last}", where=where)
    return PermanentError("FLT-FRG-015", f"git {verb} failed: {last}", where=where)


def _last_line(text: str) -> str:
    """The line that says most: the first fatal or error, else the last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for mark in ("fatal: ", "error: "):
        for line in lines:
            if line.startswith(mark):
                return line.removeprefix(mark)[:300]
    return lines[-1][:300] if lines else ""


# -- names ---------------------------------------------------------------------------------------------


def check_ref(name: str) -> str:
    """Return a branch or ref name that is safe to hand to git. Raises UsageError FLT-FRG-011."""
    pieces = name.split("/")
    bad = (
        _REF.fullmatch(name) is None
        or len(name) > 200
        or ".." in name
        or any(not piece or piece.startswith(".") or piece.endswith((".", ".lock")) for piece in pieces)
        or name == "HEAD"
    )
    if bad:
        raise UsageError(
            "FLT-FRG-011", "not a usable branch name", where=repr(name[:80]), hint="Use letters, digits and . _ / -"
        )
    return name


def check_sha(text: str) -> str:
    """Return a full commit id in lower case. Raises UsageError FLT-FRG-011."""
    if _SHA.fullmatch(text) is None:
        raise UsageError(
            "FLT-FRG-011", "not a full commit id", where=repr(text[:80]), hint="Give all 40 (or 64) digits."
        )
    return text


# -- refs ----------------------------------------------------------------------------------------------


def refs(repo: Repo, *patterns: str) -> dict[str, str]:
    """Full ref name -> object id, for every ref at or below the patterns (each starts with ``refs/``)."""
    out = git(repo, "for-each-ref", "--format=%(objectname) %(refname)", "--", *patterns)
    pairs = (line.partition(" ") for line in out.text.splitlines())
    return {name: sha for sha, _, name in pairs}


def refs_merged(repo: Repo, commit: str, pattern: str) -> frozenset[str]:
    """The refs below a pattern whose commit is reachable from ``commit``."""
    out = git(repo, "for-each-ref", "--format=%(refname)", f"--merged={check_sha(commit)}", "--", pattern)
    return frozenset(out.text.split())


def head_of(repo: Repo) -> str:
    """The commit a repository's HEAD names; "" while there is none. Runs nothing of the repository's own."""
    done = git(repo, "rev-parse", "--verify", "--quiet", "--end-of-options", "HEAD", accept=(0, 1))
    return done.text.strip() if done.ok else ""


def move_refs(repo: Repo, moves: Sequence[RefMove], *, reason: str) -> bool:
    """Move refs in one compare-and-set: all of them, or none and False because one was elsewhere.

    Raises TemporaryError FLT-FRG-014 while another git holds a lock, UsageError FLT-FRG-011 when a new
    value is no commit.
    """
    width = max((len(value) for move in moves for value in (move.new, move.old) if value), default=40)
    stdin = b"".join(_instruction(move, width) for move in moves)
    done = git(repo, "update-ref", "-m", reason, "--no-deref", "--stdin", "-z", stdin=stdin, accept=range(256))
    if done.ok:
        return True
    now = refs(repo, *(move.ref for move in moves))
    if any(move.old is not None and now.get(move.ref, "") != move.old for move in moves):
        return False
    if "non-commit object" in done.error_text or "nonexistent object" in done.error_text:
        raise UsageError("FLT-FRG-011", "not a commit", where=", ".join(move.new or "" for move in moves))
    raise failure(repo, done, "update-ref")


def _instruction(move: RefMove, width: int) -> bytes:
    """A line of ``update-ref --stdin -z``. There an empty old value means *unchecked*, zeros *must not exist*."""
    for value in (move.new, move.old):
        if value:
            check_sha(value)
    old = "" if move.old is None else (move.old or "0" * width)
    if move.new is None:
        return f"verify {move.ref}\0{old}\0".encode()
    if not move.new:
        return f"delete {move.ref}\0{old}\0".encode()
    return f"update {move.ref}\0{move.new}\0{old}\0".encode()


# -- history -------------------------------------------------------------------------------------------


def is_commit(repo: Repo, sha: str) -> bool:
    """True when this id names a commit itself, not a tag, tree or file."""
    return git(repo, "cat-file", "-t", check_sha(sha), accept=(0, 128)).text.strip() == "commit"


def is_ancestor(repo: Repo, older: str, newer: str) -> bool:
    """True when ``newer`` contains ``older`` (or is it)."""
    done = git(repo, "merge-base", "--is-ancestor", check_sha(older), check_sha(newer), accept=(0, 1))
    return done.ok


def merge_bases(repo: Repo, one: str, other: str) -> tuple[str, ...]:
    """Every best common ancestor; () for unrelated histories."""
    done = git(repo, "merge-base", "--all", check_sha(one), check_sha(other), accept=(0, 1))
    return tuple(done.text.split())


def tree_of(repo: Repo, commit: str) -> str:
    """The tree id of a commit."""
    return git(repo, "rev-parse", "--verify", "--end-of-options", f"{check_sha(commit)}^{{tree}}").text.strip()


def first_parent_since(repo: Repo, older: str, newer: str) -> list[tuple[str, tuple[str, ...]]]:
    """First-parent commits of ``newer`` that contain ``older`` (itself left out), newest first, with parents."""
    span = f"{check_sha(older)}..{check_sha(newer)}"
    out = git(repo, "rev-list", "--first-parent", "--ancestry-path", "--parents", "--end-of-options", span)
    rows = [line.split() for line in out.text.splitlines()]
    return [(row[0], tuple(row[1:])) for row in rows]


def fetch(repo: Repo, source: Path, wanted: str, *, strict: bool = False, timeout: float = LONG) -> None:
    """Bring the objects behind a ref or commit of a local repository; moves no ref and writes no FETCH_HEAD.

    ``strict`` also examines every object's form, for objects that somebody untrusted made.
    """
    git(
        repo,
        *(("-c", "fetch.fsckObjects=true") if strict else ()),
        "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
        "--no-auto-maintenance", "--no-write-commit-graph", "--no-prune",
        "--end-of-options", str(source.absolute()), wanted,
        timeout=timeout,
    )  # fmt: skip
