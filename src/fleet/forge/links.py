"""What else changes with a path: symbolic links that lead to it. Whoever reads the link reads the changed file.

Of a link only its target's text in the tree counts; one that leads out of the repository leads nowhere here.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping

from fleet.forge.gitrepo import Repo, check_sha, git

_LINK = b"120000"
_HOPS = 8
_MOST = 20_000


def links_in(repo: Repo, trees: Iterable[str]) -> dict[str, set[str]]:
    """Every symbolic link of some commits, with the paths it leads to from the root of the repository."""
    blobs: dict[str, set[str]] = {}  # link -> blobs
    for tree in trees:
        listing = git(repo, "ls-tree", "-r", "-z", "--full-tree", "--end-of-options", check_sha(tree)).out
        for row in listing.split(b"\0"):
            facts, _, path = row.partition(b"\t")
            if facts.startswith(_LINK):
                blobs.setdefault(_text(path), set()).add(facts.split()[2].decode())
    targets = _contents(repo, {blob for found in blobs.values() for blob in found})
    return {link: {_from_root(link, targets[blob]) for blob in found} - {""} for link, found in blobs.items()}


def reached(paths: Iterable[str], links: Mapping[str, set[str]]) -> tuple[str, ...]:
    """The paths, and those under which links show them too, through other links as well; sorted. Pure.

    Links that lead in circles give ever longer names of the same: after ``_HOPS`` links nothing is followed, and where
    there are more than ``_MOST`` names every link counts as changed.
    """
    leading: dict[str, list[str]] = {}  # target -> links
    for link, targets in links.items():
        for target in targets:
            leading.setdefault(target, []).append(link)
    found = paths = set(paths)
    fresh = found if leading else set()
    for _ in range(_HOPS):
        fresh = {name for path in fresh for name in _names(path, leading)} - found
        found = found | fresh
        if len(found) > _MOST:
            return tuple(sorted({*paths, *links}))
    return tuple(sorted(found))


def _names(path: str, leading: Mapping[str, list[str]]) -> Iterator[str]:
    """The other names of a path: of itself, and of every folder that it is in."""
    cut = len(path)
    while cut > 0:
        for link in leading.get(path[:cut], ()):
            yield link + path[cut:]
        cut = path.rfind("/", 0, cut)


def _from_root(link: str, target: str) -> str:
    """Where a link leads, as a path from the root; "" for anywhere else."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(link), target))
    return "" if path.startswith(("/", "..")) or path == "." else path


def _contents(repo: Repo, blobs: set[str]) -> dict[str, str]:
    """The texts of some small objects."""
    if not blobs:
        return {}
    wanted = sorted(blobs)
    out = git(repo, "cat-file", "--batch", stdin="".join(f"{blob}\n" for blob in wanted).encode()).out
    texts: dict[str, str] = {}
    at = 0
    for blob in wanted:
        end = out.index(b"\n", at)
        size = int(out[at:end].split()[2])
        texts[blob] = _text(out[end + 1 : end + 1 + size])
        at = end + 1 + size + 1
    return texts


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
