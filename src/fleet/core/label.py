"""The fleet's own labels, and what they are called at a forge where a common prefix stands before them. Pure.

Within the fleet a label has its plain name; only the forge has the one with the prefix. A label there that has a plain
name although a prefix is configured belongs to somebody else, and is shown as that.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.core.pin import HOLD_LABEL

_HOLD = "hold"  # behind a prefix


@dataclass(frozen=True, slots=True)
class LabelSpec:
    """A label as a repository keeps it: name there, colour as six hex digits, and what it means in a line."""

    name: str
    color: str = ""
    description: str = ""


OWN = (
    LabelSpec("ready", "0075ca", "Fleet: an agent may start on this ticket"),
    LabelSpec("needs-review", "e4e669", "Fleet: this pull request waits for its reviewers"),
    LabelSpec("changes-requested", "d93f0b", "Fleet: a reviewer wants changes; it goes back to its author"),
    LabelSpec("approved", "0e8a16", "Fleet: approved at its present head; shown only, it allows nothing"),
    LabelSpec("shipped", "5319e7", "Fleet: merged, its ticket is closed"),
    LabelSpec(HOLD_LABEL, "b60205", "Fleet: nothing starts for this and nothing of it merges"),
)
_CHAIN = frozenset(one.name for one in OWN) - {HOLD_LABEL}


@dataclass(frozen=True, slots=True)
class LabelNames:
    """The two names of each label of ours: within the fleet, and at the forge behind ``prefix`` ("" = the same).

    The brake is found under both of its names, ``fleet:hold`` and the prefix with ``hold``, and written with the
    prefix.
    """

    prefix: str = ""

    def outside(self, name: str) -> str:
        """What a label of the fleet is called at the forge; any other name as it is."""
        if not self.prefix:
            return name
        if name == HOLD_LABEL:
            return self.prefix + _HOLD
        return self.prefix + name if name in _CHAIN else name

    def all_outside(self, name: str) -> tuple[str, ...]:
        """Every name at the forge that means this label."""
        return tuple(dict.fromkeys((self.outside(name), HOLD_LABEL))) if name == HOLD_LABEL else (self.outside(name),)

    def inside(self, name: str) -> str:
        """What a label at the forge is within the fleet."""
        if self.prefix and name in _CHAIN:
            return f"{name} (no prefix)"
        return self.meant(name)

    def meant(self, name: str) -> str:
        """What a person means who names a label, with the prefix or without."""
        if not self.prefix or not name.startswith(self.prefix):
            return name
        bare = name.removeprefix(self.prefix)
        return HOLD_LABEL if bare == _HOLD else bare if bare in _CHAIN else name
