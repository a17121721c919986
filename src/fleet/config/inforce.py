"""The configuration in force: one place that holds it, so that a reload is one assignment.

Whoever acts on it asks once at the beginning of a step (a tick, a call) and works with that answer to its end.
Configurations of the recent past stay known by their hash: a run is judged by the one it started with.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from fleet.config.loader import LoadedConfig

REMEMBERED = 50  # configurations; more than a fleet changes while one run lives


class InForce:
    """Holds the present configuration and remembers the ones before. Safe to use from every thread."""

    def __init__(self, loaded: LoadedConfig, past: Iterable[LoadedConfig] = ()) -> None:
        """``past`` are earlier ones that live runs may have started with, oldest first."""
        self._lock = threading.Lock()
        self._known: dict[str, LoadedConfig] = {old.digest: old for old in past}
        self._now = loaded
        self._known[loaded.digest] = loaded

    def __call__(self) -> LoadedConfig:
        """The configuration of this moment."""
        return self._now

    def at(self, digest: str) -> LoadedConfig:
        """The configuration of that hash; the present one where it is no longer known."""
        return self._known.get(digest, self._now)

    def replace(self, loaded: LoadedConfig) -> None:
        """From now on this one is in force."""
        with self._lock:
            known = {digest: old for digest, old in self._known.items() if digest != loaded.digest}
            known[loaded.digest] = loaded
            for digest in list(known)[:-REMEMBERED]:
                del known[digest]
            self._known = known
            self._now = loaded
