"""May a session be started at its provider now? Not while that is parked; afterwards one after the other."""

from __future__ import annotations

from collections.abc import Callable

from fleet.config.loader import LoadedConfig
from fleet.core.clock import Clock
from fleet.core.work import Run
from fleet.runtime.vendors.port import provider_of
from fleet.store import parks
from fleet.store.db import Database


class ProviderGate:
    """Asked by the runner before it takes a queued run."""

    def __init__(self, db: Database, clock: Clock, config_at: Callable[[str], LoadedConfig]) -> None:
        """Take where parks are recorded and what a run was dispatched under."""
        self._db = db
        self._clock = clock
        self._config_at = config_at
        self._last: dict[str, float] = {}  # provider -> the last start since its park (monotonic)

    def may_start(self, run: Run) -> bool:
        """Whether a run may start now; a yes counts as its start.

        As long as a provider that was parked has not answered again, starts are a pause apart: a herd of them
        would meet the same limit.
        """
        config = self._config_at(run.config_hash).config
        agent = config.agent(run.agent)
        if agent is None:
            return True
        provider = provider_of(config, agent)
        park = self._db.read(lambda tx: parks.get(tx, provider))
        if park is None:
            self._last.pop(provider, None)
            return True
        if park.until > self._clock.now():
            return False
        last, now = self._last.get(provider), self._clock.monotonic()
        if last is not None and now - last < config.claude.stagger_seconds:
            return False
        self._last[provider] = now
        return True
