"""What ``fleet explain`` knows: a code found from how people write it, and all that is on record about it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from fleet.cli.output import Style, visible
from fleet.core.catalogue import CATALOGUE
from fleet.core.catalogue.causes import AREAS, CAUSES
from fleet.core.catalogue.words import BUG, NOTHING
from fleet.core.errors import NotFound

_FULL = re.compile(r"FLT[-_ ]?([A-Z]{3,4})[-_ ]?([0-9]{1,3})(?![0-9])", re.IGNORECASE)
_SHORT = re.compile(r"([A-Z]{3,4})[-_ ]?([0-9]{1,3})", re.IGNORECASE)
_ABSENT = re.compile(r"There is no such|No [a-z ]+ has this|The [a-z ]+ has no such|No such")
_LONGEST = 2000  # characters of a pasted line that are looked at
_NEAREST = 3

Facts = dict[str, object]


def area_of(code: str) -> str:
    """The middle of a code: FLT-STO-008 is of the area STO."""
    return code.split("-")[1]


def find(text: str) -> str | None:
    """The code that a text names, however it is written: in any case, without FLT, in brackets, in a whole line.

    None when the text names none that exists.
    """
    text = text.strip()[:_LONGEST]
    for found in [*_FULL.finditer(text), *filter(None, [_SHORT.fullmatch(text.strip("[]() "))])]:
        code = f"FLT-{found[1].upper()}-{int(found[2]):03d}"
        if code in CATALOGUE:
            return code
    return None


def in_area(text: str) -> list[str]:
    """The codes of an area that a text names (``STO``, ``flt-sto``, ``FLT-STO-``); none when it names none."""
    area = text.strip().upper().removeprefix("FLT-").strip("-")
    return sorted(code for code in CATALOGUE if area_of(code) == area)


def nearest(text: str) -> list[str]:
    """The codes that look most like a text that is none."""
    wanted = text.strip()[:40].upper()
    wanted = wanted if wanted.startswith("FLT") else f"FLT-{wanted}"
    return difflib.get_close_matches(wanted, sorted(CATALOGUE), n=_NEAREST, cutoff=0.6)


def unknown(text: str) -> NotFound:
    """The error for a text that names no code."""
    close = nearest(text)
    hint = (
        f"Close to it: {', '.join(close)}. All of them: fleet explain --list" if close else "See: fleet explain --list"
    )
    return NotFound("FLT-DOC-001", "no code has this name", where=text.strip()[:80], hint=hint)


def facts_of(code: str) -> Facts:
    """All that is known of a code. ``kind`` is ``reason`` for a yes or no of policy, else ``error``."""
    row = CATALOGUE[code]
    part, _ = AREAS[area_of(code)]
    return {
        "code": code,
        "kind": "reason" if area_of(code) == "POL" else "error",
        "area": part,
        "meaning": row.meaning,
        "causes": list(causes_of(code)),
        "remedy": row.remedy,
    }


def causes_of(code: str) -> tuple[str, ...]:
    """Likely causes: what is on record for the code, else what is usual for such a message or its area."""
    row = CATALOGUE[code]
    if row.remedy == NOTHING:
        return ()
    if code in CAUSES:
        return CAUSES[code]
    if row.remedy == BUG:
        return ("a fault of the program, not of what you typed",)
    if _ABSENT.match(row.meaning):
        return ("the name or number is misspelt, belongs to another fleet, or is gone",)
    return (AREAS[area_of(code)][1],)


def text_of(code: str, style: Style) -> str:
    """A code explained for people."""
    facts = facts_of(code)
    causes = facts["causes"]
    assert isinstance(causes, list)
    text = f"{style.paint(code, 'bold')}  {facts['meaning']}\n  from    {facts['area']}\n"
    heads = ["causes", *[""] * len(causes)]
    text += "".join(f"  {head:<7} {cause}\n" for head, cause in zip(heads, causes, strict=False))
    return text + f"  do      {facts['remedy']}\n"


def list_text(codes: Iterable[str], style: Style) -> str:
    """Codes, one a line, under their areas."""
    text, area = "", ""
    for code in codes:
        if area_of(code) != area:
            area = area_of(code)
            text += f"{chr(10) if text else ''}{style.paint(f'{area}  {visible(AREAS[area][0])}', 'bold')}\n"
        text += f"  {code:<12} {CATALOGUE[code].meaning}\n"
    return text
