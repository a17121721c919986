"""No effect of a quarantined agent lands after the transaction, in whatever order the steps come.

Dispatcher, runner, control (publish, push, approve, merge) and the assessor are the real ones on a real store and real
git. Each runs in a thread of its own, one at a time: a seeded scheduler lets one of them go on to its next write to the
store, or its next named point, and then another one. The same seed is the same history.
"""

from __future__ import annotations

import random
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from fleet.assess.assessor import Assessor
from fleet.core import probe
from fleet.core.agent import AgentState
from fleet.core.clock import Clock
from fleet.core.errors import FleetError
from fleet.core.journal import Entry
from fleet.core.principal import Principal
from fleet.core.work import RunState
from fleet.dispatch.dispatcher import Dispatcher
from fleet.fabric.router import CURSOR, Router
from fleet.runtime import moves
from fleet.runtime.brief import WorkFacts
from fleet.runtime.outcome import Outcome
from fleet.runtime.port import Launch
from fleet.runtime.runner import Runner
from fleet.store import agents, capabilities, cursors, journal, runs
from fleet.store.db import WRITE_TIMEOUT_SECONDS, Database, Tx
from fleet.store.migrate import migrate
from fleet.store.sqlite import SqliteEngine
from fleet.testing.clock import ManualClock
from fleet.testing.desk import Desk
from fleet.testing.fake_runtime import FakeRuntime, pretend_saved
from fleet.testing.repos import commit, git
from fleet.testing.scene import member, usual_members
from fleet.testing.workshop import InlineExecutor

T = TypeVar("T")

AGENT = "developer"
USUAL = tuple(one for one in usual_members() if one.name != AGENT)
MEMBERS = (*USUAL, member(AGENT, "developer", "ticket_ready", max_concurrent=50), member("other", "developer"))
PATIENCE = 60.0  # seconds; a deadline for a machine that is busy with something else
MOST_STEPS = 400
_REF_FORMAT = "--format=%(refname) %(objectname)"


class Stage:
    """One actor runs at a time; ``step`` lets one go on to its next pause."""

    def __init__(self) -> None:
        """Nobody is on it."""
        self._turn = threading.Condition()
        self._running: int | None = None  # the thread whose turn it is
        self._threads: dict[str, threading.Thread] = {}
        self._ended: set[str] = set()
        self.failures: list[BaseException] = []

    def add(self, name: str, work: Callable[[], None]) -> None:
        """An actor that waits for its first turn."""

        def play() -> None:
            self._wait()
            try:
                work()
            except BaseException as error:
                self.failures.append(error)
                raise
            finally:
                with self._turn:
                    self._ended.add(name)
                    self._running = None
                    self._turn.notify_all()

        thread = threading.Thread(target=play, name=name, daemon=True)
        self._threads[name] = thread
        thread.start()

    def pause(self) -> None:
        """Called by an actor between two steps; nothing for anybody else."""
        if threading.current_thread() not in self._threads.values():
            return
        with self._turn:
            self._running = None
            self._turn.notify_all()
        self._wait()

    def _wait(self) -> None:
        me = threading.get_ident()
        with self._turn:
            assert self._turn.wait_for(lambda: self._running == me, PATIENCE), "nobody gave this actor a turn"

    def step(self, name: str) -> None:
        """Let an actor go on to its next pause, or to its end."""
        thread = self._threads[name]
        with self._turn:
            self._running = thread.ident
            self._turn.notify_all()
            assert self._turn.wait_for(lambda: self._running is None, PATIENCE), f"{name} does not come to a pause"

    def playing(self) -> list[str]:
        """Actors that have not ended, in a fixed order."""
        with self._turn:
            return sorted(self._threads.keys() - self._ended)


class SteppedDatabase(Database):
    """A store before whose writes an actor pauses."""

    stage: Stage | None = None

    def write(self, fn: Callable[[Tx], T], *, timeout: float = WRITE_TIMEOUT_SECONDS) -> T:
        """As Database, after a pause."""
        if self.stage is not None:
            self.stage.pause()
        return super().write(fn, timeout=timeout)


