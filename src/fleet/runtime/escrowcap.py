"""How much of a clone is saved: a bound in bytes and files, and what stays behind when there is more. Pure.

The smallest files come first, so that as many as possible are saved and one huge file costs only itself. A file counts
with the size it shows, holes included: reading it costs as much as if they were full.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MEGABYTE = 1_000_000
_NAMED = 5  # files that a message names


class Cap:
    """At most so many bytes and files of one session."""

    __slots__ = ("bytes", "files")

    def __init__(self, size: int = 1000 * MEGABYTE, files: int = 100_000) -> None:
        """Take both bounds; ``size`` in bytes."""
        self.bytes = size
        self.files = files

    def fits(self, sizes: Sequence[int]) -> bool:
        """Whether files of these sizes are within the bound."""
        return len(sizes) <= self.files and sum(sizes) <= self.bytes


def split(sizes: Iterable[tuple[bytes, int]], cap: Cap) -> tuple[list[bytes], list[tuple[bytes, int]]]:
    """(path, bytes) of changed files as those that are saved, and those that stay behind."""
    kept: list[bytes] = []
    left: list[tuple[bytes, int]] = []
    total = 0
    for path, size in sorted(sizes, key=lambda one: (one[1], one[0])):
        if len(kept) < cap.files and total + size <= cap.bytes:
            kept.append(path)
            total += size
        else:
            left.append((path, size))
    return kept, left


def told(left: Sequence[tuple[bytes, int]], cap: Cap) -> str:
    """What stays behind, as a sentence: how many files, how large, the largest by name."""
    largest = sorted(left, key=lambda one: (-one[1], one[0]))[:_NAMED]
    names = ", ".join(f"{_shown(path)} ({megabytes(size)})" for path, size in largest)
    more = f" and {len(left) - len(largest)} more" if len(left) > len(largest) else ""
    files = "1 file" if len(left) == 1 else f"{len(left)} files"
    whole = megabytes(sum(size for _, size in left))
    return (
        f"{files} of {whole} in all do not fit into the {megabytes(cap.bytes)} and {cap.files} files that are saved"
        f" of a session: {names}{more}"
    )


def megabytes(size: int) -> str:
    """A size in MB, with one digit where it is small."""
    return f"{size / MEGABYTE:.1f} MB" if size < 10 * MEGABYTE else f"{size / MEGABYTE:.0f} MB"


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace").encode("unicode_escape").decode("ascii")[:200]
