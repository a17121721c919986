"""A whole fleet in one thread: every service that decides, the real runner and control, real git, a hand-turned clock.

Sessions are in memory, and an agent is a function that speaks with the capability its run was given; or the test hands
in another runtime. A daemon that is dead is one whose services nobody ticks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fleet.assess.assessor import Assessor
from fleet.config.model import AgentConfig
from fleet.config.paths import FleetPaths
from fleet.control.acceptance import accept_config
from fleet.control.commands import Control
from fleet.control.halting import take_up
from fleet.core.principal import Principal
from fleet.core.service import Service
from fleet.core.work import Run
from fleet.daemon.build import AfterHalts, WhenOpen
from fleet.daemon.janitor import Janitor
from fleet.daemon.live import WorkGatherer
from fleet.daemon.lookout import Lookout
from fleet.dispatch.budgetwatch import BudgetWatch
from fleet.dispatch.dispatcher import Dispatcher
from fleet.dispatch.reconciler import Reconciler
from fleet.dispatch.scheduler import Scheduler
from fleet.fabric.router import Router
from fleet.forge.gitrepo import Repo
from fleet.forge.watcher import Watcher
from fleet.runtime import escrow
from fleet.runtime.port import Runtime
from fleet.runtime.runner import Runner
from fleet.store import capabilities, runs
from fleet.testing.desk import ANN, Desk
from fleet.testing.fake_runtime import FakeRuntime, FakeSession
from fleet.testing.repos import commit
from fleet.testing.workshop import InlineExecutor

HOST = "local"
_PATIENCE = 200  # rounds; a fleet that is still busy then does not come to rest


class Turn:
    """One session as its agent sees it: its run, its clone, and what it may ask the fleet."""

    def __init__(self, desk: Desk, session: FakeSession) -> None:
        """The capability is read from the run folder, as a real agent does."""
        self.desk = desk
        self.clone = session.launch.clone
        self.secret = (session.launch.folder / "capability").read_text("ascii")
        self.run: Run = desk.db.read(lambda tx: runs.get(tx, session.launch.run_id))

    def ask(self, verb: str, **args: object) -> dict[str, Any]:
        """One call with the run's capability; raises what control raises."""
        return self.desk.ask(verb, self._who(), **args)

    def push(self, files: dict[str, str]) -> str:
        """Commit these files and push them for the run's ticket; the new head."""
        commit(self.clone, files, who=(self.run.agent, f"{self.run.agent}@agents.fleet.invalid"))
        return str(self.ask("pr.push", title=f"Work on {self.run.work_item}", body="as asked")["head"])

    def review(self, *, approve: bool) -> None:
        """A verdict on the pull request that the run is about."""
        verdict = "approve" if approve else "request_changes"
        number = int(self.run.subject.partition("/")[2])
        self.ask("pr.review", number=number, verdict=verdict, body="read", head=self.run.generation)

    def spend(self, seconds: float) -> None:
        """Work for so long."""
        self.desk.clock.advance(seconds)

    def _who(self) -> Principal:
        found = self.desk.db.read(lambda tx: capabilities.holder_of(tx, capabilities.digest(self.secret)))
        assert found is not None, "its capability is no longer live"
        return found


Part = Callable[[Turn], int | None]  # an exit status, or None to go on until somebody ends the session


def waits(turn: Turn) -> int | None:
    """An agent that never ends by itself."""
    return None


class Ensemble:
    """The desk (as ``desk``), its services, and who plays which agent."""

    def __init__(
        self,
        folder: Path,
        agents: tuple[AgentConfig, ...] | None = None,
        *,
        runtime: Callable[[FleetPaths], Runtime] | None = None,
        **config: Any,
    ) -> None:
        """``folder`` takes repository and state, ``config`` are top-level keys, ``runtime`` makes a real one."""
        self.desk = desk = Desk(folder, agents, **config)
        self.parts: dict[str, Part] = {}
        self.fake = FakeRuntime(desk.clock, agent=self._play, save=escrow.save)
        self.runtime: Runtime = runtime(desk.paths) if runtime else self.fake
        _write_playbooks(desk)
        accept_config(desk.db, desk.loaded, ANN)
        self.restart()

    def restart(self) -> None:
        """Another daemon: a control and services that remember nothing, and a halt that lies there taken up first."""
        desk = self.desk
        desk.runtime = self.fake
        desk.context = context = replace(desk.context, runtime=self.runtime, switch=type(desk.context.switch)())
        desk.control = Control(context)
        db, config, bare = desk.db, context.config, Repo(desk.paths.bare, bare=True)
        runner = Runner(
            db, self.runtime, desk.clock, desk.paths, host=HOST, config=config, config_at=lambda _digest: config(),
            work_facts=WorkGatherer(db, desk.forge, "main", reads_untrusted=lambda _agent: True),
            programs=Path("/opt/fleet/bin"), executor=InlineExecutor(), may_start=lambda: not context.switch.closed,
        )  # fmt: skip

        def halts() -> None:
            take_up(db, desk.paths.state, context.switch)

        halts()
        self.services: tuple[Service, ...] = (
            Watcher(db, desk.forge),
            Router(db, config),
            WhenOpen(Dispatcher(db, desk.live, config), context.switch),
            Reconciler(db, desk.live, desk.live, config),
            WhenOpen(Scheduler(db, config), context.switch),
            AfterHalts(runner, halts),
            BudgetWatch(db, config),
            Janitor(db),
            Lookout(db, bare, lambda: "main"),
            Assessor(db, context.doorway),
        )

    def close(self) -> None:
        """Close the store."""
        self.desk.close()

    def rest(self) -> None:
        """Tick every service, and let every session in memory move, until none has anything to do."""
        for _ in range(_PATIENCE):
            self.desk.clock.advance(0.001)
            did = sum(service.tick(self.desk.clock.now()).did for service in self.services)
            if did + self.fake.step() == 0:
                return
        raise AssertionError("the fleet does not come to rest")

    def later(self, seconds: float) -> None:
        """Time passes, then the fleet comes to rest."""
        self.desk.clock.advance(seconds)
        self.rest()

    def ready(self, title: str = "Do it") -> int:
        """A ticket that a person opens with the label that starts the chain; its number. The fleet comes to rest."""
        number = self.desk.ticket(title, "ready")
        self.rest()
        return number

    def live(self) -> dict[str, Run]:
        """Live runs by agent (the newest of each)."""
        return {run.agent: run for run in self.desk.db.read(runs.live)}

    def _play(self, session: FakeSession) -> int | None:
        turn = Turn(self.desk, session)
        return self.parts.get(turn.run.agent, waits)(turn)


def _write_playbooks(desk: Desk) -> None:
    """A scripted agent has a playbook; what is in it matters to nobody here."""
    folder = desk.paths.config.parent / "playbooks"
    folder.mkdir(parents=True, exist_ok=True)
    for one in desk.loaded.config.agents:
        (folder / f"{one.name}.yaml").write_text("version: 1\nrules: [{on: ticket_ready, do: [{say: hello}]}]\n")
