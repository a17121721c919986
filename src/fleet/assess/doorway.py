"""Which agents may not act any more, and who is acting this moment: the part of a quarantine that is no row.

Every call of a run passes here. An effect outside the store (a merge, a push) cannot be undone by a transaction;
so the doorway is closed first, and the transaction follows when whoever was inside has come out.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from fleet.core.errors import BudgetRefused


def quarantined(name: str, reason: str = "") -> BudgetRefused:
    """The refusal that a quarantined agent meets at every door."""
    why = f": {reason}" if reason else ""
    return BudgetRefused(
        "FLT-RSK-001",
        f"{name} is quarantined{why}",
        where=f"agent/{name}",
        hint=f"A person looks (fleet risk explain {name}) and releases it: fleet agent release {name} --reason …",
    )


class Doorway:
    """Thread-safe. Empty after a restart, when nobody is inside: revoked capabilities keep the door shut then."""

    def __init__(self) -> None:
        """Everybody may pass."""
        self._lock = threading.Lock()
        self._shut: set[str] = set()
        self._inside: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def passing(self, name: str, what: str) -> Iterator[None]:
        """An agent does ``what`` inside. Raises BudgetRefused FLT-RSK-001 when its door is shut."""
        with self._lock:
            if name in self._shut:
                raise quarantined(name)
            self._inside[name, what] += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside[name, what] -= 1
                if not self._inside[name, what]:
                    del self._inside[name, what]

    @contextmanager
    def resting_on(self, names: Collection[str], what: str) -> Iterator[frozenset[str]]:
        """Somebody does ``what`` because these agents said something: a quarantine of one of them waits for it.

        Gives those whose door is shut already; on their word nothing may rest any more.
        """
        with self._lock:
            shut = self._shut.intersection(names)
            inside = [(name, what) for name in sorted(set(names) - shut)]
            self._inside.update(inside)
        try:
            yield frozenset(shut)
        finally:
            with self._lock:
                self._inside.subtract(inside)
                self._inside += Counter[tuple[str, str]]()  # without what has come down to nothing

    def shut(self, name: str) -> tuple[str, ...]:
        """Let nobody of this agent in any more; what is still being done inside."""
        with self._lock:
            self._shut.add(name)
            return tuple(sorted(what for who, what in self._inside if who == name))

    def open(self, name: str) -> None:
        """Let it pass again. Harmless when it could."""
        with self._lock:
            self._shut.discard(name)
