"""The runner alone on a real store, a real bare repository and clones, with sessions in memory and a turned clock.

What the other rooms would do (queue a run, ask it to stop, emit an event in its name) a test does by one call
each. ``Crash`` at a named point stands for the daemon's sudden end; ``restart`` for the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fleet.config.catalogue import load_roles
from fleet.config.paths import FleetPaths
from fleet.core import probe
from fleet.core.errors import FleetError
from fleet.core.journal import Draft, Entry, Stream
from fleet.core.service import Tick
from fleet.core.work import DeliveryState, Run, RunState
from fleet.runtime.brief import WorkFacts
from fleet.runtime.runner import Runner
from fleet.store import deliveries, journal, runs
from fleet.store.db import Database, Tx
from fleet.store.open import open_for_daemon
from fleet.testing.clock import ManualClock
from fleet.testing.fake_runtime import Agent, FakeRuntime, FakeSession, hang
from fleet.testing.repos import git, make_checkout
from fleet.testing.scene import load, member, usual_members

_PATIENCE = 200  # ticks; a runner that is still busy then does not come to rest


class Crash(BaseException):
    """The process ends here, without any clean-up. No handler of ours may catch it."""


class InlineExecutor(Executor):
    """Does everything at once, in the caller's thread. Our errors arrive in the future, all others go through."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        """Call ``fn`` now."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **more))
        except FleetError as error:
            future.set_exception(error)
        return future


class HandExecutor(Executor):
    """Does what it was given when the test says so; nothing before."""

    def __init__(self) -> None:
        """Nothing waits."""
        self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        """Put ``fn`` aside."""
        future: Future[Any] = Future()
        self.waiting.append((future, lambda: fn(*args, **more)))
        return future

    def work(self) -> int:
        """Do everything that waits; how much that was."""
        jobs, self.waiting = self.waiting, []
        for future, job in jobs:
            try:
                future.set_result(job())
            except FleetError as error:
                future.set_exception(error)
        return len(jobs)


