"""What a role may run and change, as patterns that a program can check. Pure.

**Commands.** A pattern is words with single spaces between them, and is compared with the words of a command, its
program first; no shell is understood. In a word ``*`` stands for any characters; a word ``**`` may only be the last and
stands for any further words, also none. The program's own word holds no ``*``: a name that is looked up, or a path
that begins with ``./``. ``git diff **`` allows ``git diff`` and ``git diff --stat main``; ``npm run test*`` allows
``npm run test:unit`` and not ``npm run test:unit --watch``.

**Paths.** A pattern is a path relative to the top of the repository, compared part by part, upper and lower case apart.
In a part ``*`` stands for any characters and ``?`` for one; a part ``**`` stands for any parts, also none. ``docs/**``
is everything below ``docs``, ``**/billing/**`` everything below any folder of that name, ``*.md`` a file at the top.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

PATTERN_LIMIT = 200  # characters
_PROGRAM = re.compile(r"(\./)?[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_.+-]+)*")
_WORD = re.compile(r"[A-Za-z0-9_./:=@,+%*-]+")
_PART = re.compile(r"[A-Za-z0-9_.@+*? -]+")


@dataclass(frozen=True, slots=True)
class Scope:
    """The commands a run may start and the paths it may change. ``never`` beats ``write``."""

    commands: tuple[str, ...]
    write: tuple[str, ...]
    never: tuple[str, ...]

    def may_run(self, argv: Sequence[str]) -> bool:
        """Whether one of the patterns allows these words; never for an empty command."""
        return any(command_matches(pattern, argv) for pattern in self.commands)

    def may_write(self, path: str) -> bool:
        """Whether a path, relative to the top of the clone, may be changed; never one that climbs out of it."""
        if not is_inside(path):
            return False
        if any(path_matches(pattern, path) for pattern in self.never):
            return False
        return any(path_matches(pattern, path) for pattern in self.write)


# -- commands --------------------------------------------------------------------------------------------


def command_fault(pattern: str) -> str:
    """What is wrong with a pattern for commands; "" when nothing is."""
    words = pattern.split(" ")
    if len(pattern) > PATTERN_LIMIT or not all(words):
        return f"words with single spaces between them, at most {PATTERN_LIMIT} characters"
    if "/" in words[0] and not words[0].startswith("./"):
        return "a program that is looked up, or ./ and a path below the top"
    if not _PROGRAM.fullmatch(words[0]) or ".." in words[0]:
        return "a program's own name first, without *"
    if any(not _WORD.fullmatch(word) for word in words[1:]):
        return "words of letters, digits and _ . / : = @ , + % * -"
    if any("**" in word for word in words[1:-1]) or ("**" in words[-1] and words[-1] != "**"):
        return "** only as a last word by itself"
    return ""


def command_matches(pattern: str, argv: Sequence[str]) -> bool:
    """Whether a pattern allows a command, given as its words."""
    words = pattern.split(" ")
    if words[-1] == "**":
        words = words[:-1]
        argv = argv[: len(words)]
    return len(words) == len(argv) > 0 and all(
        fnmatch.fnmatchcase(given, _literal(word)) for word, given in zip(words, argv, strict=True)
    )


def _literal(word: str) -> str:
    """A word as fnmatch reads it: only the star means something."""
    return word.replace("[", "[[]").replace("?", "[?]")


def command_covered(pattern: str, wider: Iterable[str]) -> bool:
    """Whether everything that ``pattern`` allows is allowed by one of the wider ones; in doubt no."""
    words = pattern.split(" ")
    for other in wider:
        known = other.split(" ")
        if words == known:
            return True
        if known[-1] == "**" and known[:-1] == words[: len(known) - 1]:
            return True
    return False


# -- paths -----------------------------------------------------------------------------------------------


def path_fault(pattern: str) -> str:
    """What is wrong with a pattern for paths; "" when nothing is."""
    parts = pattern.split("/")
    if len(pattern) > PATTERN_LIMIT or not all(parts):
        return f"a relative path without empty parts, at most {PATTERN_LIMIT} characters"
    if any(part in (".", "..") or not _PART.fullmatch(part) for part in parts):
        return "parts of letters, digits, spaces and _ . @ + - * ?, none of them . or .."
    if any("**" in part and part != "**" for part in parts):
        return "** only as a part by itself"
    return ""


def path_matches(pattern: str, path: str) -> bool:
    """Whether a pattern means a path; both relative to the top of the repository."""
    return _compiled(pattern).fullmatch(path) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    text = ""
    parts = pattern.split("/")
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        if part == "**":
            text += "(?s:.+)" if last else "(?:[^/]+/)*"
        else:
            text += re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]") + ("" if last else "/")
    return re.compile(text)


def path_covered(pattern: str, wider: Iterable[str]) -> bool:
    """Whether everything that ``pattern`` means is meant by one of the wider ones; in doubt no."""
    for other in wider:
        if other in (pattern, "**"):
            return True
        if other.endswith("/**") and "*" not in other[:-3] and pattern.startswith(other[:-2]):
            return True
    return False


def is_inside(path: str) -> bool:
    """True for a plain relative path that stays below the top: no dots that climb, nothing hidden in it."""
    pure = PurePosixPath(path)
    if not path or not path.isprintable() or "\\" in path or pure.is_absolute():
        return False
    return ".." not in pure.parts and str(pure) == path != "."
