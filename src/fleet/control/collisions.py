"""Open pull requests that no longer merge with each other, as the lookout found them, at their present commits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleet.assess.insights import Collision
from fleet.store import journal
from fleet.store.db import Tx

_NEWEST = 500  # on record that are looked through


def collisions(tx: Tx, heads: Mapping[str, str]) -> Iterator[Collision]:
    """Pairs on record that collide at these very commits; ``heads`` is open pull request -> commit."""
    for entry in journal.select(tx, journal.Filter(type="collision.found"), limit=_NEWEST, newest=True):
        payload = entry.payload or {}
        subjects, at = payload.get("subjects"), payload.get("heads")
        if isinstance(subjects, list) and isinstance(at, list) and [heads.get(str(one)) for one in subjects] == at:
            paths = tuple(str(path) for path in _list(payload.get("paths")))
            agents = tuple(str(agent) for agent in _list(payload.get("agents")))
            yield Collision((str(subjects[0]), str(subjects[1])), agents, paths, entry.seq, entry.at)


def collision_lines(tx: Tx, subject: str, heads: Mapping[str, str]) -> list[str]:
    """What ``fleet why`` says about a pull request that collides with others."""
    lines = []
    for one in collisions(tx, heads):
        if subject in one.subjects:
            other = one.subjects[subject == one.subjects[0]]
            told = f"; {' and '.join(one.agents)} were told" if one.agents else ""
            lines.append(
                f"It and {other} no longer merge with each other: {', '.join(one.paths)} (entry {one.seq}){told}."
                f" Whichever is merged second has to resolve it. The other one: fleet why {other}"
            )
    return lines


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
