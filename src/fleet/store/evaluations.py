"""What evaluation reads: entries of a window by type, and how the runs that they name began. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fleet.core.journal import Entry
from fleet.store import journal
from fleet.store.db import Tx

_PIECE = 500  # bound parameters in one statement
RECORDED = "evaluation.recorded"


def window(tx: Tx, types: Sequence[str], *, since: int, until: int) -> list[Entry]:
    """Entries of these types from ``since`` on and before ``until`` (microseconds; 0 = no bound), in journal order."""
    first = journal.seq_before(tx, since) if since else 0
    last = journal.seq_before(tx, until) if until else journal.head(tx)[0]
    marks = ", ".join(f":t{number}" for number in range(len(types)))
    names: dict[str, object] = {f"t{number}": name for number, name in enumerate(types)}
    return journal.where(
        tx, f"j.seq > :first AND j.seq <= :last AND j.type IN ({marks})", {**names, "first": first, "last": last}
    )


def starts(tx: Tx, run_ids: Iterable[str]) -> Iterator[Entry]:
    """The newest ``run.starting`` entry of each of these runs, whenever it was."""
    wanted = sorted(set(run_ids))
    for place in range(0, len(wanted), _PIECE):
        piece = wanted[place : place + _PIECE]
        marks = ", ".join(f":r{number}" for number in range(len(piece)))
        names: dict[str, object] = {f"r{number}": run_id for number, run_id in enumerate(piece)}
        clause = f"j.run_id IN ({marks}) AND j.run_id <> '' AND j.type = 'run.starting'"
        yield from {entry.run_id: entry for entry in journal.where(tx, clause, names)}.values()


def recorded(tx: Tx, *, agent: str = "", limit: int = 20) -> list[Entry]:
    """The newest stored evaluations, newest first."""
    found = journal.select(tx, journal.Filter(type=RECORDED, agent=agent), limit=limit, newest=True)
    return found[::-1]
