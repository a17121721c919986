"""The effects of a run, each repeatable: make and launch a session, bury a lost one, clear up after an ended one.

Runs in bounded workers, never in the runner's own thread. Holds no state but the secrets of sessions that are
being started; what is needed after a restart is read from the run's row and from the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fleet.config.loader import LoadedConfig
from fleet.config.model import AgentConfig
from fleet.config.paths import FleetPaths
from fleet.core.clock import Clock
from fleet.core.errors import NotFound, PermanentError
from fleet.core.journal import Entry
from fleet.core.probe import probe
from fleet.core.work import Run
from fleet.runtime import brief, escrow, moves
from fleet.runtime.baseline import pin_to_base
from fleet.runtime.brief import Places, WorkFacts
from fleet.runtime.clone import make_clone, remove_clone
from fleet.runtime.escrowcap import Cap
from fleet.runtime.handbook import Handbook
from fleet.runtime.instructions import handbook_of
from fleet.runtime.launchfiles import write_launch_files
from fleet.runtime.port import Launch, Runtime, SessionRef
from fleet.runtime.setups import Setups
from fleet.runtime.vendors import VENDORS
from fleet.runtime.vendors.port import Start, VendorLaunch, provider_of
from fleet.store import capabilities, journal, runs, sessions
from fleet.store.db import Database, Tx

GatherFacts = Callable[[Run], WorkFacts]


@dataclass(frozen=True, slots=True)
class Buried:
    """What was left of a lost session: processes that would not end, and where its work was saved."""

    survivors: tuple[int, ...]
    ref: str
    sha: str
    error: str


class Starter:
    """Does to sessions what the runner decides."""

    def __init__(
        self,
        db: Database,
        runtime: Runtime,
        clock: Clock,
        paths: FleetPaths,
        *,
        config_at: Callable[[str], LoadedConfig],
        work_facts: GatherFacts,
        programs: Path,
        door: str = "",
    ) -> None:
        """``config_at`` knows the configuration of a hash, which a run keeps to its end.

        ``programs`` is the folder of the ``fleet`` command that agents are to find first, ``door`` the base URL of
        the daemon's loopback port.
        """
        self._db = db
        self._runtime = runtime
        self._clock = clock
        self._paths = paths
        self._config_at = config_at
        self._work_facts = work_facts
        self._programs = programs
        self._door = door
        self._secrets: dict[str, str] = {}
        self._setups = Setups(paths.env_files)

    def ref(self, run: Run, epoch: int | None = None) -> SessionRef:
        """How to find the session of a run, by default that of its present epoch."""
        number = run.epoch if epoch is None else epoch
        session = f"{run.id}-e{number}"
        return SessionRef(session, run.id, number, self._paths.runs / session)

    def clone(self, session: str) -> Path:
        """The working copy of a session."""
        return self._paths.clones / session

    def new_secret(self, session: str) -> str:
        """Draw the secret of a session that is about to be taken; only its hash may be stored."""
        self._secrets[session] = self._clock.entropy(32).hex()
        return self._secrets[session]

    def forget_secret(self, session: str) -> None:
        """The session has its file, or will never be."""
        self._secrets.pop(session, None)

    def knows_secret(self, session: str) -> bool:
        """False after a restart: the session cannot be prepared again and another epoch has to be taken."""
        return session in self._secrets

    # -- start ---------------------------------------------------------------------------------

    def start(self, run: Run) -> None:
        """Prepare and launch the session of a taken run. Repeatable for the same epoch.

        Raises TemporaryError when it should be tried again, any other FleetError when that cannot help.
        """
        agent = self._config_at(run.config_hash).config.agent(run.agent)
        if agent is None:
            raise PermanentError("FLT-RUN-012", "the agent is no longer in the configuration", where=run.agent)
        facts = self._work_facts(run)
        handbook = handbook_of(agent, self._config_at(run.config_hash), self._paths.config.parent)
        event = self._db.write(lambda tx: self._admit(tx, run, facts, handbook))
        session, ref = run.session, self.ref(run)
        branch, base = self._checkout(run, facts)
        identity = (run.agent, f"{run.agent}@{brief.MAIL_DOMAIN}")
        make_clone(self._paths.bare, self.clone(session), branch, base, identity)
        probe("start.prepared")
        pin_to_base(self.clone(session), facts.base, VENDORS[agent.vendor].pins)
        vendor = self._vendor(run, agent, handbook.text)
        setup = self._config_at(run.config_hash).config.setup_of(agent)
        vendor = self._setups.prepare(ref.folder, setup, vendor, partial(self._other_folders, run))
        places = Places(ref.folder, self.clone(session), self._paths.socket, self._programs, vendor.env)
        write_launch_files(
            places,
            brief=brief.build_brief(run, event, facts),
            handbook=handbook.text,
            gitconfig=brief.git_config(run),
            secret=self._secrets[session],
            vendor=vendor,
        )
        self._still_wanted(run)
        self._runtime.launch(self._launch(run, vendor, brief.agent_env(run, facts, places)))
        probe("start.launched")
        self._db.write(lambda tx: moves.shown(tx, run, brief.messages_in(facts)))
        self._runtime.watch(ref)
        self._clear_older(run)

    def _vendor(self, run: Run, agent: AgentConfig, handbook: str) -> VendorLaunch:
        """How the agent's program starts; the session of one that reports is on record before it can report."""
        loaded, session, kind = self._config_at(run.config_hash), run.session, VENDORS[agent.vendor]
        secret = self._secrets[session]
        meter = capabilities.meter_of(secret)
        start = Start(
            agent,
            loaded.config,
            loaded.roles.get(run.role),
            self._paths.config.parent,
            self.ref(run).folder,
            self.clone(session),
            session,
            handbook=handbook,
            secret=secret,
            meter=meter,
            door=self._door,
        )
        launch = kind.launch(start)
        if kind.reports:

            def known(tx: Tx) -> None:
                sessions.open_(
                    tx,
                    session,
                    run_id=run.id,
                    epoch=run.epoch,
                    agent=run.agent,
                    provider=provider_of(loaded.config, agent),
                    conversation=launch.conversation,
                    meter_hash=capabilities.digest(meter),
                    backend=loaded.config.backend_of(agent).priced_as,
                )

            self._db.write(known)
        return launch

    def _still_wanted(self, run: Run) -> None:
        """Nothing is launched for a run that was asked to end while its clone was made. Raises FLT-RUN-013."""
        if self._db.read(lambda tx: runs.get(tx, run.id)).cancel_reason:
            raise PermanentError("FLT-RUN-013", "the run was asked to end before its session began", where=run.id)

    def _other_folders(self, run: Run) -> list[Path]:
        """The run folders of all other live runs: where their ports are written down."""
        return [self.ref(other).folder for other in self._db.read(runs.live) if other.id != run.id and other.epoch]

    def _admit(self, tx: Tx, run: Run, facts: WorkFacts, handbook: Handbook) -> Entry:
        """Let the run touch the pull request it is about to work on, and record what it is going to read about itself.

        Returns the event that started it.
        """
        loaded = self._config_at(run.config_hash)
        agent, role = loaded.config.agent(run.agent), loaded.roles.get(run.role)
        added = VENDORS[agent.vendor].adds(role) if agent is not None and role is not None else ()
        moves.instructed(tx, run, handbook, added, brief.told(facts))
        capabilities.extend_subjects(tx, run.id, brief.subjects_of(run, facts))
        return journal.get(tx, run.event_id)

    def _checkout(self, run: Run, facts: WorkFacts) -> tuple[str, str]:
        """Branch and start of the clone: pushers continue the branch, others see exactly the commit they judge."""
        role = self._config_at(run.config_hash).roles.get(run.role)
        if role is not None and "pr.push" in role.verbs:
            return facts.branch, facts.base
        return f"look/{run.id}", run.generation or facts.base

    def _launch(self, run: Run, vendor: VendorLaunch, env: dict[str, str]) -> Launch:
        return Launch(
            session=run.session,
            run_id=run.id,
            epoch=run.epoch,
            folder=self.ref(run).folder,
            clone=self.clone(run.session),
            bare=self._paths.bare,
            argv=vendor.argv,
            env=env,
            allowance_seconds=run.allowance_seconds,
            allowance_kind="budget" if run.allowance_kind == "budget" else "timeout",
            stdin=vendor.stdin,
            escrow_cap=self._config_at(run.config_hash).config.keeping.escrow_cap,
            again=vendor.again if self._restarts(run) else (),
        )

    def _restarts(self, run: Run) -> bool:
        """Whether a death of the run's agent may be answered by resuming it."""
        config = self._config_at(run.config_hash).config
        agent = config.agent(run.agent)
        return agent is not None and config.restart_of(agent).attempts > 0

    # -- ends ----------------------------------------------------------------------------------

    def bury(self, run: Run) -> Buried:
        """End what a vanished session left behind and save its work, in this order."""
        survivors = self._runtime.sweep(self.ref(run))
        clone = self.clone(run.session)
        if not clone.is_dir():
            return Buried(survivors, "", "", "")
        saved = escrow.save(clone, self._paths.bare, run.session, cap=self._cap(run))
        return Buried(survivors, saved.ref, saved.sha, saved.error)

    def clear(self, run: Run) -> None:
        """Close an ended session and remove its clone, if its work is safe; otherwise the clone stays."""
        ref = self.ref(run)
        self._runtime.close(ref)
        if run.escrow_ref:
            remove_clone(self.clone(ref.session), self._paths.bare, run.escrow_ref, run.escrow_sha)
        elif run.started_at is None:
            self._save_and_remove(ref, self._cap(run))
        self._clear_older(run)

    def _clear_older(self, run: Run) -> None:
        """Do the same for the epochs that were given up."""
        for epoch in range(1, run.epoch):
            ref = self.ref(run, epoch)
            if self.clone(ref.session).is_dir():
                self._runtime.close(ref)
                self._save_and_remove(ref, self._cap(run))

    def _cap(self, run: Run) -> Cap:
        """How much of a run's work is saved."""
        return Cap(*self._config_at(run.config_hash).config.keeping.escrow_cap)

    def _save_and_remove(self, ref: SessionRef, cap: Cap) -> None:
        """Remove a clone that no agent is known to have worked in; what may be in it is saved first."""
        clone = self.clone(ref.session)
        saved = escrow.Saved("", "", "")
        if clone.is_dir():
            saved = escrow.save(clone, self._paths.bare, ref.session, cap=cap)
        if not saved.error:
            remove_clone(clone, self._paths.bare, saved.ref, saved.sha)

    def leftovers(self) -> list[Run]:
        """Ended runs whose clone is still there, because the daemon died between end and clearing."""
        ids = {name.rpartition("-e")[0] for name in self._clone_names()}
        found = self._db.read(lambda tx: [_ended(tx, run_id) for run_id in sorted(ids)])
        return [run for run in found if run is not None]

    def _clone_names(self) -> list[str]:
        """Names of clones, those half made and half deleted included."""
        try:
            return [entry.name.lstrip(".") for entry in self._paths.clones.iterdir()]
        except FileNotFoundError:
            return []


def _ended(tx: Tx, run_id: str) -> Run | None:
    """The run of this id when it exists and has ended."""
    try:
        run = runs.get(tx, run_id)
    except NotFound:
        return None
    return run if run.finished_at is not None else None
