"""Command lines as people read them in help texts and pages, parsed with the real parser."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from fleet.cli.door import Door
from fleet.cli.hotparse import context_of

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ENDS = ("|", "||", "&&", ";", ">", ">>", "<", "2>", "&")


@dataclass(slots=True)
class Typed:
    """What somebody types in a console block, and the lines that are shown below it."""

    command: str
    shown: list[str] = field(default_factory=list)


def blocks(page: str, language: str = "console") -> Iterator[str]:
    """The fenced blocks of a language."""
    for found in _FENCE.finditer(page):
        if found[1] == language:
            yield found[2]


def typed(block: str) -> list[Typed]:
    """The commands of a console block: lines after ``$``, gone on with by lines after ``>``."""
    found: list[Typed] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(Typed(line[2:]))
        elif line.startswith("> ") and found and not found[-1].shown:
            found[-1].command += "\n" + line[2:]
        elif found:
            found[-1].shown.append(line)
    return found


def fleet_calls(command: str) -> Iterator[list[str]]:
    """The words of every call of ``fleet`` in a shell command, without the program's name."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True  # with it, only white space and the shell's own signs end a word
    lexer.commenters = "#"
    call: list[str] | None = None
    first = True
    for word in lexer:
        if word in _ENDS or set(word) <= set("|&;<>()"):
            if call is not None:
                yield call
            call, first = None, word not in (">", ">>", "<", "2>")
        elif call is not None:
            call.append(word)
        elif first and re.fullmatch(r"[A-Z_]+=.*", word) is None:
            call, first = ([] if word == "fleet" else None), False
    if call is not None:
        yield call


def fault(words: list[str]) -> str:
    """Why the real parser does not take these words; "" when it does."""
    if words in (["--version"], ["--help"], []):
        return ""
    try:
        context_of(list(words), Door({}, "/"))
    except click.exceptions.Exit:  # --help
        return ""
    except click.ClickException as error:
        return error.format_message()
    return ""
