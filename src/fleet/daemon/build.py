"""The only wiring: which object gets which. Nothing else in the program constructs rooms for a running fleet."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import which

from fleet.assess.assessor import Assessor
from fleet.audit.checkpoint import Checkpointer, plan_of
from fleet.config.inforce import InForce
from fleet.config.loader import LoadedConfig
from fleet.config.paths import FleetPaths
from fleet.control import configs
from fleet.control.checkout import follow_base, update_checkout
from fleet.control.commands import Control
from fleet.control.context import Context, Host, Switch
from fleet.control.halting import take_up
from fleet.control.hooks import Hooks
from fleet.core.clock import SECOND
from fleet.core.live import LivePull
from fleet.core.principal import human, system
from fleet.core.service import Service, Tick
from fleet.daemon.bearers import Bearers
from fleet.daemon.forges import open_forge
from fleet.daemon.identity import Identity, ProcessTree, login_of
from fleet.daemon.janitor import Janitor
from fleet.daemon.kin import Company, Kin
from fleet.daemon.live import ForgeLive, WorkGatherer
from fleet.daemon.lookout import Lookout
from fleet.daemon.service import Loop, Report
from fleet.dispatch.budgetwatch import BudgetWatch
from fleet.dispatch.dispatcher import Dispatcher
from fleet.dispatch.metering import Metering
from fleet.dispatch.reconciler import Reconciler
from fleet.dispatch.scheduler import Scheduler
from fleet.fabric.router import Router
from fleet.forge.gitrepo import Repo
from fleet.forge.port import Forge
from fleet.forge.refguard import RefGuard, look
from fleet.forge.watcher import Watcher
from fleet.keeping.gauge import DiskGauge
from fleet.keeping.keeper import Keeper
from fleet.runtime import proctree
from fleet.runtime.attendant import Attendant
from fleet.runtime.loopback import Holders
from fleet.runtime.port import Runtime
from fleet.runtime.runner import Runner
from fleet.runtime.sessions import TmuxRuntime
from fleet.runtime.tmux import Tmux
from fleet.store.db import Database

HOST = "local"  # a fixed word: live runs of another host would be left alone after a rename
START_WORKERS = 8  # clones, launches and clean-ups at once

# The least time between two idle looks of each service, in seconds: what a look costs decides.
_GAPS = {
    "watcher": 0.1,
    "router": 0.005,
    "dispatcher": 0.01,
    "reconciler": 0.1,
    "scheduler": 0.2,
    "runner": 0.02,
    "budgetwatch": 0.2,
    "metering": 0.05,
    "sessions": 0.5,
    "janitor": 0.5,
    "checkpointer": 1.0,
    "refguard": 0.5,
    "lookout": 0.5,
    "keeper": 1.0,
    "assessor": 0.2,
}


class WhenOpen:
    """A service that rests while new starts are switched off."""

    def __init__(self, service: Service, switch: Switch) -> None:
        """Take the service and the switch."""
        self.name = service.name
        self._service = service
        self._switch = switch

    def tick(self, now: int) -> Tick:
        """The service's tick, or nothing, with another look soon: nothing else tells that starts are allowed again."""
        return Tick(0, now + SECOND) if self._switch.closed else self._service.tick(now)


