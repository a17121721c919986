"""The deciding half of a fleet on one real store, a hand-turned clock and a forge in memory.

Router, dispatcher and reconciler are the real ones. What the other rooms would do (watcher, runner, control)
a test does by one call each, with the journal entries they would write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fleet.config.catalogue import load_roles
from fleet.config.loader import LoadedConfig
from fleet.config.model import AgentConfig, FleetConfig
from fleet.config.roles import Role
from fleet.core import probe
from fleet.core.journal import Draft, Entry, Stream
from fleet.core.live import LivePull, LiveTicket
from fleet.core.service import Service
from fleet.core.work import Delivery, Run, RunState
from fleet.dispatch.dispatcher import Dispatcher
from fleet.dispatch.lineage import agent_mail
from fleet.dispatch.reconciler import Reconciler
from fleet.dispatch.scheduler import Scheduler
from fleet.fabric.router import Router
from fleet.store import deliveries, journal, runs
from fleet.store.db import Database, Tx
from fleet.store.journal import Filter
from fleet.store.open import open_for_daemon
from fleet.testing.clock import ManualClock
from fleet.testing.live import MemoryForge

_PATIENCE = 200  # ticks; a fleet that is still busy then does not come to rest


def member(name: str, role: str, *subscribes_to: str, **more: object) -> AgentConfig:
    """An agent of a test's configuration; further keys as in the configuration file."""
    return AgentConfig.model_validate({"name": name, "role": role, "subscribes_to": subscribes_to, **more})


def usual_members() -> tuple[AgentConfig, ...]:
    """A developer, two reviewers and a release manager, wired as the chain is by default."""
    return (
        member("developer", "developer", "ticket_ready", "pr_changes_requested", "pr_conflict"),
        member("qa-engineer", "qa-engineer", "pr_needs_review"),
        member("release-manager", "release-manager", "pr_approved"),
        member("tech-lead", "tech-lead", "pr_needs_review"),
    )


def load(agents: tuple[AgentConfig, ...], roles: Mapping[str, Role], **config: object) -> LoadedConfig:
    """A configuration as if it had been read from a file; agents may merge unless the test says otherwise.

    ``config`` are keys of the file, and ``digest``, the digest it is to have.
    """
    digest = str(config.pop("digest", "c" * 64))
    fields: dict[str, object] = {"version": 1, "allow_shared_uid_merge": True, **config, "agents": agents}
    return LoadedConfig(FleetConfig.model_validate(fields), digest, (), b"", roles)


class Crash(Exception):
    """A process that ends at a named point; our own handlers may see it, as they see any fault of a service."""


@contextmanager
def crashing() -> Iterator[list[str]]:
    """The names of points at which the next pass ends the process; the body fills and empties the list."""
    points: list[str] = []

    def handler(name: str) -> None:
        if name in points:
            raise Crash(name)

    probe.install(handler)
    try:
        yield points
    finally:
        probe.install(None)


