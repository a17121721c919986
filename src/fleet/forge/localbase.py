"""The fleet's bare repository and the person's checkout: how their base branches come together.

Takes two repositories and the name of the base branch, gives a ``BaseReport``. Three promises: the base
moves only forward; a file that a person did not commit keeps its bytes; what cannot be done harmlessly is
left alone and said, with the command that a person would type.

Weakness: a person who switches branches in the same millisecond sees that branch fast-forwarded instead.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fleet.core.errors import FleetError, NotFound, PermanentError, TemporaryError
from fleet.forge.gitrepo import LONG, RefMove, Repo, check_ref, check_sha, fetch, git, is_ancestor, move_refs, refs
from fleet.forge.intake import clear_stages
from fleet.forge.port import BaseReport

_STALE_LOCK_SECONDS = 60.0
_CONFIG = """\
[core]
\tlogAllRefUpdates = always
\tfsync = all
\tfsyncMethod = batch
[gc]
\tauto = 0
[maintenance]
\tauto = false
[receive]
\tdenyDeletes = true
\tautogc = false
"""
# For an agent or person who pushes here by habit: a branch moves only through the fleet, on the record.
_PRE_RECEIVE = """\
#!/bin/sh
while read -r old new ref; do
    case $ref in
        refs/heads/* | refs/tags/*)
            echo "this repository belongs to the fleet; push with: fleet pr push (people: fleet pr create)" >&2
            exit 1
            ;;
    esac
done
"""
# What git keeps in its folder while something is half done, and what to call it.
_UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisect",
    "sequencer": "a sequence of picks",
}


@dataclass(frozen=True, slots=True)
class Base:
    """The two ends of the base branch."""

    bare: Repo
    checkout: Repo
    name: str

    @property
    def ref(self) -> str:
        """The full name of the branch, the same in both."""
        return f"refs/heads/{self.name}"

    @property
    def pull_command(self) -> str:
        """What a person types in the checkout to get the fleet's commits."""
        return f"git pull {shlex.quote(str(self.bare.path))} {shlex.quote(self.name)}"


# -- the bare repository -------------------------------------------------------------------------------


def prepare(base: Base) -> None:
    """Make the bare repository if there is none, whole or not at all; clear what a killed process left.

    Raises NotFound FLT-FRG-017 when the checkout has no such branch, PermanentError FLT-FRG-016 when it is
    no checkout that the fleet can work with.
    """
    check_ref(base.name)
    if not base.bare.path.exists():
        _build(base)
    _clear_leavings(base.bare.path)
    if base.ref not in refs(base.bare, base.ref):
        start = _start(base)
        fetch(base.bare, base.checkout.path, base.ref)
        move_refs(base.bare, [RefMove(base.ref, start, "")], reason="base branch of the fleet")


def open_checkout(path: Path) -> Repo:
    """The person's repository that a folder is in. Raises PermanentError FLT-FRG-016 when it cannot be used."""
    if not path.is_dir():
        raise _unusable(path, "there is no such folder")
    words = ("--is-bare-repository", "--is-shallow-repository", "--is-inside-work-tree")
    done = git(Repo(path), "rev-parse", *words, accept=(0, 128))
    if not done.ok:
        if "dubious ownership" in done.error_text:
            raise _unusable(path, "it belongs to another user, and git refuses to use it")
        raise _unusable(path, "it is not a git repository", "Make it one: git init")
    is_bare, is_shallow, is_inside = (word == "true" for word in done.text.split())
    if is_bare or not is_inside:
        raise _unusable(path, "it is a bare repository, or git's own folder", "Use a checkout: git clone …")
    if is_shallow:
        raise _unusable(path, "it is a shallow clone", "Fetch the rest: git fetch --unshallow")
    top = git(Repo(path), "rev-parse", "--show-toplevel").out.removesuffix(b"\n")
    return Repo(Path(os.fsdecode(top)))


def _unusable(path: Path, what: str, hint: str = "") -> PermanentError:
    return PermanentError("FLT-FRG-016", f"the fleet cannot use this checkout: {what}", where=str(path), hint=hint)


def _start(base: Base) -> str:
    start = refs(base.checkout, base.ref).get(base.ref, "")
    if not start:
        raise no_base(base, base.checkout.path)
    return start


def no_base(base: Base, where: Path) -> NotFound:
    """The error for a repository without the base branch."""
    return NotFound(
        "FLT-FRG-017",
        f"there is no branch {base.name} with a commit on it",
        where=str(where),
        hint=f"Commit something on {base.name}, or name another base branch in .fleet/config.yaml.",
    )


def _build(base: Base) -> None:
    """Build beside the final place and rename: a kill leaves an unused folder, which the next call removes."""
    target = base.bare.path
    start = _start(base)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left_over in target.parent.glob(f".{target.name}.new-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    building = Path(tempfile.mkdtemp(prefix=f".{target.name}.new-", dir=target.parent))
    new = new_bare(building, base.name, sha256=len(start) == 64)
    fetch(new, base.checkout.path, base.ref, timeout=LONG)
    move_refs(new, [RefMove(base.ref, start, "")], reason="base branch of the fleet")
    building.rename(target)
    _sync_folder(target.parent)


def new_bare(folder: Path, branch: str, *, sha256: bool = False) -> Repo:
    """Make an empty bare repository as the fleet uses it, in a folder that may be there already."""
    kind = "sha256" if sha256 else "sha1"
    words = ("--quiet", "--bare", "--template=", f"--initial-branch={check_ref(branch)}", f"--object-format={kind}")
    git(Repo(folder.parent), "init", *words, "--", str(folder))
    with (folder / "config").open("a") as config:
        config.write(_CONFIG)
    hook = folder / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(_PRE_RECEIVE)
    hook.chmod(0o755)
    return Repo(folder, bare=True)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clear_leavings(bare: Path) -> None:
    """Remove stages and lock files of git processes that died; a living one holds a lock for milliseconds."""
    with tempfile.TemporaryFile(dir=bare) as probe:
        now = os.fstat(probe.fileno()).st_mtime  # the file system's own clock, which stamped them
    clear_stages(bare, now)
    for lock in (*bare.glob("*.lock"), *(bare / "refs").rglob("*.lock")):
        with suppress(FileNotFoundError):
            if now - lock.lstat().st_mtime > _STALE_LOCK_SECONDS:
                lock.unlink()


# -- checkout -> fleet ---------------------------------------------------------------------------------


def refresh(base: Base, announce: Callable[[str, str], None] | None = None) -> BaseReport:
    """Take the checkout's new base commits into the bare repository, forward only.

    ``announce`` is told the old and the new commit before the branch moves.
    """
    theirs = refs(base.checkout, base.ref).get(base.ref, "")
    ours = refs(base.bare, base.ref).get(base.ref, "")
    if not theirs:
        return BaseReport("unchanged", f"the checkout has no branch {base.name}", ours, ours)
    if theirs == ours:
        return BaseReport("unchanged", "", ours, ours)
    fetch(base.bare, base.checkout.path, theirs)
    if is_ancestor(base.bare, theirs, ours):
        return BaseReport("unchanged", "", ours, ours)
    if is_ancestor(base.bare, ours, theirs):
        if announce is not None:
            announce(ours, theirs)
        if move_refs(base.bare, [RefMove(base.ref, theirs, ours)], reason="fetched from the checkout"):
            return BaseReport("fetched", f"{base.name}: {ours[:12]} -> {theirs[:12]}", ours, theirs)
        return BaseReport("unchanged", f"{base.name} moved meanwhile", ours, ours)
    detail = (
        f"{base.name} of the checkout ({theirs[:12]}) and of the fleet ({ours[:12]}) went different ways;"
        f" in the checkout: {base.pull_command}"
    )
    return BaseReport("diverged", detail, ours, theirs)


def follow(base: Base, ours: str, theirs: str, announce: Callable[[str, str], None] | None) -> BaseReport:
    """Move the bare repository's base from ``ours`` to ``theirs``, whose objects are there, also where that is not
    forward. Only a movement forward is announced, before it happens.
    """
    if theirs == ours:
        return BaseReport("unchanged", "", ours, ours)
    forward = is_ancestor(base.bare, ours, theirs)
    if forward and announce is not None:
        announce(ours, theirs)
    if not move_refs(base.bare, [RefMove(base.ref, theirs, ours)], reason="fetched from where people push"):
        return BaseReport("unchanged", f"{base.name} moved meanwhile", ours, ours)
    detail = f"{base.name}: {ours[:12]} -> {theirs[:12]}"
    if forward:
        return BaseReport("fetched", detail, ours, theirs)
    return BaseReport("rewritten", f"{detail}; it was rewritten there, and the fleet follows", ours, theirs)


# -- fleet -> checkout ---------------------------------------------------------------------------------


def publish(base: Base) -> BaseReport:
    """Fast-forward the checkout, or only its base branch when that is not checked out, if it is harmless.

    A checkout that cannot be read is left alone as well: nothing that the fleet did depends on it.
    """
    target = refs(base.bare, base.ref).get(base.ref, "")
    try:
        return _publish(base, target)
    except (PermanentError, TemporaryError) as error:
        return _left(base, error.message, "", target)


def _publish(base: Base, target: str) -> BaseReport:
    present = refs(base.checkout, base.ref).get(base.ref, "")
    if not present:
        return _left(base, f"the checkout has no branch {base.name}", present, target)
    if present == target:
        return BaseReport("unchanged", "", present, present)
    fetch(base.checkout, base.bare.path, target)
    if is_ancestor(base.checkout, target, present):
        return BaseReport("unchanged", "", present, present)
    if not is_ancestor(base.checkout, present, target):
        return _left(base, f"{base.name} has commits that the fleet's {base.name} has not", present, target)
    worktree, problem = _place_of_base(base)
    if problem:
        return _left(base, problem, present, target)
    if worktree is not None:
        return _fast_forward(base, Repo(worktree), present, target)
    if move_refs(base.checkout, [RefMove(base.ref, target, present)], reason="fast-forward by the fleet"):
        return BaseReport("updated", f"{base.name} (not checked out): {target[:12]}", present, target)
    return _left(base, f"{base.name} moved meanwhile", present, target)


def _left(base: Base, reason: str, old: str, new: str) -> BaseReport:
    return BaseReport("left_alone", f"{reason}; to update it: {base.pull_command}", old, new)


def _place_of_base(base: Base) -> tuple[Path | None, str]:
    """The worktree that has the base checked out, if any, and what forbids touching the branch ("" = nothing)."""
    common = _folder(base.checkout, "--git-common-dir")
    for folder in (common, *sorted((common / "worktrees").glob("*"))):
        for state in ("rebase-merge/head-name", "rebase-apply/head-name"):
            if _read(folder / state) == base.ref:
                return None, f"a rebase of {base.name} is under way"
        if _read(folder / "BISECT_START") == base.name:
            return None, f"a bisect of {base.name} is under way"
    listing = os.fsdecode(git(base.checkout, "worktree", "list", "--porcelain", "-z").out)
    places = [block.split("\0") for block in listing.split("\0\0") if f"branch {base.ref}" in block.split("\0")]
    if not places:
        return None, ""
    place = Path(next(line.removeprefix("worktree ") for line in places[0] if line.startswith("worktree ")))
    if len(places) > 1 or not place.is_dir():
        return None, f"{base.name} is checked out in more than one place, or in one that is gone: {place}"
    return place, ""


def _folder(repo: Repo, which: str) -> Path:
    """A folder that git names, such as ``--git-common-dir``."""
    done = git(repo, "rev-parse", "--path-format=absolute", which)
    return Path(os.fsdecode(done.out.removesuffix(b"\n")))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _fast_forward(base: Base, worktree: Repo, present: str, target: str) -> BaseReport:
    """Move a clean worktree forward. Git itself refuses to overwrite what it does not know."""
    problem = _hindrance(worktree, present, target)
    if problem:
        return _left(base, problem, present, target)
    words = ("--ff-only", "--quiet", "--no-stat", "--no-autostash", "--no-overwrite-ignore", "--no-verify-signatures")
    try:
        git(worktree, "merge", *words, "--end-of-options", target, timeout=LONG)
    except FleetError as error:
        if refs(base.checkout, base.ref).get(base.ref, "") != target:
            return _left(base, f"git would not fast-forward it: {error.message}", present, target)
    return BaseReport("updated", f"{base.name} in {worktree.path}: {target[:12]}", present, target)


def _hindrance(worktree: Repo, present: str, target: str) -> str:
    """Why a worktree that has the base checked out may not be touched; "" when it may."""
    own, common = _folder(worktree, "--git-dir"), _folder(worktree, "--git-common-dir")
    for name, what in _UNDER_WAY.items():
        if (own / name).exists():
            return f"{what} is under way in {worktree.path}"
    if (own / "index.lock").exists():
        return f"another git command is at work in {worktree.path}"
    words = ("grep", "-l", "-z", "-F", "-e", "filter=", check_sha(present), check_sha(target))
    filtered = git(worktree, *words, "--", ":(top,glob)**/.gitattributes", accept=(0, 1))
    if filtered.ok or "filter=" in _read(common / "info" / "attributes"):
        return "the repository uses filter drivers (.gitattributes), which the fleet does not run"
    if _is_dirty(worktree):
        return f"{worktree.path} has uncommitted changes"
    return ""


def _is_dirty(worktree: Repo) -> bool:
    """Whether anything tracked differs from HEAD, staged or not."""
    words = ("--porcelain=v1", "-z", "--untracked-files=no", "--ignore-submodules=dirty")
    try:
        return bool(git(worktree, "status", *words).out)
    except PermanentError as error:
        if error.code == "FLT-PROC-003":  # more changes than fit into an answer
            return True
        raise