class Workshop:
    """One store, one repository, one runtime, and a runner that can be restarted."""

    def __init__(self, folder: Path, *, agent: Agent = hang, executor: Executor | None = None) -> None:
        """``agent`` plays every session; ``executor`` is inline unless a test wants to be the worker itself."""
        self.clock = ManualClock()
        self.paths = FleetPaths(folder / "checkout", "test", folder / "state", folder / "runtime")
        make_checkout(self.paths.checkout)
        self._write_playbooks()
        self.paths.state.mkdir()
        git(folder, "clone", "--quiet", "--bare", str(self.paths.checkout), str(self.paths.bare))
        self.base = git(self.paths.bare, "rev-parse", "main")
        self.db: Database = open_for_daemon(self.paths.database, clock=self.clock)
        others = (
            member("starter", "developer", may_start=("developer",)),
            member("outsider", "developer", vendor="command", command=("true",)),
        )
        self.loaded = load((*usual_members(), *others), load_roles())
        self.runtime = FakeRuntime(self.clock, agent=agent)
        self.executor = executor or InlineExecutor()
        self.facts: Callable[[Run], WorkFacts] = lambda run: WorkFacts(branch="fleet/7", base="main")
        self.open_for_starts = True
        self.wakes = 0
        self.troubles: list[str] = []
        self.restart()

    def _write_playbooks(self) -> None:
        folder = self.paths.config.parent / "playbooks"
        folder.mkdir(parents=True)
        for name in ("developer", "qa-engineer", "release-manager", "tech-lead", "starter"):
            (folder / f"{name}.yaml").write_text(f"version: 1\nrules: [{{on: ticket_ready, do: [{{say: {name}}}]}}]\n")

    def restart(self, *, host: str = "here") -> None:
        """Another process: a runner that remembers nothing."""
        self.runner = Runner(
            self.db,
            self.runtime,
            self.clock,
            self.paths,
            host=host,
            config=lambda: self.loaded,
            config_at=lambda _digest: self.loaded,
            work_facts=lambda run: self.facts(run),
            programs=Path("/opt/fleet/bin"),
            executor=self.executor,
            wake=self._count_wake,
            may_start=lambda: self.open_for_starts,
            on_trouble=lambda _who, error: self.troubles.append(error.message),
        )

    def close(self) -> None:
        """Close the store and forget any planted crash."""
        probe.install(None)
        self.db.close()

    def _count_wake(self) -> None:
        self.wakes += 1

    # -- time ----------------------------------------------------------------------------------

    def tick(self) -> Tick:
        """One step of the runner."""
        return self.runner.tick(self.clock.now())

    def rest(self) -> int:
        """Let runner and sessions move until neither does; how much they moved. Time stands still."""
        total = 0
        for _ in range(_PATIENCE):
            did = self.tick().did + self.runtime.step()
            if did == 0:
                return total
            total += did
        raise AssertionError("the runner does not come to rest")

    def running(self, **more: Any) -> str:
        """A queued run, made as ``queue`` makes it, whose session is alive."""
        run_id = self.queue(**more)
        self.rest()
        assert self.state(run_id) is RunState.RUNNING
        return run_id

    def settle(self) -> int:
        """Tick the runner alone until it has nothing to do; sessions stand still."""
        for count in range(_PATIENCE):
            if self.tick().did == 0:
                return count
        raise AssertionError("the runner does not come to rest")

    @contextmanager
    def crash_at(self, point: str) -> Iterator[None]:
        """Expect the process to end at this point in the body; afterwards a new one stands ready."""

        def handler(name: str) -> None:
            if name == point:
                raise Crash(point)

        probe.install(handler)
        try:
            yield
        except Crash:
            probe.install(None)
            self.restart()
            return
        finally:
            probe.install(None)
        raise AssertionError(f"{point} was never reached")

    # -- what other rooms would do -------------------------------------------------------------

    def queue(
        self,
        agent: str = "developer",
        event: str = "ticket_ready",
        subject: str = "ticket/7",
        *,
        generation: str = "",
        work_item: str = "ticket/7",
        allowance: float = 60.0,
        kind: str = "timeout",
    ) -> str:
        """A queued run with its event and delivery, as the dispatcher leaves them; returns the run's id."""

        def transaction(tx: Tx) -> str:
            draft = Draft(Stream.EVENT, event, "forge:local", subject=subject, work_item=work_item)
            entry = journal.append(tx, draft)
            delivery = deliveries.create(
                tx,
                event_seq=entry.seq,
                event_id=entry.id,
                event_type=event,
                agent=agent,
                subject=subject,
                generation=generation,
                work_item=work_item,
            )
            assert delivery is not None
            deliveries.claim(tx, delivery, token="t", until=tx.now + 1)
            member_found = self.loaded.config.agent(agent)
            run_id = runs.create(
                tx,
                delivery_id=delivery,
                event_id=entry.id,
                event_type=event,
                role=member_found.role if member_found is not None else "developer",
                attempt=1,
                parent_run="",
                allowance_seconds=allowance,
                allowance_kind=kind,
                config_hash=self.loaded.digest,
                agent=agent,
                subject=subject,
                generation=generation,
                work_item=work_item,
            )
            deliveries.settle(tx, delivery, token="t", state=DeliveryState.DISPATCHED, run_id=run_id)
            return run_id

        return self.db.write(transaction)

    def emit(self, run_id: str, kind: str) -> None:
        """An event in the name of a run, as control records it."""
        draft = Draft(Stream.EVENT, kind, "agent:any", subject="pr/8", work_item="ticket/7", run_id=run_id)
        self.db.write(lambda tx: journal.append(tx, draft))

    def ask_cancel(self, run_id: str, reason: str = "a person said so") -> None:
        """``fleet agent stop``."""
        assert self.db.write(lambda tx: runs.ask_cancel(tx, run_id, reason))

    # -- what came of it -----------------------------------------------------------------------

    def run(self, run_id: str) -> Run:
        """The row of a run."""
        return self.db.read(lambda tx: runs.get(tx, run_id))

    def state(self, run_id: str) -> RunState:
        """The state of a run."""
        return self.run(run_id).state

    def entries(self, run_id: str) -> list[Entry]:
        """What the journal holds about a run, in order."""
        return self.db.read(lambda tx: journal.select(tx, journal.Filter(run_id=run_id)))

    def story(self, run_id: str) -> list[str]:
        """The types of those entries."""
        return [entry.type for entry in self.entries(run_id)]

    def session(self, run_id: str, epoch: int = 1) -> FakeSession:
        """The session of an epoch."""
        return self.runtime.sessions[f"{run_id}-e{epoch}"]

    def clones(self) -> list[str]:
        """Names of everything in the folder of clones."""
        return sorted(path.name for path in self.paths.clones.iterdir()) if self.paths.clones.exists() else []

    def escrows(self) -> list[str]:
        """Sessions whose work is saved in the bare repository."""
        found = git(self.paths.bare, "for-each-ref", "--format=%(refname:lstrip=3)", "refs/fleet/escrow").split()
        return sorted(found)
