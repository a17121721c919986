"""What a repository's labels lack, and which of them only look like ours. Pure.

A look-alike means nothing to the fleet, whoever put it on; people take it for the real one. GitHub itself takes two
names that differ in case only for one label: there the real one cannot be made beside it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from fleet.core.label import LabelNames, LabelSpec

# Letters of other alphabets, and digits, that are drawn like one of ours.
_SHAPES = {
    "a": "\u0430\u03b1\u0251", "b": "\u0432", "c": "\u0441\u03f2", "d": "\u0501\u0257", "e": "\u0435\u03b5\u0454",
    "g": "\u0261", "h": "\u04bb\u0570", "i": "\u0456\u03b9\u0131", "j": "\u0458", "k": "\u043a\u03ba",
    "l": "1|\u04cf", "m": "\u043c", "n": "\u043f\u0578\u03b7", "o": "0\u043e\u03bf\u0585", "p": "\u0440\u03c1",
    "r": "\u0433\u0491", "s": "\u0455", "t": "\u0442\u03c4", "u": "\u03c5\u057d", "v": "\u03bd\u0475",
    "w": "\u0461\u051d", "x": "\u0445\u03c7", "y": "\u0443\u03b3\u04af",
}  # fmt: skip
_DRAWN_LIKE = str.maketrans({other: letter for letter, others in _SHAPES.items() for other in others})


@dataclass(frozen=True, slots=True)
class LookAlike:
    """A label that looks like ``of``: why, and whether it keeps ``of`` from being made."""

    name: str
    of: str
    why: str
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class LabelPlan:
    """What is to be done; names are those at the forge. Nothing is ever deleted."""

    create: tuple[LabelSpec, ...]
    update: tuple[LabelSpec, ...]
    same: tuple[str, ...]
    look_alikes: tuple[LookAlike, ...]

    @property
    def blocked(self) -> tuple[str, ...]:
        """Labels that cannot be made beside one that the forge takes for the same."""
        return tuple(dict.fromkeys(one.of for one in self.look_alikes if one.blocks))


def plan(
    own: Iterable[LabelSpec], others: Iterable[str], present: Iterable[LabelSpec], names: LabelNames, *, caseless: bool
) -> LabelPlan:
    """Compare what is wanted with what is there.

    ``own`` are the fleet's labels and ``others`` the names of people's labels that the configuration speaks of, which
    are only made where they are missing; both as they are called at the forge. ``caseless``: so is the forge.
    """
    known = {one.name: one for one in present}
    wanted = {one.name: one for one in own}
    plain = dict.fromkeys(name for name in others if name not in wanted)
    found = _look_alikes([*wanted, *plain], known, names, caseless)
    stopped = {one.of for one in found if one.blocks}
    missing = [LabelSpec(name, "ededed", "Used by Fleet's configuration") for name in plain if name not in known]
    create = [one for one in wanted.values() if one.name not in known] + missing
    update = [one for one in wanted.values() if one.name in known and known[one.name] != one]
    changed = {one.name for one in (*create, *update)}
    return LabelPlan(
        tuple(one for one in create if one.name not in stopped),
        tuple(update),
        tuple(name for name in (*wanted, *plain) if name not in changed),
        tuple(found),
    )


def _look_alikes(wanted: list[str], known: Iterable[str], names: LabelNames, caseless: bool) -> list[LookAlike]:
    """Labels that are drawn like a wanted one, or like one without the prefix."""
    forms: dict[str, str] = {}
    for name in wanted:
        forms.setdefault(drawn(names.meant(name)), name)
        forms[drawn(name)] = name
    found = []
    for name in known:
        of = forms.get(drawn(name))
        if of is None or name in wanted or names.inside(name) == names.meant(of):
            continue
        same_letters = name.casefold() == of.casefold() and name.isascii()
        found.append(LookAlike(name, of, _why(name, of, same_letters), caseless and same_letters))
    return sorted(found, key=lambda one: (one.of, one.name))


def drawn(name: str) -> str:
    """What a name looks like: without case, accents, invisible characters, and with one form for each shape."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    shown = (char for char in plain if unicodedata.category(char) not in ("Mn", "Me", "Cf", "Cc"))
    joined = "".join("-" if char in "_ " or unicodedata.category(char) in ("Pd", "Zs") else char for char in shown)
    return joined.translate(_DRAWN_LIKE).strip("-")


def _why(name: str, of: str, same_letters: bool) -> str:
    if same_letters:
        return "upper and lower case"
    strange = dict.fromkeys(
        f"U+{ord(char):04X} {unicodedata.name(char, '?').lower()}" for char in name if ord(char) > 126
    )
    if strange:
        return "it holds " + ", ".join(list(strange)[:3])
    return "it has no prefix" if of.casefold().endswith(name.casefold()) else "it is drawn alike"
