"""What a checkout's own files say about its repository: is it one, and on which branch. Starts no program."""

from __future__ import annotations

import re
from pathlib import Path

from fleet.core.errors import NotFound, UsageError

_HEADS = "refs/heads/"
_ORIGIN = '[remote "origin"]'
_URL = re.compile(r"url\s*=\s*(\S+)")
_GITHUB = re.compile(
    r"(?:https://(?:[^@/\s]+@)?github\.com/|ssh://git@(?:ssh\.)?github\.com(?::[0-9]+)?/|git@github\.com:)"
    r"([A-Za-z0-9][A-Za-z0-9-]*)/([A-Za-z0-9._-]+?)(?:\.git)?/?"
)
_SMALL = 4096  # bytes; HEAD, pointers and loose refs are far smaller


def current_branch(checkout: Path) -> str:
    """The branch that is checked out at the top of a repository, which must have a commit.

    Raises NotFound FLT-CFG-012 when this is not the top of a git repository, UsageError FLT-CFG-013 when it
    is on no branch or has no commit.
    """
    inside = _git_folder(checkout)
    head = _text(inside / "HEAD") if inside is not None else ""
    if inside is None or not head:
        raise NotFound(
            "FLT-CFG-012",
            "this is not the top folder of a git repository",
            where=str(checkout),
            hint="Go to its top folder, or make one: git init.",
        )
    reference = head.removeprefix("ref: ")
    if reference == head or not reference.startswith(_HEADS):
        hint = "Check out the branch that work is merged into."
        raise UsageError("FLT-CFG-013", "no branch is checked out", where=str(checkout), hint=hint)
    if not _has_commit(inside, reference):
        branch = reference.removeprefix(_HEADS)
        hint = "Make a first commit: git commit --allow-empty -m 'First commit'."
        raise UsageError("FLT-CFG-013", f"branch {branch} has no commit yet", where=str(checkout), hint=hint)
    return reference.removeprefix(_HEADS)


def github_repo(checkout: Path) -> str:
    """``owner/name`` where the remote ``origin`` is a repository at GitHub, by ssh or https; else ""."""
    inside = _git_folder(checkout)
    if inside is None:
        return ""
    shared = inside / (_text(inside / "commondir") or ".")
    try:
        lines = (shared / "config").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    section, url = "", ""
    for line in map(str.strip, lines):
        if line.startswith("["):
            section = line
        elif section == _ORIGIN and (found := _URL.fullmatch(line)) is not None:
            url = found[1]
    found = _GITHUB.fullmatch(url)
    return f"{found[1]}/{found[2]}" if found is not None else ""


def _git_folder(checkout: Path) -> Path | None:
    """``.git``, or where a ``.git`` file of a worktree or submodule points."""
    place = checkout / ".git"
    if place.is_dir():
        return place
    pointer = _text(place)
    if not pointer.startswith("gitdir: "):
        return None
    found = checkout / pointer.removeprefix("gitdir: ")
    return found if found.is_dir() else None


def _has_commit(inside: Path, reference: str) -> bool:
    """True when the reference is there, loose or packed, in the repository or the one that a worktree shares."""
    shared = inside / (_text(inside / "commondir") or ".")
    if any(_text(place / reference) for place in (inside, shared)):
        return True
    try:
        packed = (shared / "packed-refs").read_text("utf-8", "replace")
    except OSError:
        return False
    return any(line.endswith(f" {reference}") for line in packed.splitlines())


def _text(path: Path) -> str:
    """The first bytes of a small file as stripped text; "" when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_SMALL).decode("utf-8", "replace").strip()
    except OSError:
        return ""
