"""What may go and what stays, and why: facts about each thing in, one choice for each out. Pure.

A thing goes only when everything that could still need it is known not to; every doubt keeps it. Whoever acts
looks again before it acts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from fleet.config.sections import KeepingConfig
from fleet.core.clock import SECOND

Kind = Literal["clone", "run folder", "branch", "escrow", "store copy", "left over", "unused objects", "old state"]

DAY = 86_400 * SECOND
MB = 1_000_000
_YOUNGEST_BY_SIZE = 1  # days; escrow younger than this stays, however much there is


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing on the disk. ``since`` is when its time begins (microseconds), ``needed`` why it has to stay.

    ``merged``: nothing is lost with it, because the base branch has all of it. ``sha`` is the commit of a ref,
    ``held_by`` a ref that keeps the commits of a branch, "" for none.
    """

    kind: Kind
    name: str
    size: int
    since: int
    needed: str = ""
    merged: bool = False
    sha: str = ""
    held_by: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """What becomes of a thing, in words."""

    thing: Thing
    goes: bool
    why: str

    def as_dict(self) -> dict[str, object]:
        """The choice as doors print it."""
        return {
            "kind": self.thing.kind,
            "name": self.thing.name,
            "bytes": self.thing.size,
            "since": self.thing.since,
            "goes": self.goes,
            "why": self.why,
        }


def choose(things: Iterable[Thing], limits: KeepingConfig, now: int) -> tuple[Choice, ...]:
    """One choice for each thing, in the order in which they may be acted on.

    Saved work is judged before branches, because only saved work that stays can hold a branch's commits.
    """
    every = list(things)
    escrow = _by_size([_judge(thing, limits, now) for thing in every if thing.kind == "escrow"], limits, now)
    leaving = {choice.thing.name for choice in escrow if choice.goes}
    found = [*escrow]
    for thing in every:
        if thing.kind == "branch":
            found.append(_branch(thing, leaving, limits, now))
        elif thing.kind != "escrow":
            found.append(_judge(thing, limits, now))
    return tuple(sorted(found, key=lambda choice: (_ORDER.index(choice.thing.kind), choice.thing.since)))


# Clones before the escrow that they may still add to, branches before the escrow that may hold them.
_ORDER: Sequence[Kind] = (
    "left over", "clone", "run folder", "branch", "escrow", "store copy", "unused objects", "old state",
)  # fmt: skip


def _judge(thing: Thing, limits: KeepingConfig, now: int) -> Choice:
    if thing.needed:
        return Choice(thing, False, thing.needed)
    days, what = _time_of(thing, limits)
    age = max(0, now - thing.since)
    if age < days * DAY:
        return Choice(thing, False, f"{what} {_ago(age)}; it stays {days} days")
    return Choice(thing, True, f"{what} {_ago(age)}{', and nothing is lost with it' if thing.merged else ''}")


def _time_of(thing: Thing, limits: KeepingConfig) -> tuple[int, str]:
    """How many days a thing stays, and what its time is counted from."""
    if thing.kind == "escrow" and thing.merged:
        return limits.branch_days, "all of it is merged; its run ended"
    table: dict[Kind, tuple[int, str]] = {
        "clone": (limits.clone_days, "its run ended"),
        "run folder": (limits.run_days, "its run ended"),
        "branch": (limits.branch_days, "its pull request ended"),
        "escrow": (limits.escrow_days, "never merged; its run ended"),
        "store copy": (limits.backup_days, "made before a schema change"),
        "left over": (1, "left by something that was killed"),
        "unused objects": (0, "no ref has needed them for two weeks; looked at"),
        "old state": (0, "left by a restore"),
    }
    return table[thing.kind]


def _branch(thing: Thing, leaving: set[str], limits: KeepingConfig, now: int) -> Choice:
    """A branch that is neither merged nor held by saved work that stays is never removed."""
    if not thing.needed and not thing.merged and (not thing.held_by or thing.held_by in leaving):
        return Choice(thing, False, "its commits are neither merged nor saved elsewhere")
    choice = _judge(thing, limits, now)
    if choice.goes and not thing.merged:
        return Choice(thing, True, f"{choice.why}; its commits stay in {thing.held_by}")
    return choice


def _by_size(escrow: list[Choice], limits: KeepingConfig, now: int) -> list[Choice]:
    """Let the oldest unmerged work go earlier while there is more of it than the limit."""
    left = sum(choice.thing.size for choice in escrow if not choice.goes)
    found = []
    for choice in sorted(escrow, key=lambda one: one.thing.since):
        thing = choice.thing
        young = now - thing.since < _YOUNGEST_BY_SIZE * DAY
        if left > limits.escrow_max_mb * MB and thing.size and not (choice.goes or thing.needed or young):
            left -= thing.size
            found.append(Choice(thing, True, f"more than {limits.escrow_max_mb} MB of saved work; this is the oldest"))
        else:
            found.append(choice)
    return found


def _ago(age: int) -> str:
    days = age // DAY
    return "today" if days == 0 else f"{days} day{'' if days == 1 else 's'} ago"