def open_stepped(path: Path, *, clock: Clock) -> Database:
    """The store of a desk, so made."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = SqliteEngine(path)
    migrate(engine, backups=path.parent / "backups", clock=clock)
    return SteppedDatabase(engine, clock=clock)


class Witness(FakeRuntime):
    """Notes how long the journal was when a session was launched."""

    def __init__(self, clock: ManualClock, db: Database) -> None:
        """Take the store whose journal it is."""
        super().__init__(clock, save=pretend_saved)
        self._db = db
        self.launched: list[int] = []

    def launch(self, launch: Launch) -> None:
        """As FakeRuntime."""
        self.launched.append(self._db.read(journal.head)[0])
        super().launch(launch)


@dataclass
class Cast:
    """Who may do what in the prepared world: runs of the agent, by what they are about to do."""

    publish: Principal
    push: Principal
    review: Principal
    merge: Principal
    pulls: dict[str, int] = field(default_factory=dict)
    clock: int = 0
    main: str = ""  # where the base branch stands


def prepare(folder: Path) -> Cast:
    """A world in which the agent is about to do everything, and about to be found at critical risk."""
    desk = Desk(folder, MEMBERS, open_store=open_stepped, max_concurrent=50)
    tickets = [desk.ticket(f"Work {number}", "ready") for number in range(5)]
    pulls: dict[str, int] = {}
    for name, ticket in (("merge", tickets[0]), ("review", tickets[1])):
        _, pull, head = desk.pushed("other", ticket, {f"{name}.py": "print()\n"})
        pulls[name], pulls[f"{name} head"] = pull, 0
        for reviewer in ("tech-lead", "qa-engineer") if name == "merge" else ():
            who = desk.reviewer(reviewer, pull, ticket, head)
            desk.ask("pr.review", who, number=pull, verdict="approve")
            desk.end(who)
    verbs = frozenset({"pr.review", "pr.merge"})
    acting = {}
    for name, ticket in (("merge", tickets[0]), ("review", tickets[1])):
        head = desk.forge.pull(pulls[name]).head_sha
        who = desk.run(AGENT, f"pr/{pulls[name]}", event="pr_needs_review", item=f"ticket/{ticket}", head=head)
        acting[name] = replace(who, verbs=who.verbs | verbs, role="tech-lead")
    push = desk.run(AGENT, f"ticket/{tickets[2]}", event="ticket_ready")
    commit(desk.clone(push, f"fleet/{tickets[2]}"), {"pushed.py": "print()\n"}, who=(AGENT, _mail()))
    publish = desk.run(AGENT, f"ticket/{tickets[3]}", event="ticket_ready")
    for number in range(5):
        who = desk.run(AGENT, f"ticket/{90 + number}", event="note")
        desk.db.write(partial(_times_out, run_id=who.run_id))
    desk.run(AGENT, "ticket/80", event="ticket_ready", state=RunState.QUEUED)
    desk.db.write(lambda tx: cursors.advance(tx, CURSOR, journal.head(tx)[0]))  # what came before is dealt with
    desk.publish("ticket_ready", f"ticket/{tickets[4]}")
    playbooks = desk.paths.config.parent / "playbooks"
    playbooks.mkdir(parents=True, exist_ok=True)
    (playbooks / f"{AGENT}.yaml").write_text("version: 1\nrules: [{on: ticket_ready, do: [{say: hello}]}]\n")
    now, main = desk.clock.now(), git(desk.paths.bare, "rev-parse", "main")
    git(desk.paths.bare, "repack", "-a", "-d", "-q")  # fewer files to copy for each history
    desk.close()
    return Cast(publish, push, acting["review"], acting["merge"], pulls, now, main)


def _mail() -> str:
    return f"{AGENT}@agents.fleet.invalid"


def _times_out(tx: Tx, run_id: str) -> None:
    ending = Outcome(RunState.TIMED_OUT, "timeout", "reached its time limit", 1.0)
    assert moves.finish(tx, runs.get(tx, run_id), ending)
    runs.follow_up(tx, run_id)


class World:
    """One history: the prepared world once more, its actors, and what they did."""

    def __init__(self, folder: Path, cast: Cast, seed: int) -> None:
        """``folder`` holds a copy of the prepared world."""
        self.chance = random.Random(seed)
        self.desk = Desk(folder, MEMBERS, open_store=open_stepped, max_concurrent=50)
        self.desk.clock.advance((cast.clock - self.desk.clock.now()) / 1e6 + 1)
        self.stage = Stage()
        db = self.desk.db
        assert isinstance(db, SteppedDatabase)
        db.stage = self.stage
        self.runtime = Witness(self.desk.clock, db)
        self.main = cast.main
        self._enter(cast)

    def _enter(self, cast: Cast) -> None:
        """Everybody steps on the stage; of what costs git only one thing, or the rounds would take minutes."""
        desk = self.desk
        self.stage.add("publish", lambda: self._try(3, "fabric.publish", cast.publish, event="note", summary="x"))
        costly: dict[str, Callable[[], None]] = {
            "review": lambda: self._try(1, "pr.review", cast.review, number=cast.pulls["review"], verdict="approve"),
            "push": lambda: self._try(1, "pr.push", cast.push, title="pushed"),
            "merge": lambda: self._try(1, "pr.merge", cast.merge, number=cast.pulls["merge"]),
            "runner": self._run,
        }
        name = self.chance.choice(sorted(costly))
        self.stage.add(name, costly[name])
        self.stage.add("dispatch", self._dispatch)
        self.stage.add("assess", self._assess)
        self.assessor = Assessor(desk.db, desk.context.doorway)

    def _try(self, times: int, verb: str, who: Principal, **args: object) -> None:
        """Call a verb in the agent's name, like an agent that does not take no for an answer."""
        for _ in range(times):
            self.stage.pause()
            try:
                self.desk.ask(verb, who, **args)
            except FleetError:
                continue

    def _dispatch(self) -> None:
        desk = self.desk
        router = Router(desk.db, desk.context.config)
        dispatcher = Dispatcher(desk.db, desk.live, desk.context.config)
        for _ in range(3):
            self.stage.pause()
            router.tick(desk.clock.now())
            self.stage.pause()
            dispatcher.tick(desk.clock.now())

    def _run(self) -> None:
        desk = self.desk
        runner = Runner(
            desk.db, self.runtime, desk.clock, desk.paths, host="local", config=lambda: desk.loaded,
            config_at=lambda _digest: desk.loaded, work_facts=lambda run: WorkFacts(branch="fleet/80", base="main"),
            programs=Path("/opt/fleet/bin"), executor=InlineExecutor(),
        )  # fmt: skip
        for _ in range(4):
            self.stage.pause()
            runner.tick(desk.clock.now())
            self.runtime.step()

    def _assess(self) -> None:
        for _ in range(MOST_STEPS):
            self.stage.pause()
            self.assessor.tick(self.desk.clock.now())
            if self.state() is AgentState.QUARANTINED:
                return

    def state(self) -> AgentState:
        """Where the agent stands."""
        return self.desk.db.read(lambda tx: agents.get(tx, AGENT)).state

    def play(self) -> None:
        """One history, to its end. The assessor's first turn comes somewhere in it."""
        late = self.chance.randint(0, 90)
        probe.install(lambda _name: self.stage.pause())
        try:
            for count in range(MOST_STEPS):
                names = self.stage.playing()
                if not names:
                    return
                free = [name for name in names if name != "assess" or count >= late or names == ["assess"]]
                self.desk.clock.advance(0.001)
                self.stage.step(self.chance.choice(free))
            raise AssertionError(f"{self.stage.playing()} do not come to an end")
        finally:
            probe.install(None)

    # -- what came of it -----------------------------------------------------------------------

    def check(self) -> Counter[str]:
        """Nothing of the agent is on record, or done, after the transaction; what there was before it."""
        desk, db = self.desk, self.desk.db
        assert self.stage.failures == []
        (entry,) = desk.entries("agent.quarantined")
        after = [one for one in desk.entries(after=entry.seq) if _is_its(one)]
        assert [one.type for one in after] == []
        assert all(height < entry.seq for height in self.runtime.launched), "a session was launched"
        live = db.read(runs.live)
        assert all(run.cancel_reason for run in live if run.agent == AGENT), "a run was not asked to end"
        for run in live:
            if run.agent == AGENT:
                assert db.read(partial(capabilities.holder_of, token_hash=capabilities.digest(run.id))) is None
        refs = dict(line.split() for line in git(desk.paths.bare, "for-each-ref", _REF_FORMAT).splitlines())
        merged = refs["refs/heads/main"] != self.main
        assert merged == bool(desk.entries("pr_merged")), "a merge is not on record"
        pushed = f"refs/heads/fleet/{3}" in refs
        assert pushed == bool([one for one in desk.entries("push.done") if one.generation and _is_its(one)])
        return Counter({one.type: 1 for one in desk.entries() if _is_its(one) and one.seq < entry.seq})


