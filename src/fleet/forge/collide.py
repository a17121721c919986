"""Do two branches still merge with each other? Asked of git, on the bare repository, writing nothing anybody sees."""

from __future__ import annotations

from fleet.core.errors import PermanentError
from fleet.forge.gitrepo import Repo, refs, refs_merged
from fleet.forge.mergetree import merge_trees

_BRANCHES = "refs/heads/fleet"


def proposals(repo: Repo, base_ref: str) -> dict[str, str]:
    """Short name of every branch of the fleet that the base does not hold yet, with its commit."""
    found = refs(repo, base_ref, _BRANCHES)
    base = found.pop(base_ref, "")
    landed = refs_merged(repo, base, _BRANCHES) if base else frozenset()
    return {ref.removeprefix("refs/heads/"): sha for ref, sha in found.items() if ref not in landed}


def contested(repo: Repo, one: str, other: str) -> tuple[str, ...]:
    """The paths in which two commits conflict; () when they merge, have nothing in common, or one is not here."""
    try:
        found = merge_trees(repo, one, other)
    except PermanentError:
        return ()
    return found.paths if found is not None else ()
