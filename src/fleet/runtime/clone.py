"""A working copy per session: made whole or not at all, removed only once its work is saved.

Takes the bare repository, gives ``clones/<session>``. A clone borrows the objects of the bare repository
(so that one must never collect garbage by itself) and starts without hooks and templates.
Weakness: borrowed objects; a bare repository that is damaged or moved takes its clones with it.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from fleet.core.errors import FleetError, PermanentError
from fleet.process import Completed, run
from fleet.runtime.escrow import GIT_ENV, verified

CLONES = "clones"  # the name of the one folder in which clones are made and removed
_CLONE_SECONDS = 120.0
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,80}-e[0-9]{1,9}")
# what `git push` in the clone says: branches move through Fleet, which checks who asks
_NO_PUSH = "/dev/null/push-with-fleet-pr-push"


def make_clone(bare: Path, target: Path, branch: str, base: str, identity: tuple[str, str]) -> None:
    """Make the working copy ``target`` (``clones/<session>``), on ``branch``.

    The branch is continued where the bare repository has it, else begun at ``base`` (a branch or a commit).
    ``identity`` is name and e-mail for commits. What a killed attempt left half-made is replaced; a whole clone
    is left as it is. Raises PermanentError: FLT-RTM-007 for a path that is no clone's, FLT-RTM-008 when it cannot
    be made.
    """
    _check(target)
    if target.exists():
        return
    draft = target.with_name(f".{target.name}.partial")
    try:
        _delete(draft)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _fill(draft, bare, branch, base, identity)
        draft.rename(target)
    except OSError as error:
        raise _failed(target, str(error)) from error


def remove_clone(target: Path, bare: Path, ref: str, sha: str) -> None:
    """Delete a working copy whose work is saved as commit ``sha`` under ``ref`` in the bare repository.

    Harmless when it is gone; one that was half deleted is finished. Raises PermanentError FLT-RTM-009 when the
    escrow cannot be verified (nothing is deleted), FLT-RTM-007 for a path that is no clone's.
    """
    _check(target)
    trash = target.with_name(f".{target.name}.trash")
    try:
        _delete(trash)
        _delete(target.with_name(f".{target.name}.partial"))
        if not target.exists():
            return
        if not verified(bare, ref, sha):
            raise PermanentError(
                "FLT-RTM-009",
                "a clone is kept until its work is saved, and that escrow is not in the fleet's repository",
                where=str(target),
                hint="Look at the clone, save what you need, and remove the folder yourself.",
            )
        target.rename(trash)  # from here on it is no clone any more, however far the deleting gets
        _delete(trash)
    except OSError as error:
        raise PermanentError("FLT-RTM-008", f"cannot delete the clone: {error}", where=str(target)) from error


def _fill(draft: Path, bare: Path, branch: str, base: str, identity: tuple[str, str]) -> None:
    name, email = identity
    settings = (
        f"user.name={name}",
        f"user.email={email}",
        f"remote.origin.pushurl={_NO_PUSH}",
        "gc.auto=0",
        "maintenance.auto=false",
    )
    options = [word for setting in settings for word in ("-c", setting)]
    done = _git("clone", "--quiet", "--shared", "--no-checkout", "--template=", *options, "--", str(bare), str(draft))
    if not done.ok:
        raise _failed(draft, done.error_text)
    here = ("-C", str(draft))
    if not _git(*here, "check-ref-format", "--branch", branch).ok:
        raise _failed(draft, f"{branch!r} is no name for a branch")
    start = _commit(draft, f"refs/remotes/origin/{branch}") or _start(draft, base)
    if not start:
        raise _failed(draft, f"the fleet's repository has neither {branch!r} nor {base!r}")
    done = _git(*here, "checkout", "--quiet", "--no-track", "-B", branch, start)
    if not done.ok:
        raise _failed(draft, done.error_text)


def _start(draft: Path, base: str) -> str:
    """The commit that a new branch begins at."""
    return _commit(draft, f"refs/remotes/origin/{base}") or (
        _commit(draft, base) if re.fullmatch(r"[0-9a-f]{40}", base) else ""
    )


def _commit(draft: Path, name: str) -> str:
    done = _git("-C", str(draft), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    return done.text.strip() if done.ok else ""


def _git(*words: str) -> Completed:
    try:
        return run(["git", "-c", "core.hooksPath=/dev/null", *words], timeout=_CLONE_SECONDS, env=GIT_ENV, cwd="/")
    except FleetError as error:
        raise PermanentError("FLT-RTM-008", f"cannot make the clone: {error.message}") from error


def _failed(place: Path, reason: str) -> PermanentError:
    return PermanentError("FLT-RTM-008", f"cannot make the clone: {reason}", where=str(place))


def _check(target: Path) -> None:
    """Only ``…/clones/<session>`` may be made or deleted, and no link may lead elsewhere."""
    fits = target.is_absolute() and ".." not in target.parts and target.parent.name == CLONES
    if not fits or not _NAME.fullmatch(target.name) or target.is_symlink() or target.parent.is_symlink():
        raise PermanentError("FLT-RTM-007", "this is not the place of a clone", where=str(target))


def _delete(folder: Path) -> None:
    """Delete a folder whole, read-only parts included; harmless when there is none."""
    if not os.path.lexists(folder):
        return
    try:
        shutil.rmtree(folder)
    except PermissionError:
        for parent, names, _ in os.walk(folder):
            for name in names:
                path = os.path.join(parent, name)
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
        shutil.rmtree(folder)