def _is_its(entry: Entry) -> bool:
    """Whether an entry says that the agent did something, or was started; refusals are no effects."""
    if entry.type in ("request.refused", "agent.quarantined", "risk.level_changed", "delivery.held"):
        return False
    if entry.actor == f"agent:{AGENT}":
        return True
    # run.started only says that a session which was launched before was found alive; launches have a witness
    return entry.agent == AGENT and entry.type in ("delivery.dispatched", "run.starting")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Cast]:
    """The place where histories are played, a copy of the prepared world, and its cast."""
    place = tmp_path_factory.mktemp("quarantine")
    cast = prepare(place / "world")
    (place / "world").rename(place / "kept")
    return place / "world", place / "kept", cast


def histories(prepared: tuple[Path, Path, Cast], seeds: range) -> Counter[str]:
    """Play them all; in how many of them each kind of entry came before the quarantine."""
    world, kept, cast = prepared
    found: Counter[str] = Counter()
    for seed in seeds:
        shutil.copytree(kept, world, symlinks=True)
        played = World(world, cast, seed)
        try:
            played.play()
            found += played.check()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        finally:
            played.desk.close()
            shutil.rmtree(world)
    return found


EFFECTS = ("note", "pr_approved", "delivery.dispatched", "pr_merged", "pr_created", "run.starting")


def said(found: Counter[str], count: int) -> dict[str, Any]:
    """Effects that never landed, or always: such a test would show nothing."""
    return {kind: found[kind] for kind in EFFECTS if not 0 < found[kind] < count}


@pytest.mark.timeout(300)
def test_no_effect_of_a_quarantined_agent_lands_after_the_transaction(prepared: tuple[Path, Path, Cast]) -> None:
    assert histories(prepared, range(50)).total() > 0


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_five_hundred_histories_and_each_kind_of_effect_comes_too_early_in_some_and_too_late_in_others(
    prepared: tuple[Path, Path, Cast],
) -> None:
    assert said(histories(prepared, range(50, 550)), 500) == {}
