"""What a program obeys in its clone comes from the base branch, not from the change that is being worked on.

Takes a clone and the paths in question, replaces those that differ. The agent's commits leave them as the branch has
them, and git shows none of it as a change: entries of the index are marked as not wanted in the worktree, added files
are excluded. Weakness: a file that is included from elsewhere in the repository comes from the branch; and where a
branch has changed such a file already, an agent's further change to it is not seen by git.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from fleet.core.errors import PermanentError
from fleet.process import run
from fleet.runtime.escrow import GIT_ENV

_SECONDS = 60.0


def pin_to_base(clone: Path, base: str, patterns: Sequence[str]) -> tuple[str, ...]:
    """Give the worktree the base branch's version of every path that fits; the paths that differed.

    ``patterns`` are pathspecs. Repeatable. Raises PermanentError FLT-RTM-020 when it cannot be done: the session
    must not start then.
    """
    if not patterns:
        return ()
    tree = f"refs/remotes/origin/{base}"
    listed = _git(clone, "diff", "--name-only", "--no-renames", "-z", tree, "HEAD", "--", *patterns)
    paths = [path for path in listed.split(b"\0") if path]
    if not paths:
        return ()
    ours = _names(_git(clone, "ls-files", "-z", "--", *_literal(paths)))
    theirs = _names(_git(clone, "ls-tree", "-r", "-z", "--name-only", tree, "--", *map(os.fsdecode, paths)))
    for path in paths:
        _remove(clone, path)
    if ours:
        _git(clone, "update-index", "--skip-worktree", "-z", "--stdin", stdin=b"\0".join(sorted(ours)) + b"\0")
    wanted = [path for path in paths if path in theirs]
    _check_out(clone, tree, wanted)
    _exclude(clone, [path for path in wanted if path not in ours])
    return tuple(os.fsdecode(path) for path in paths)


def _check_out(clone: Path, tree: str, paths: Sequence[bytes]) -> None:
    """Write files of a tree without touching the clone's own index."""
    if not paths:
        return
    index = clone / ".git" / "fleet-base-index"
    env = {**GIT_ENV, "GIT_INDEX_FILE": str(index)}
    try:
        _git(clone, "read-tree", tree, env=env)
        _git(clone, "checkout-index", "--force", "-z", "--stdin", env=env, stdin=b"\0".join(paths) + b"\0")
    finally:
        index.unlink(missing_ok=True)


def _exclude(clone: Path, paths: Sequence[bytes]) -> None:
    """Files that only the base has are no additions of the agent."""
    if not paths:
        return
    file = clone / ".git" / "info" / "exclude"
    file.parent.mkdir(exist_ok=True)
    known = file.read_bytes() if file.exists() else b""
    lines = [
        b"/" + b"".join(b"\\" + bytes([byte]) if byte in b"\\*?[ #!" else bytes([byte]) for byte in p) for p in paths
    ]
    fresh = [line for line in lines if line not in known.splitlines() and b"\n" not in line]
    file.write_bytes(known + b"".join(line + b"\n" for line in fresh))


def _remove(clone: Path, path: bytes) -> None:
    """Take a path out of the worktree, never by way of a link."""
    place = clone
    for part in Path(os.fsdecode(path)).parts:
        place = place / part
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            place.unlink()
            return
    if place.is_dir():
        shutil.rmtree(place)


def _names(listed: bytes) -> set[bytes]:
    return {path for path in listed.split(b"\0") if path}


def _literal(paths: Sequence[bytes]) -> list[str]:
    return [f":(literal){os.fsdecode(path)}" for path in paths]


def _git(clone: Path, *words: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> bytes:
    argv = ["git", "-c", "core.hooksPath=/dev/null", "-C", str(clone), *words]
    done = run(argv, timeout=_SECONDS, env=env or GIT_ENV, cwd="/", stdin=stdin)
    if not done.ok:
        raise PermanentError(
            "FLT-RTM-020",
            f"the base branch's instructions cannot be put into the clone: {done.error_text[:300]}",
            where=str(clone),
        )
    return done.out
