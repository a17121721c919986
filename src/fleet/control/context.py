"""What every verb works with, and the few steps they all share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from fleet.assess.doorway import Doorway, quarantined
from fleet.config.inforce import InForce
from fleet.config.loader import LoadedConfig
from fleet.config.paths import FleetPaths
from fleet.core.errors import BudgetRefused, NotFound, Refused
from fleet.core.event import subject_kind, subject_number
from fleet.core.live import LiveEffects, LivePull, LiveState
from fleet.core.principal import Principal
from fleet.core.work import Run, RunState
from fleet.forge.port import Forge
from fleet.keeping.gauge import DiskGauge
from fleet.runtime.port import Runtime, SessionRef
from fleet.store import journal, risk, runs
from fleet.store.db import Database, Tx

Mode = Literal["shared-uid", "isolated"]


class Switch:
    """Whether new starts are allowed: off from ``fleet.drain`` to the daemon's next start, and while it is halted."""

    def __init__(self) -> None:
        """Starts are allowed at first."""
        self._off = threading.Event()
        self.halted = False  # until a person resumes

    @property
    def paused(self) -> bool:
        """True while the fleet goes down."""
        return self._off.is_set()

    @property
    def closed(self) -> bool:
        """True while nothing new may start, for whichever reason."""
        return self.paused or self.halted

    def pause(self) -> None:
        """Stop new starts."""
        self._off.set()

    def wait(self, seconds: float) -> bool:
        """Wait; True as soon as new starts are off."""
        return self._off.wait(seconds)


class KeyLocks:
    """One lock for each name, so that two pushes of one branch follow each other and others do not wait."""

    def __init__(self) -> None:
        """No lock exists until it is asked for."""
        self._guard = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Hold the lock of a name; it vanishes with its last user."""
        with self._guard:
            lock, users = self._locks.get(name, (threading.Lock(), 0))
            self._locks[name] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, users = self._locks.pop(name)
                if users > 1:
                    self._locks[name] = (lock, users - 1)


@dataclass(frozen=True, slots=True)
class Host:
    """Which process answers: its pid, whether a supervisor watches over it, its services' states, since when."""

    pid: int
    supervised: bool
    services: Callable[[], Sequence[Mapping[str, object]]]
    started_at: int = 0


@dataclass(frozen=True, slots=True)
class Context:
    """The rooms that verbs speak to, and where they are.

    ``live`` and ``effects`` are the forge in the words of policy and dispatch; ``host`` is None without a
    daemon (reading only).
    """

    db: Database
    forge: Forge
    live: LiveState
    effects: LiveEffects
    runtime: Runtime
    config: InForce
    paths: FleetPaths
    mode: Mode
    owner: Principal  # the person this fleet belongs to
    disk: DiskGauge
    switch: Switch = field(default_factory=Switch)
    locks: KeyLocks = field(default_factory=KeyLocks)
    doorway: Doorway = field(default_factory=Doorway)
    host: Host | None = None

    @property
    def loaded(self) -> LoadedConfig:
        """The configuration in force at this moment."""
        return self.config()

    def session_ref(self, run: Run) -> SessionRef:
        """How the runtime finds the session of a run."""
        return SessionRef(run.session, run.id, run.epoch, self.paths.runs / run.session)


# What each control module offers the verb table: the verb and the function that does it.
Handlers = Mapping[str, Callable[[Context, Principal, dict[str, Any]], dict[str, Any]]]


def still_alive(tx: Tx, principal: Principal) -> Run | None:
    """The run that speaks, None for a person; called inside the transaction that records the outcome.

    Raises Refused FLT-AUT-001 if the run has ended, or was taken over, since its capability was looked at,
    BudgetRefused FLT-RSK-001 if its agent was quarantined.
    """
    if not principal.is_agent:
        return None
    run = runs.get(tx, principal.run_id)
    if run.epoch != principal.epoch or run.state not in (RunState.STARTING, RunState.RUNNING):
        raise refusal_of(tx, principal) or Refused(
            "FLT-AUT-001",
            "the run has ended meanwhile, and its capability with it",
            where=principal.run_id,
            hint="Its work comes back as a new run.",
        )
    standing = refusal_of(tx, principal)
    if standing is not None:
        raise standing
    return run


def refusal_of(tx: Tx, principal: Principal) -> BudgetRefused | None:
    """Why a run may not act although its call was let in: its agent was quarantined since."""
    held = risk.quarantine_of(tx, principal.name)
    return quarantined(principal.name, held.reason) if held is not None else None


def work_item_of(tx: Tx, run: Run | None, subject: str) -> str:
    """The ticket that a subject belongs to as far as the journal knows, else the subject itself; "" for agents.

    All that a run may touch belongs to its own work item.
    """
    if run is not None:
        return run.work_item
    if subject_kind(subject) == "ticket":
        return subject
    if subject_kind(subject) != "pr":
        return ""
    for entry in journal.select(tx, journal.Filter(subject=subject), limit=5, newest=True):
        if entry.work_item:
            return entry.work_item
    return subject


def generation_of(tx: Tx, run: Run | None, subject: str) -> str:
    """The head that a statement about a pull request is about, as far as the journal knows.

    For a run: the head it pushed itself, else the one it was started at. For a person: the newest one.
    """
    if subject_kind(subject) != "pr":
        return ""
    if run is not None:
        return _newest_head(tx, subject, run.id) or (run.generation if run.subject == subject else "")
    return _newest_head(tx, subject, "")


def _newest_head(tx: Tx, subject: str, run_id: str) -> str:
    """The head named by the newest entry that announces one (by this run, when one is named)."""
    found = [
        entry
        for name in ("pr_created", "pr_updated", "pr_needs_review")
        for entry in journal.select(tx, journal.Filter(type=name, subject=subject, run_id=run_id), limit=1, newest=True)
    ]
    return max(found, key=lambda entry: entry.seq).generation if found else ""


def live_pull(ctx: Context, number: int) -> LivePull:
    """A pull request as it is now. Raises NotFound FLT-FRG-002."""
    pull = ctx.live.pull(number)
    if pull is None:
        raise NotFound("FLT-FRG-002", "no such pull request", where=f"pr/{number}", hint="fleet pr list shows them")
    return pull


def own_ticket(principal: Principal) -> int:
    """The ticket that a run's capability names; 0 when it names none."""
    tickets = sorted(subject_number(name) for name in principal.subjects if subject_kind(name) == "ticket")
    return tickets[0] if tickets else 0
