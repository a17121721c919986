"""Queued runs become sessions, ended sessions become outcomes: the service that owns the moves of the runs table.

One tick looks at every live run of this host: it takes queued ones, adopts what a killed daemon left (it looks
before it acts), passes on requests to stop, and records ends. What takes long is done by bounded workers, at
most one for each run; the tick itself only reads records and writes to the store.
Weakness: a start that hangs in git holds its worker for as long as git's own time limits.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fleet.config.loader import LoadedConfig
from fleet.config.paths import FleetPaths
from fleet.core.clock import SECOND, Clock
from fleet.core.errors import FleetError, TemporaryError
from fleet.core.principal import Principal, PrincipalKind
from fleet.core.probe import probe
from fleet.core.service import Tick, earliest
from fleet.core.work import Run, RunState
from fleet.runtime import moves, outcome, turns
from fleet.runtime.brief import subjects_of
from fleet.runtime.outcome import Outcome
from fleet.runtime.port import ExitRecord, Observation, Runtime, SessionRef
from fleet.runtime.providers import ProviderGate
from fleet.runtime.restarting import Restarting
from fleet.runtime.setup import failure_of
from fleet.runtime.starter import Buried, GatherFacts, Starter
from fleet.runtime.stopping import Stopping
from fleet.runtime.vendors import VENDORS
from fleet.store import capabilities, runs, sessions
from fleet.store.db import Database, Tx

MAX_EPOCH = 4  # the first start and three takeovers
STARTS_AT_ONCE = 4  # further queued runs wait; starting means cloning
LOOK_SECONDS = 0.5  # how often a live session is looked at although nothing woke us
ANSWER_SECONDS = 30.0  # how long a launched shim may take to answer
START_SECONDS = 120.0  # how long a start is tried again while only temporary errors stand in its way
PARKED_SECONDS = 1.0  # how often a run is looked at whose provider takes no further session now
LEAVE_SECONDS = 15.0  # how long a program that was asked to end may take for it
MARGIN_SECONDS = 600.0  # a capability outlives the allowance by this: a slow start, the freeze, the escrow


@dataclass(slots=True)
class _Effect:
    """Something long that is being done for a run: start, bury or clear."""

    kind: str
    run: Run
    future: Future[Any]


@dataclass(slots=True)
class _Begun:
    """A start that this process began; instants are monotonic seconds."""

    since: float
    retry_at: float = 0.0
    launched_at: float | None = None


class Runner:
    """The service. ``tick`` is called by one thread at a time."""

    name = "runner"

    def __init__(
        self,
        db: Database,
        runtime: Runtime,
        clock: Clock,
        paths: FleetPaths,
        *,
        host: str,
        config: Callable[[], LoadedConfig],
        config_at: Callable[[str], LoadedConfig],
        work_facts: GatherFacts,
        programs: Path,
        executor: Executor,
        wake: Callable[[], None] = lambda: None,
        may_start: Callable[[], bool] = lambda: True,
        door: str = "",
        on_trouble: Callable[[str, FleetError], None] = lambda _who, _error: None,
    ) -> None:
        """``executor`` bounds the effects; ``wake`` asks for another tick and is called from its threads.

        ``config`` knows the configuration in force, ``config_at`` the one of a hash: a run keeps what it was dispatched
        under. ``work_facts`` gathers the live state around a run; it may be slow and may raise TemporaryError.
        ``programs`` is the folder of the fleet command, ``door`` the base URL of the daemon's loopback port. While
        ``may_start`` says False, queued runs wait. ``on_trouble`` hears, as ``runner``, of what is put off.
        """
        self._db = db
        self._runtime = runtime
        self._clock = clock
        self._host = host
        self._config = config
        self._config_at = config_at
        self._executor = executor
        self._wake = wake
        self._may_start = may_start
        self._on_trouble = on_trouble
        self._starter = Starter(
            db, runtime, clock, paths, config_at=config_at, work_facts=work_facts, programs=programs, door=door
        )
        self._effects: dict[str, _Effect] = {}  # by run
        self._begun: dict[str, _Begun] = {}  # by session
        self._watched: set[str] = set()  # sessions
        self._told: set[str] = set()  # sessions that were asked to stop
        self._dismissed: dict[str, float] = {}  # sessions whose agent was asked to end, and when (monotonic)
        self._gate = ProviderGate(db, clock, config_at)
        self._stopping = Stopping(db, runtime, paths, config_at)
        self._restarting = Restarting(db, runtime, self._gate, config_at)
        self._uncleared: dict[str, Run] | None = None  # by run; None until the first tick has looked

    def tick(self, now: int) -> Tick:
        """Move every run on as far as it goes without waiting. Raises TemporaryError when tmux cannot be asked."""
        did = self._collect()
        trouble: TemporaryError | None = None
        waits: list[float | None] = [LOOK_SECONDS] if self._effects else []
        for run in self._db.read(runs.live):
            if run.id in self._effects:
                continue
            try:
                moved, wait = self._step(run)
            except TemporaryError as error:
                trouble, moved, wait = error, 0, LOOK_SECONDS
            did += moved
            waits.append(wait)
        self._clear_some()
        if trouble is not None and did == 0:
            raise trouble
        return Tick(did, earliest(*(now + round(wait * SECOND) for wait in waits if wait is not None)))

    # -- one run, one step: (how much changed, seconds until the next look) -----------------------

    def _step(self, run: Run) -> tuple[int, float | None]:
        if run.state is RunState.QUEUED:
            return self._step_queued(run)
        if run.host != self._host:
            return 0, None
        seen = self._runtime.observe(self._starter.ref(run))
        if seen.state == "exited" and seen.exit is not None:
            return self._record_exit(run, seen, seen.exit), None
        if seen.state == "foreign":
            return self._leave_alone(run, seen), LOOK_SECONDS
        if run.state is RunState.STARTING:
            return self._step_starting(run, seen)
        if seen.state in ("absent", "vanished"):
            return self._begin("bury", run, partial(self._starter.bury, run)), None
        ref = self._starter.ref(run)
        self._attend(run)
        if seen.died is not None and not seen.frozen:
            self._dismissed.pop(run.session, None)
            return self._restarting.answer(run, ref, seen.died)
        self._let_leave(run, ref)
        return self._restarting.note_alive(run) + self._stopping.note(run, ref, seen), LOOK_SECONDS

    def _step_queued(self, run: Run) -> tuple[int, float | None]:
        if run.cancel_reason:
            return self._finish(run, outcome.not_started(run, "")), None
        starting = sum(effect.kind == "start" for effect in self._effects.values())
        if starting >= STARTS_AT_ONCE or not self._may_start():
            return 0, None
        if not self._gate.may_start(run):
            return 0, PARKED_SECONDS
        return self._take(run), None

    def _step_starting(self, run: Run, seen: Observation) -> tuple[int, float | None]:
        """A taken run whose session was not seen alive yet, by this process or by one that was killed."""
        begun = self._begun.get(run.session)
        if seen.state == "running":
            return int(self._db.write(lambda tx: moves.answered(tx, run, seen))), LOOK_SECONDS
        if seen.state == "vanished" and seen.shim_pid:
            return self._begin("bury", run, partial(self._starter.bury, run)), None
        if seen.state == "starting":
            begun = self._begun.setdefault(run.session, _Begun(self._clock.monotonic()))
            begun.launched_at = begun.launched_at or self._clock.monotonic()
            self._attend(run)
            if self._clock.monotonic() - begun.launched_at <= ANSWER_SECONDS:
                return 0, LOOK_SECONDS
            # one that was asked to stop is not started anew; should its shim come after all, it finds the request
            return (self._finish(run, outcome.not_started(run, "")) if run.cancel_reason else self._take(run)), None
        if run.cancel_reason:
            return self._finish(run, outcome.not_started(run, "")), None
        if begun is not None and begun.launched_at is None and self._starter.knows_secret(run.session):
            return self._start_again(run, begun)
        return self._take(run), None

    def _start_again(self, run: Run, begun: _Begun) -> tuple[int, float | None]:
        """The same epoch once more, after a temporary error."""
        wait = begun.retry_at - self._clock.monotonic()
        if wait > 0:
            return 0, wait
        return self._begin("start", run, partial(self._starter.start, run)), None

    def _leave_alone(self, run: Run, seen: Observation) -> int:
        """A session of a newer program: neither stopped nor judged, only watched and put on record, once."""
        if run.session in self._watched:
            return 0
        self._watched.add(run.session)
        self._runtime.watch(self._starter.ref(run))
        return self._db.write(lambda tx: moves.left_alone(tx, run, seen))

    def _attend(self, run: Run) -> None:
        """Watch a live session, and pass on a request to stop it."""
        ref = self._starter.ref(run)
        if run.session not in self._watched:
            self._watched.add(run.session)
            self._runtime.watch(ref)
        if run.cancel_reason and run.session not in self._told:
            self._told.add(run.session)
            self._stopping.pass_on(run, ref)

    def _let_leave(self, run: Run, ref: SessionRef) -> None:
        """A session whose work is settled ends: its program is asked to, and stopped when it does not."""
        agent = self._config_at(run.config_hash).config.agent(run.agent)
        if agent is None or not VENDORS[agent.vendor].reports:
            return
        known = self._db.read(lambda tx: sessions.get(tx, run.session))
        if not (known and known.ending):
            return
        asked = self._dismissed.get(run.session)
        if asked is None:
            self._dismissed[run.session] = self._clock.monotonic()
            self._runtime.dismiss(ref)
        elif self._clock.monotonic() - asked > LEAVE_SECONDS and run.session not in self._told:
            self._told.add(run.session)
            self._runtime.stop(ref, "its work is settled and its program did not end by itself")

    # -- moves -----------------------------------------------------------------------------------

    def _take(self, run: Run) -> int:
        """Take a run as its next epoch and begin to start it; give it up after too many epochs."""
        if run.epoch >= MAX_EPOCH:
            self._runtime.stop(self._starter.ref(run), "its start was given up")
            return self._finish(run, outcome.not_started(run, f"{run.epoch} times its session did not come up"))
        loaded = self._config_at(run.config_hash)
        agent, role = loaded.config.agent(run.agent), loaded.roles.get(run.role)
        if agent is None or role is None or self._config().config.agent(run.agent) is None:
            return self._finish(run, outcome.not_started(run, "its agent or role is no longer in the configuration"))
        holder = Principal(
            PrincipalKind.AGENT,
            run.agent,
            run_id=run.id,
            role=run.role,
            verbs=role.verbs | ({"agent.start"} if agent.may_start else set()),
            emits=role.emits | set(agent.publishes),
            subjects=subjects_of(run),
        )
        session = f"{run.id}-e{run.epoch + 1}"
        token_hash = capabilities.digest(self._starter.new_secret(session))

        def transaction(tx: Tx) -> Run | None:
            return moves.take(
                tx,
                run,
                host=self._host,
                holder=holder,
                token_hash=token_hash,
                margin_seconds=MARGIN_SECONDS,
                model=loaded.model_of(agent).model,
            )

        taken = self._db.write(transaction)
        if taken is None:
            self._starter.forget_secret(session)
            return 0
        probe("start.claimed")
        self._forget(run.session)
        self._begun[session] = _Begun(self._clock.monotonic())
        return self._begin("start", taken, partial(self._starter.start, taken))

    def _record_exit(self, run: Run, seen: Observation, record: ExitRecord) -> int:
        probe("finish.observed")
        loaded = self._config_at(run.config_hash)
        agent = loaded.config.agent(run.agent)
        wanted = turns.expectation(loaded, run)

        def judge(tx: Tx, current: Run) -> Outcome:
            moves.answered(tx, current, seen)  # it may have ended before anybody saw it alive
            found = moves.emitted(tx, run.id, wanted.events)
            strict = agent is None or VENDORS[agent.vendor].exit_code_counts
            setup = failure_of(str(self._starter.ref(current).folder))
            said = sessions.get(tx, current.session)
            return outcome.of_exit(
                current,
                record,
                expected=wanted.by_role or wanted.events,
                found=found,
                any_code=not strict,
                setup=setup,
                ending=said.ending if said is not None else "",
                failure=said.failure if said is not None else "",
            )

        return self._end(run, judge)

    def _finish(self, run: Run, ending: Outcome) -> int:
        return self._end(run, lambda _tx, _current: ending)

    def _end(self, run: Run, judge: Callable[[Tx, Run], Outcome]) -> int:
        """Judge and finish in one transaction, on the row as it is then; clear up afterwards."""

        def transaction(tx: Tx) -> Run | None:
            current = runs.get(tx, run.id)
            return moves.finish(tx, current, judge(tx, current)) if current.epoch == run.epoch else None

        self._stopping.read_out(run)
        ended = self._db.write(transaction)
        if ended is None:
            return 0
        probe("finish.after_commit")
        self._forget(run.session)
        if ended.epoch:
            self._to_clear()[run.id] = ended
        return 1

    def _forget(self, session: str) -> None:
        """Drop what this process remembers of a session that is over."""
        self._begun.pop(session, None)
        self._watched.discard(session)
        self._told.discard(session)
        self._dismissed.pop(session, None)
        self._stopping.forget(session)
        self._restarting.forget(session)
        self._starter.forget_secret(session)

    # -- effects ---------------------------------------------------------------------------------

    def _begin(self, kind: str, run: Run, work: Callable[[], object]) -> int:
        """Hand something long to a worker; its end asks for another tick."""
        future = self._executor.submit(work)
        self._effects[run.id] = _Effect(kind, run, future)
        future.add_done_callback(lambda _: self._wake())
        return 1

    def _collect(self) -> int:
        """Take in what the workers have finished."""
        did = 0
        for effect in [effect for effect in self._effects.values() if effect.future.done()]:
            del self._effects[effect.run.id]
            error = effect.future.exception()
            if error is not None and not isinstance(error, FleetError):
                raise error
            after = {"start": self._after_start, "bury": self._after_burial, "clear": self._after_clearing}
            did += after[effect.kind](effect, error)
        return did

    def _after_start(self, effect: _Effect, error: FleetError | None) -> int:
        run, clock = effect.run, self._clock.monotonic()
        begun = self._begun.setdefault(run.session, _Begun(clock))
        if error is None:
            begun.launched_at = clock
            self._watched.add(run.session)
            self._starter.forget_secret(run.session)
            return 1
        if isinstance(error, TemporaryError) and clock - begun.since < START_SECONDS:
            begun.retry_at = clock + error.retry_after
            self._on_trouble(self.name, error)
            return 0
        return self._end(run, lambda _tx, current: outcome.not_started(current, str(error)))

    def _after_burial(self, effect: _Effect, error: FleetError | None) -> int:
        run = effect.run
        if isinstance(error, TemporaryError):
            return 0  # the next look finds it vanished again
        left = Buried((), "", "", str(error)) if error is not None else effect.future.result()

        def judge(tx: Tx, current: Run) -> Outcome:
            return outcome.of_loss(
                current, tx.now, survivors=left.survivors, ref=left.ref, sha=left.sha, error=left.error
            )

        return self._end(run, judge)

    def _after_clearing(self, effect: _Effect, error: FleetError | None) -> int:
        if error is not None:
            self._on_trouble(self.name, error)
        return 0

    def _to_clear(self) -> dict[str, Run]:
        """Ended runs whose session and clone are still there; at first what a killed daemon left."""
        if self._uncleared is None:
            self._uncleared = {run.id: run for run in self._starter.leftovers()}
        return self._uncleared

    def _clear_some(self) -> None:
        """Hand ended runs to the workers."""
        waiting = self._to_clear()
        for run in [waiting.pop(run) for run in list(waiting) if run not in self._effects]:
            self._begin("clear", run, partial(self._starter.clear, run))
