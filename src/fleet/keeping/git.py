"""The fleet's repository as one file and back: every ref with all it needs, escrow included.

Reflogs and the repository's own configuration are not part of it; a restored repository is made anew, as the
fleet makes one.
"""

from __future__ import annotations

from pathlib import Path

from fleet.core.errors import FleetError, IntegrityError
from fleet.forge.gitrepo import LONG, Repo, git, merge_bases, refs
from fleet.forge.localbase import new_bare

_EVERYTHING = "refs/"


def bundle(bare: Path, target: Path) -> dict[str, str]:
    """Write the repository into one file; the refs in it with their commits."""
    git(Repo(bare, bare=True), "bundle", "create", "--quiet", str(target), "--all", timeout=LONG)
    target.chmod(0o600)
    listed = git(Repo(bare, bare=True), "bundle", "list-heads", str(target), timeout=LONG)
    pairs = (line.partition(" ") for line in listed.text.splitlines())
    return {name: sha for sha, _, name in pairs if name.startswith(_EVERYTHING)}


def all_refs(bare: Path) -> dict[str, str]:
    """Every ref of a repository with its commit."""
    return refs(Repo(bare, bare=True), _EVERYTHING.rstrip("/"))


def unbundle(source: Path, folder: Path, base: str, expected: dict[str, str]) -> None:
    """Make a repository of a bundle. Raises IntegrityError FLT-KEP-011 unless it holds exactly these refs, whole."""
    sha256 = any(len(sha) == 64 for sha in expected.values())
    repo = new_bare(folder, base, sha256=sha256)
    words = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance")
    try:
        git(repo, "fetch", *words, "--end-of-options", str(source), "+refs/*:refs/*", timeout=LONG)
        found = all_refs(folder)
    except FleetError as error:
        raise damaged(f"the repository in it cannot be read: {error.message}") from error
    if found != expected:
        odd = sorted(set(found.items()) ^ set(expected.items()))
        raise damaged(f"the repository in it does not hold the refs that it should: {odd[0][0]}")


def related(bare: Path, checkout: Path, base: str) -> bool:
    """Whether a checkout's base branch and a repository's share history. True where the checkout has no such branch."""
    ref = f"refs/heads/{base}"
    ours, theirs = refs(Repo(bare, bare=True), ref).get(ref, ""), refs(Repo(checkout), ref).get(ref, "")
    if not theirs or ours == theirs:
        return bool(ours)
    look = Repo(bare, bare=True)
    git(look, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
        "--end-of-options", str(checkout), theirs, timeout=LONG)  # fmt: skip
    return bool(merge_bases(look, ours, theirs))


def damaged(what: str) -> IntegrityError:
    """The error for a backup that is not what it was."""
    return IntegrityError("FLT-KEP-011", f"this backup cannot be used: {what}", hint="Take another backup.")
