"""The command line of a ``vendor: command`` agent: its placeholders, and what is wrong with one. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

# What a word may contain in braces, and what it stands for.
PLACEHOLDERS = {
    "brief": "the path of brief.json: what started the run, and the live state around it",
    "handbook": "the path of handbook.md: what the agent reads about its role, its rules and this repository",
    "prompt": "the path of a copy of .fleet/prompts/<name>.md",
    "fleet": "the path of the .fleet/ folder in your checkout",
    "model": "the agent's `model`",
}
_BRACES = re.compile(r"\{([a-z_]+)\}")


def filled(word: str, values: Mapping[str, str]) -> str:
    """Replace the known placeholders; every other brace stays as it is."""
    return _BRACES.sub(lambda found: values.get(found[1], found[0]), word)


def faults_of(command: tuple[str, ...]) -> Iterator[tuple[int, str, str]]:
    """What is wrong: which word, what it is, what was expected."""
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    for index, word in enumerate(command):
        if "\0" in word:
            yield index, "a word of the command holds a NUL character", "text that a program can be given"
        for name in _BRACES.findall(word):
            if name not in PLACEHOLDERS:
                yield index, f"unknown placeholder {{{name}}}", f"one of {known}"
    if command and not _findable(command[0]):
        yield 0, f"the program is {command[0]!r}", "a name to look up, a full path, or one that begins with {fleet}/"


def _findable(program: str) -> bool:
    """A path inside the clone would let the branch decide what runs."""
    return bool(program) and ("/" not in program or program.startswith(("/", "{fleet}/")))
