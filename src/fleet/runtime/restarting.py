"""What becomes of a run whose agent died although its session goes on: resumed in it, or let end.

The shim holds the session: what the agent left is saved and ended, nothing of it runs, and nothing starts before an
answer. The decision is on record before the answer is given, and the same death is never answered twice.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fleet.config.loader import LoadedConfig
from fleet.core.clock import SECOND
from fleet.core.probe import probe
from fleet.core.work import Run
from fleet.runtime import moves, turns
from fleet.runtime.port import Death, Runtime, SessionRef
from fleet.runtime.providers import ProviderGate
from fleet.runtime.restarts import Again, Circumstances, NoMore, decide
from fleet.runtime.setup import failure_of
from fleet.store import agents, runs, sessions
from fleet.store.db import Database, Tx

LOOK_SECONDS = 0.5


class Restarting:
    """For the runner, whose thread calls it. Remembers only what was said already."""

    def __init__(
        self, db: Database, runtime: Runtime, gate: ProviderGate, config_at: Callable[[str], LoadedConfig]
    ) -> None:
        """Take the store, the runtime, who may start at a provider, and what a run was dispatched under."""
        self._db = db
        self._runtime = runtime
        self._gate = gate
        self._config_at = config_at
        self._answered: dict[str, int] = {}  # sessions and the last death that was answered

    def forget(self, session: str) -> None:
        """The session is over."""
        self._answered.pop(session, None)

    def note_alive(self, run: Run) -> int:
        """The agent of a session runs: one that was resumed is on record as such. How much changed."""
        if run.restart_at is None:
            return 0
        return int(self._db.write(lambda tx: moves.restarted(tx, run)))

    def answer(self, run: Run, ref: SessionRef, death: Death) -> tuple[int, float]:
        """Decide on a death, or do what was decided. How much changed, and seconds until the next look."""
        if self._answered.get(run.session) == death.count:
            return 0, LOOK_SECONDS  # the shim is about to act upon it
        if death.count > run.restarts:
            did = self.note_alive(run)  # it came up and died before anybody looked
            return did + self._decide(run, ref, death), LOOK_SECONDS
        if run.restart_at is None:
            return 0, LOOK_SECONDS
        wait = (run.restart_at - self._db.read(lambda tx: tx.now)) / SECOND
        if wait > 0:
            return 0, min(wait, LOOK_SECONDS)
        if not self._gate.may_start(run):
            return 0, LOOK_SECONDS
        self._runtime.answer_death(ref, death.count, "resume" if self._began(run, ref) else "afresh")
        probe("restart.answered")
        self._answered[run.session] = death.count
        return 1, LOOK_SECONDS

    def _decide(self, run: Run, ref: SessionRef, death: Death) -> int:
        loaded = self._config_at(run.config_hash)
        setup = failure_of(str(ref.folder))

        def transaction(tx: Tx) -> bool:
            current = runs.get(tx, run.id)
            if current.epoch != run.epoch or death.count <= current.restarts:
                return False
            said = _judge(tx, loaded, current, death, setup)
            if isinstance(said, Again):
                return moves.restarting(tx, current, death, said)
            if said.why:
                runs.restart_refused(tx, run.id, epoch=run.epoch, why=said.why)
            return False

        if self._db.write(transaction):
            probe("restart.decided")
            return 1
        self._runtime.answer_death(ref, death.count, "end")
        self._answered[run.session] = death.count
        return 1

    def _began(self, run: Run, ref: SessionRef) -> bool:
        """Whether there is a conversation to resume: one that never began is begun."""
        known = self._db.read(lambda tx: sessions.get(tx, run.session))
        if known is None:
            return False
        return transcript_of(ref.folder, known.conversation) is not None


def transcript_of(folder: Path, conversation: str) -> Path | None:
    """The file of a session's conversation; its place follows from what we gave the client, not from its word."""
    projects = folder / "home" / ".claude" / "projects"
    return next(iter(sorted(projects.glob(f"*/{conversation}.jsonl"))), None)


def _judge(tx: Tx, loaded: LoadedConfig, run: Run, death: Death, setup: str) -> Again | NoMore:
    agent = loaded.config.agent(run.agent)
    if agent is None:
        return NoMore()
    said = sessions.get(tx, run.session)
    since = run.resumed_at or run.started_at or death.at
    around = Circumstances(
        found=moves.emitted(tx, run.id, turns.expectation(loaded, run).events),
        ending=said.ending if said is not None else "",
        failure=said.failure if said is not None else "",
        fault=said.fault if said is not None else "",
        setup=setup,
        agent_state=agents.get(tx, run.agent).state,
        alive_seconds=max(0.0, (death.at - since) / SECOND),
    )
    return decide(loaded.config.restart_of(agent), run, death, around)