class Scene:
    """A fleet that decides; the test plays the world."""

    def __init__(self, folder: Path, agents: tuple[AgentConfig, ...] | None = None, **config: object) -> None:
        """``folder`` takes the store; ``config`` are top-level keys of the configuration."""
        self.clock = ManualClock()
        self.forge = MemoryForge()
        self.db: Database = open_for_daemon(folder / "fleet.db", clock=self.clock)
        self.roles = load_roles()
        self.configure(usual_members() if agents is None else agents, **config)

    def configure(self, agents: tuple[AgentConfig, ...], **config: object) -> None:
        """Restart the services with another configuration."""
        self.loaded = load(agents, self.roles, **config)
        self.router = Router(self.db, lambda: self.loaded)
        self.dispatcher = Dispatcher(self.db, self.forge, lambda: self.loaded)
        self.reconciler = Reconciler(self.db, self.forge, self.forge, lambda: self.loaded)
        self.scheduler = Scheduler(self.db, lambda: self.loaded)

    def close(self) -> None:
        """Close the store."""
        self.db.close()

    # -- time ----------------------------------------------------------------------------------

    def tick(self, service: Service) -> int:
        """One step of one service; how much it did."""
        return service.tick(self.clock.now()).did

    def rest(self) -> int:
        """Tick all three until none has anything to do; how much they did. Time stands still."""
        total = 0
        for _ in range(_PATIENCE):
            did = self.tick(self.router) + self.tick(self.dispatcher) + self.tick(self.reconciler)
            if did == 0:
                return total
            total += did
        raise AssertionError("the fleet does not come to rest")

    def later(self, seconds: float) -> int:
        """Let time pass, then rest."""
        self.clock.advance(seconds)
        return self.rest()

    # -- what the watcher would do -------------------------------------------------------------

    def emit(self, kind: str, subject: str, **fields: object) -> Entry:
        """Append an event; fields as in Draft."""
        draft = Draft(Stream.EVENT, kind, **{"actor": "forge:local", "subject": subject, **fields})  # type: ignore[arg-type]
        seq_id = self.db.write(lambda tx: journal.append(tx, draft))
        return self.db.read(lambda tx: journal.get(tx, seq_id.id))

    def ready(self, *labels: str) -> LiveTicket:
        """Open a ticket that is ready, and say so."""
        ticket = self.forge.add_ticket("ready", *labels)
        self.say_ready(ticket.number)
        return ticket

    def say_ready(self, number: int) -> Entry:
        """``ticket_ready`` as the watcher emits it."""
        subject = f"ticket/{number}"
        return self.emit("ticket_ready", subject, work_item=subject, payload={"ticket": number})

    # -- what the runner would do --------------------------------------------------------------

    def start(self, run: Run) -> Run:
        """Take a queued run and have its session answer."""

        def begin(tx: Tx) -> Run:
            epoch = runs.take(tx, run.id, epoch=run.epoch, host="here")
            assert epoch is not None
            assert runs.mark_running(tx, run.id, epoch=epoch)
            return runs.get(tx, run.id)

        return self.db.write(begin)

    def end(self, run: Run, state: RunState = RunState.SUCCEEDED, *, used: float = 1.0, outcome: str = "") -> Run:
        """End a live run."""

        def finish(tx: Tx) -> Run:
            now = runs.get(tx, run.id)
            code = 0 if state is RunState.SUCCEEDED else 1
            assert runs.finish(
                tx, run.id, epoch=now.epoch, state=state, used_seconds=used, exit_code=code, outcome=outcome
            )
            return runs.get(tx, run.id)

        return self.db.write(finish)

    def cancel(self, run: Run, reason: str) -> Run:
        """Ask a run to end, and end it."""
        assert self.db.write(lambda tx: runs.ask_cancel(tx, run.id, reason))
        return self.end(run, RunState.CANCELLED)

    # -- what control would do -----------------------------------------------------------------

    def push(self, run: Run, head: str, **more: str) -> LivePull:
        """An agent's run pushes its ticket's branch: pull request, records and ``pr_needs_review``."""
        ticket = int(run.work_item.partition("/")[2])
        known = self.forge.pull_for_ticket(ticket)
        author, mails = f"agent:{run.agent}", (more.get("mail", agent_mail(run.agent)),)
        if known is None:
            kind, pull = "pr_created", self.forge.open_pull(ticket=ticket, head=head, author=author, mails=mails)
        else:
            kind, pull = "pr_updated", self.forge.move_head(known.number, head, mails)
        self._pushed(pull, kind, author, run.id)
        return pull

    def developed(self, head: str) -> Run:
        """A ticket, its developer's run and a pull request at ``head``; the run has ended, no reviewer has begun."""
        self.ready()
        self.rest()
        run = self.start(self.live()["developer"])
        self.push(run, head)
        self.end(run)
        return run

    def all_review(self) -> None:
        """Everybody who is asked by now approves and ends; what follows from that is waited for."""
        self.rest()
        for run in list(self.live().values()):
            self.review(run)
            self.end(run)
        self.rest()

    def push_by_hand(self, head: str, *, who: str = "human:ann", ticket: int = 0) -> LivePull:
        """A person opens a pull request."""
        pull = self.forge.open_pull(ticket=ticket, head=head, author=who, mails=("ann@example.org",))
        self._pushed(pull, "pr_created", who, "")
        return pull

    def review(self, run: Run, *, approve: bool = True) -> Entry:
        """A reviewer's run gives its verdict on the head it was started at."""
        return self.verdict(run.subject, run.generation, f"agent:{run.agent}", approve=approve, run_id=run.id)

    def verdict(self, subject: str, head: str, who: str, *, approve: bool = True, run_id: str = "") -> Entry:
        """A verdict as control records it."""
        kind = "pr_approved" if approve else "pr_changes_requested"
        item = self.item_of(subject)
        return self.emit(kind, subject, actor=who, generation=head, work_item=item, run_id=run_id)

    def merge(self, run: Run) -> LivePull:
        """A run merges its pull request: intent, merge, record."""
        number = int(run.subject.partition("/")[2])
        pull = self.forge.merge_pull(number)
        self.emit(
            "pr_merged",
            pull.subject,
            actor=f"agent:{run.agent}",
            generation=pull.merged_head,
            work_item=pull.work_item,
            run_id=run.id,
            dedup_key=f"pr_merged:{pull.subject}",
        )
        return pull

    def item_of(self, subject: str) -> str:
        """The work item of a subject."""
        pull = self.forge.pull(int(subject.partition("/")[2])) if subject.startswith("pr/") else None
        return pull.work_item if pull is not None else subject

    def _pushed(self, pull: LivePull, kind: str, actor: str, run_id: str) -> None:
        """The entries of a push, and the watcher's event that follows."""
        item, head = pull.work_item, pull.head_sha

        def record(tx: Tx) -> None:
            done = Draft(Stream.ACTIVITY, "push.done", actor, subject=item, work_item=item, run_id=run_id)
            journal.append(tx, done)

        self.db.write(record)
        payload = {"ticket": pull.ticket, "pr": pull.number, "head": head, "author": pull.author}
        common: dict[str, object] = {"generation": head, "work_item": item, "payload": payload}
        self.emit(kind, pull.subject, actor=actor, run_id=run_id, **common)
        self.forge.label_pull(pull.number, "needs-review")
        self.emit("pr_needs_review", pull.subject, **common)

    # -- looking -------------------------------------------------------------------------------

    def live(self) -> dict[str, Run]:
        """Live runs by agent (the newest of each)."""
        return {run.agent: run for run in self.db.read(runs.live)}

    def deliveries(self, agent: str) -> list[Delivery]:
        """Deliveries of an agent, oldest first."""
        return self.db.read(lambda tx: deliveries.for_agent(tx, agent))[::-1]

    def entries(self, kind: str) -> list[Entry]:
        """Journal entries of one type."""
        return self.db.read(lambda tx: journal.select(tx, Filter(type=kind)))

    def height(self) -> int:
        """How many entries the journal holds."""
        return self.db.read(journal.head)[0]
