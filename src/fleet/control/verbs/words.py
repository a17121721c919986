"""What a row of the verb table says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Access(StrEnum):
    """Who may call a verb."""

    READ = "read"  # people, and every run with a live capability
    ROLE = "role"  # people; a run whose capability names the verb, on the subjects it names
    START = "start"  # people; a run whose agent may start the named one, on its own subjects
    HUMAN = "human"  # people only, whatever a capability says


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument. ``kind`` names a checker of ``control.arguments``; a missing optional one has its default."""

    name: str
    kind: str
    default: object = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Verb:
    """One row. ``quick`` verbs are a single transaction; the others may wait for git, tmux or a condition.

    ``patient`` verbs may be done again from their start: an agent's call waits for a forge that is away.
    """

    name: str
    access: Access
    args: tuple[Arg, ...]
    gives: str
    quick: bool = False
    patient: bool = False


def need(name: str, kind: str) -> Arg:
    """An argument that a call cannot do without."""
    return Arg(name, kind, required=True)


NUMBER = need("number", "number")
