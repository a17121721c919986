"""systemd's side of a unit file, as strict as the manual pages: for tests, so that they need no systemd.

Reads sections and assignments, takes command lines and assignments apart by systemd's rules (quotes, C escapes, ``%%``
and ``$$``), and refuses what systemd would refuse or take for something else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECTIONS = ("Unit", "Service", "Install")
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", '"': '"', "'": "'", "s": " "}

Unit = dict[str, list[str]]  # "Section.Key" -> its values, in order


def parse(text: str) -> Unit:
    """Every assignment of a unit."""
    found: Unit = {}
    section = ""
    for line in text.splitlines():
        if not line.strip() or line[0] in "#;":
            continue
        heading = re.fullmatch(r"\[(\w+)\]", line)
        if heading:
            section = heading[1]
            assert section in _SECTIONS, line
            continue
        assignment = re.fullmatch(r"([A-Z][A-Za-z]+)=(.*)", line)
        assert assignment, f"no assignment: {line!r}"
        assert section, f"before any section: {line!r}"
        assert not line.endswith("\\"), f"goes on in the next line: {line!r}"
        found.setdefault(f"{section}.{assignment[1]}", []).append(assignment[2])
    return found


def words(value: str) -> list[str]:
    """A value's words: quotes, escapes and specifiers resolved; dollar signs as they are."""
    found: list[str] = []
    at = 0
    while at < len(value):
        if value[at] == " ":
            at += 1
            continue
        word, quote = "", ""
        while at < len(value) and (quote or value[at] != " "):
            letter = value[at]
            if letter == "\\":
                word += _ESCAPES[value[at + 1]]
                at += 2
            elif letter == quote:
                quote, at = "", at + 1
                assert at == len(value) or value[at] == " ", "a quote that ends inside a word"
            elif letter in "\"'" and not word and not quote:
                quote, at = letter, at + 1
            elif letter == "%":
                assert value[at + 1 : at + 2] == "%", f"a specifier: {value[at : at + 2]}"
                word, at = word + "%", at + 2
            else:
                word, at = word + letter, at + 1
        assert not quote, "a quote that does not end"
        found.append(word)
    return found


def command(value: str, env: Mapping[str, str]) -> list[str]:
    """The argv of an ExecStart or ExecReload line, with variables put in."""
    program, *rest = words(value)
    assert program.startswith("/"), "systemd wants an absolute path"
    assert ";" not in rest, "a second command"

    def put_in(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else env[found[1]]

    return [program, *(re.sub(r"\$(?:\$|(\w+))", put_in, word) for word in rest)]


def environment(unit: Unit) -> dict[str, str]:
    """What the unit puts into the service's environment."""
    return dict(word.split("=", 1) for value in unit.get("Service.Environment", []) for word in words(value))
