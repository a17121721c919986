"""Control on a real store, a real local forge and a fake runtime: for tests of verbs, without a daemon.

A test speaks as a person, or as a run that it starts by one call; the run's clone is a real one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fleet.config.catalogue import load_roles
from fleet.config.inforce import InForce
from fleet.config.model import AgentConfig, FleetConfig
from fleet.config.paths import FleetPaths, fleet_paths
from fleet.control.commands import Control
from fleet.control.context import Context
from fleet.core.agent import AgentState
from fleet.core.clock import SECOND
from fleet.core.journal import Draft, Entry, Stream
from fleet.core.principal import Principal, PrincipalKind, human
from fleet.core.work import DeliveryState, RunState
from fleet.daemon.live import ForgeLive
from fleet.forge.local import LocalForge
from fleet.keeping.gauge import DiskGauge
from fleet.runtime.clone import make_clone
from fleet.runtime.port import Launch
from fleet.store import agents, capabilities, deliveries, journal, runs
from fleet.store.db import Database, Tx
from fleet.store.open import open_for_daemon
from fleet.testing.clock import ManualClock
from fleet.testing.fake_runtime import FakeRuntime, pretend_saved
from fleet.testing.repos import commit, make_checkout
from fleet.testing.scene import load, usual_members

ANN = human("ann")
_ALLOWANCE = 60.0  # seconds


class Desk:
    """One fleet's control. ``loaded``, ``context`` and ``control`` are the real ones."""

    def __init__(
        self,
        folder: Path,
        agents_: tuple[AgentConfig, ...] | None = None,
        *,
        open_store: Callable[..., Database] = open_for_daemon,
        **config: object,
    ) -> None:
        """``folder`` takes repository and state, or holds those of a desk before; ``config`` are top-level keys.

        ``open_store`` opens the store's file with a clock.
        """
        self.clock = ManualClock()
        known = (folder / "repo").exists()
        checkout = folder / "repo" if known else make_checkout(folder / "repo")
        env = {"XDG_STATE_HOME": str(folder / "state"), "XDG_RUNTIME_DIR": str(folder / "run")}
        self.paths: FleetPaths = fleet_paths(checkout, env, os.getuid())
        self.db = open_store(self.paths.database, clock=self.clock)
        self.forge = LocalForge(self.db, self.paths.bare, checkout, "main")
        self.live = ForgeLive(self.forge)
        self.runtime = FakeRuntime(self.clock, save=pretend_saved)
        self.loaded = load(usual_members() if agents_ is None else agents_, load_roles(), **config)
        self.context = Context(
            db=self.db,
            forge=self.forge,
            live=self.live,
            effects=self.live,
            runtime=self.runtime,
            config=InForce(self.loaded),
            paths=self.paths,
            mode="shared-uid",
            owner=ANN,
            disk=DiskGauge(self.paths.state, lambda: self.loaded.config.keeping),
        )
        self.control = Control(self.context)
        if not known:
            self.db.write(lambda tx: _enrol(tx, self.loaded.config))

    def close(self) -> None:
        """Close the store."""
        self.db.close()

    # -- calls ---------------------------------------------------------------------------------

    def ask(self, verb: str, who: Principal = ANN, **args: object) -> dict[str, Any]:
        """One call; raises what control raises."""
        self.clock.advance(0.001)
        return self.control.handle(who, verb, args)

    def ticket(self, title: str = "Do it", *labels: str) -> int:
        """Open a ticket as a person; its number."""
        return int(self.ask("ticket.create", title=title, labels=list(labels))["ticket"]["number"])

    def entries(self, type_: str = "", **narrow: Any) -> list[Entry]:
        """Journal entries, oldest first."""
        wanted = journal.Filter(type=type_, **narrow)
        return self.db.read(lambda tx: journal.select(tx, wanted, limit=1000))

    # -- runs ----------------------------------------------------------------------------------

    def run(
        self,
        agent: str,
        subject: str,
        *,
        event: str = "note",
        item: str = "",
        head: str = "",
        parent: str = "",
        state: RunState = RunState.RUNNING,
    ) -> Principal:
        """A live run of an agent on ``subject``, with its capability; ``item`` is its ticket's work item.

        ``state`` may also be QUEUED: no runner has taken it, and it holds no capability.
        """
        member = self.loaded.config.agent(agent)
        assert member is not None
        role = self.loaded.roles[member.role]
        item = item or subject
        self.clock.advance(0.001)

        def make(tx: Tx) -> Principal:
            draft = Draft(Stream.EVENT, event, "forge:local", subject=subject, work_item=item, generation=head)
            cause = journal.append(tx, draft)
            common: dict[str, Any] = {
                "event_id": cause.id,
                "event_type": event,
                "agent": agent,
                "subject": subject,
                "generation": head,
                "work_item": item,
                "attempt": 1,
            }
            delivery = deliveries.create(tx, event_seq=cause.seq, **common)
            assert delivery is not None
            run_id = runs.create(
                tx,
                delivery_id=delivery,
                role=role.name,
                parent_run=parent,
                allowance_seconds=_ALLOWANCE,
                allowance_kind="timeout",
                config_hash=self.loaded.digest,
                **common,
            )
            _dispatched(tx, delivery, run_id)
            if state is RunState.QUEUED:
                return Principal(PrincipalKind.AGENT, agent, run_id, 0, role.name)
            epoch = runs.take(tx, run_id, epoch=0, host="local")
            assert epoch is not None
            assert runs.mark_running(tx, run_id, epoch=epoch)
            emits = role.emits | frozenset(member.publishes)
            who = Principal(
                PrincipalKind.AGENT, agent, run_id, epoch, role.name, role.verbs, emits, frozenset({subject, item})
            )
            expires = tx.now + round(_ALLOWANCE) * SECOND
            capabilities.issue(tx, who, token_hash=capabilities.digest(run_id), expires_at=expires)
            return who

        return self.db.write(make)

    def publish(self, event: str, subject: str, **more: str) -> Entry:
        """An event of the forge about ``subject``, on record."""
        draft = Draft(Stream.EVENT, event, "forge:local", subject=subject, work_item=more.get("item", subject))
        made = self.db.write(lambda tx: journal.append(tx, draft))
        return self.db.read(lambda tx: journal.get(tx, made.id))

    def given_up(self, who: Principal) -> None:
        """Recovery has dealt with an ended run: its work does not come back by itself."""

        def bury(tx: Tx) -> None:
            run = runs.get(tx, who.run_id)
            draft = Draft(
                Stream.DECISION,
                "delivery.dead_lettered",
                "system:reconciler",
                subject=run.subject,
                work_item=run.work_item,
                agent=run.agent,
                run_id=run.id,
                dedup_key=f"returned:{run.id}",
            )
            journal.append(tx, draft)

        self.db.write(bury)

    def screen(self, who: Principal, text: str) -> None:
        """Let the terminal of a run show this."""
        session = f"{who.run_id}-e{who.epoch}"
        folder, clone = self.paths.runs / session, self.paths.clones / session
        launch = Launch(session, who.run_id, who.epoch, folder, clone, self.paths.bare, (), {}, _ALLOWANCE, "timeout")
        self.runtime.launch(launch)
        self.runtime.sessions[session].screen = text

    def again(self, who: Principal) -> Principal:
        """The principal as its capability reads now: verbs extend what it may touch."""
        found = self.db.read(lambda tx: capabilities.holder_of(tx, capabilities.digest(who.run_id)))
        assert found is not None, "its capability is no longer live"
        return found

    def end(self, who: Principal, state: RunState = RunState.SUCCEEDED) -> None:
        """The run ends, and its capability with it."""

        def finish(tx: Tx) -> None:
            assert runs.finish(
                tx, who.run_id, epoch=who.epoch, state=state, used_seconds=1.0, exit_code=0, outcome="ended by the test"
            )
            capabilities.revoke_run(tx, who.run_id)

        self.db.write(finish)

    def clone(self, who: Principal, branch: str) -> Path:
        """The run's working copy, as the runner makes it."""
        target = self.paths.clones / f"{who.run_id}-e{who.epoch}"
        make_clone(self.paths.bare, target, branch, "main", (who.name, _mail(who.name)))
        return target

    def pushed(self, agent: str, ticket: int, files: dict[str, str] | None = None) -> tuple[Principal, int, str]:
        """A run of an agent that committed and pushed for a ticket: who it was, the pull request, its head."""
        item = f"ticket/{ticket}"
        who = self.run(agent, item, event="ticket_ready")
        clone = self.clone(who, f"fleet/{ticket}")
        head = commit(clone, files or {"new.py": f"print({self.clock.now()})\n"}, who=(agent, _mail(agent)))
        answer = self.ask("pr.push", who, title=f"Work on {item}", body="as asked")
        assert answer["head"] == head
        self.end(who)
        return who, answer["pr"], head

    def reviewer(self, agent: str, pull: int, ticket: int, head: str) -> Principal:
        """A run of a reviewer, started at this head."""
        return self.run(agent, f"pr/{pull}", event="pr_needs_review", item=f"ticket/{ticket}", head=head)


def _mail(agent: str) -> str:
    return f"{agent}@agents.fleet.invalid"


def _dispatched(tx: Tx, delivery: str, run_id: str) -> None:
    assert deliveries.claim(tx, delivery, token="desk", until=tx.now + SECOND)
    assert deliveries.settle(tx, delivery, token="desk", state=DeliveryState.DISPATCHED, run_id=run_id)


def _enrol(tx: Tx, config: FleetConfig) -> None:
    for member in config.agents:
        agents.put(tx, member.name, member.role, AgentState.ACTIVE)