class AfterHalts:
    """A service that first takes up a halt, which may have been written while no daemon ran."""

    def __init__(self, service: Service, take_up: Callable[[], object]) -> None:
        """Take the service and what takes up a halt."""
        self.name = service.name
        self._service = service
        self._take_up = take_up

    def tick(self, now: int) -> Tick:
        """The service's tick, after the halt."""
        self._take_up()
        return self._service.tick(now)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything that runs in one daemon."""

    control: Control
    hooks: Hooks
    identity: Identity
    bearers: Bearers
    loops: tuple[Loop, ...]
    runtime: Runtime
    effects: ThreadPoolExecutor
    let_go: Callable[[], None]  # of runtime and forge: sessions go on
    reload: Callable[[str], object]  # the configuration, for this reason; raises what is wrong with the file

    def start(self) -> None:
        """Let every service tick."""
        for loop in self.loops:
            loop.start()

    def ask_to_stop(self) -> None:
        """Let every service finish its present tick."""
        for loop in self.loops:
            loop.stop()


def build(
    paths: FleetPaths,
    config: InForce,
    db: Database,
    *,
    supervised: bool,
    port: int,
    on_trouble: Report,
    on_failure: Report,
    company: Company | None = None,
) -> Fleet:
    """Put a fleet together over an open store, its HTTP door at ``port``. Raises what the forge raises."""
    company = company or Company()
    base = config().config.base
    forge = open_forge(config().config, paths, db, company)
    live = ForgeLive(forge)
    loops: dict[str, Loop] = {}
    wake_runner = _later(loops, "runner")
    runtime = TmuxRuntime(Tmux(paths.tmux_socket), wake=wake_runner)
    company.kin.join(str(paths.socket), runtime.server_pids)
    switch = Switch()
    effects = ThreadPoolExecutor(START_WORKERS, thread_name_prefix="fleet-effect")
    host = Host(os.getpid(), supervised, lambda: [*_states(loops), *company.beside()], db.clock.now())
    context = _context(db, forge, live, runtime, config, paths, switch=switch, host=host)
    disk = context.disk
    runner = Runner(
        db,
        runtime,
        db.clock,
        paths,
        host=HOST,
        config=config,
        config_at=config.at,
        work_facts=WorkGatherer(db, forge, base, reads_untrusted=lambda agent: _reads_untrusted(config, agent)),
        programs=program_folder(),
        executor=effects,
        wake=wake_runner,
        may_start=lambda: not switch.closed and disk.allows_starts(),
        door=f"http://127.0.0.1:{port}",
        on_trouble=on_trouble,
    )
    take_up(db, paths.state, switch)  # before anything ticks
    halted = AfterHalts(runner, lambda: take_up(db, paths.state, switch))
    for one in _services(db, context, config, halted, effects):
        gap = _GAPS[one.name]
        loops[one.name] = Loop(one, db.clock, on_trouble=on_trouble, on_failure=on_failure, gap_seconds=gap)
    db.on_commit(lambda: _wake(loops))
    identity = make_identity(db, context, company.kin)
    return Fleet(
        Control(context),
        Hooks(context),
        identity,
        Bearers(db, shim_pid=identity.shim_pid, holders=Holders(_pids_below, proctree.is_below), port=port),
        tuple(loops.values()),
        runtime,
        effects,
        partial(_let_go, runtime, forge, company.kin, str(paths.socket)),
        lambda reason: configs.reload(context, system("daemon"), {"reason": reason}),
    )


def _services(
    db: Database, context: Context, config: InForce, runner: Service, effects: ThreadPoolExecutor
) -> tuple[Service, ...]:
    """All that ticks, in the order in which data flows."""
    forge, live, switch = context.forge, context.live, context.switch
    return (
        Watcher(
            db,
            forge,
            required_label=lambda: config().config.required_label or "",
        ),
        Router(db, config),
        WhenOpen(Dispatcher(db, live, config, disk=context.disk.look), switch),
        Reconciler(
            db,
            live,
            context.effects,
            config,
            before_look=follow_base(db, forge, config),
            after_merge=lambda pull: _follow_merge(db, context.paths, forge, config, pull),
        ),
        WhenOpen(Scheduler(db, config), switch),
        runner,
        BudgetWatch(db, config),
        Metering(db, config),
        Attendant(db, context.paths, config.at),
        Janitor(db),
        *_witnesses(db, context.paths, config),
        Keeper(
            db,
            context.paths,
            lambda: config().config,
            context.disk,
            effects,
            may_go_on=lambda: not switch.paused,
        ),
        Assessor(db, context.doorway),
    )


def _follow_merge(db: Database, paths: FleetPaths, forge: Forge, config: InForce, pull: LivePull) -> None:
    """What follows a merge that was only found: after a look at whether anybody explains how the base moved."""
    look(db, Repo(paths.bare, bare=True), config().config.base)
    update_checkout(db, forge, pull)


def _witnesses(db: Database, paths: FleetPaths, config: Callable[[], LoadedConfig]) -> tuple[Service, ...]:
    """What looks on: branches against the journal and against each other, and signatures."""
    return (
        RefGuard(db, Repo(paths.bare, bare=True), lambda: config().config.base),
        Lookout(db, Repo(paths.bare, bare=True), lambda: config().config.base),
        Checkpointer(db, lambda: plan_of(paths, config().config.audit)),
    )


def make_identity(db: Database, context: Context, kin: Kin | None = None) -> Identity:
    """Who may be who on this fleet's socket; ``kin`` are the fleets of the same daemon."""
    return Identity(
        db,
        ProcessTree(proctree.ancestors, proctree.environ_has),
        observe=context.runtime.observe,
        session_ref=context.session_ref,
        server_pids=context.runtime.server_pids,
        owner_uid=os.getuid(),
        socket_path=str(context.paths.socket),
        kin=kin,
    )


def reading_context(db: Database, paths: FleetPaths, loaded: LoadedConfig) -> Context:
    """What verbs need to read a store that no daemon has open."""
    forge = open_forge(loaded.config, paths, db)
    runtime = TmuxRuntime(Tmux(paths.tmux_socket), wake=lambda: None)
    return _context(db, forge, ForgeLive(forge), runtime, InForce(loaded), paths, switch=Switch(), host=None)


def program_folder() -> Path:
    """The folder of the ``fleet`` command that belongs to this interpreter, which agents are to find first."""
    beside = Path(sys.executable).parent
    if (beside / "fleet").exists():
        return beside
    found = which("fleet")
    return Path(found).parent if found else beside


def _context(
    db: Database,
    forge: Forge,
    live: ForgeLive,
    runtime: Runtime,
    config: InForce,
    paths: FleetPaths,
    *,
    switch: Switch,
    host: Host | None,
) -> Context:
    return Context(
        db=db,
        forge=forge,
        live=live,
        effects=live,
        runtime=runtime,
        config=config,
        paths=paths,
        mode="shared-uid",
        owner=human(login_of(os.getuid())),
        disk=DiskGauge(paths.state, lambda: config().config.keeping),
        switch=switch,
        host=host,
    )


def _reads_untrusted(config: InForce, agent: str) -> bool:
    member = config().config.agent(agent)
    return member is not None and member.read_untrusted


def _let_go(runtime: TmuxRuntime, forge: Forge, kin: Kin, socket: str) -> None:
    kin.leave(socket)
    runtime.shutdown()
    forge.close()


def _pids_below(pid: int) -> list[int]:
    return [process.pid for process in proctree.descendants(pid)]


def _later(loops: dict[str, Loop], name: str) -> Callable[[], None]:
    """A wake-up for a loop that is made after whoever needs it."""

    def wake() -> None:
        loop = loops.get(name)
        if loop is not None:
            loop.wake()

    return wake


def _wake(loops: dict[str, Loop]) -> None:
    for loop in loops.values():
        loop.wake()


def _states(loops: dict[str, Loop]) -> Sequence[Mapping[str, object]]:
    return [loop.state().as_dict() for loop in loops.values()]
