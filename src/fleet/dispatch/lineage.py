"""Who stands behind a run and behind a pull request, as sets of atoms that policy compares.

An atom is ``agent:<name>``, ``run:<id>``, ``human:<name>`` or ``mail:<address>``. Everything comes from what the
fleet itself recorded and from the commits; nothing an agent says about itself is used.
"""

from __future__ import annotations

from collections.abc import Iterable

from fleet.core.errors import NotFound
from fleet.core.journal import Entry
from fleet.core.live import LiveCommit, LivePull
from fleet.core.principal import Principal
from fleet.core.work import Run
from fleet.store import journal, runs
from fleet.store.db import Tx
from fleet.store.journal import Filter

AGENT_MAIL_DOMAIN = "agents.fleet.invalid"
_EVERYTHING = 100_000  # more entries than one pull request has


def agent_mail(agent: str) -> str:
    """The address under which an agent commits."""
    return f"{agent}@{AGENT_MAIL_DOMAIN}"


def agent_atoms(agent: str) -> frozenset[str]:
    """What an agent is known by."""
    return frozenset({f"agent:{agent}", f"mail:{agent_mail(agent)}"})


def lineage_atoms(tx: Tx, run: Run) -> frozenset[str]:
    """A run, its agent, and the same for every run it descends from."""
    atoms: set[str] = set()
    current: Run | None = run
    while current is not None and f"run:{current.id}" not in atoms:
        atoms |= agent_atoms(current.agent) | {f"run:{current.id}"}
        current = _run(tx, current.parent_run)
    return frozenset(atoms)


def principal_atoms(tx: Tx, principal: Principal) -> frozenset[str]:
    """The lineage of whoever acts."""
    return _actor_atoms(tx, str(principal), principal.run_id)


def named_atoms(actor: str) -> frozenset[str]:
    """The atoms of a principal that is known by name alone."""
    kind, _, name = actor.partition(":")
    return agent_atoms(name) if kind == "agent" else frozenset({actor})


def entry_atoms(tx: Tx, entry: Entry) -> frozenset[str]:
    """The lineage of whoever made a journal entry."""
    return _actor_atoms(tx, entry.actor, entry.run_id)


def starting_atoms(tx: Tx, agent: str, parent_run: str) -> frozenset[str]:
    """The lineage that a run of this agent would have."""
    parent = _run(tx, parent_run)
    return agent_atoms(agent) | (lineage_atoms(tx, parent) if parent is not None else frozenset())


def author_atoms(tx: Tx, pull: LivePull, commits: Iterable[LiveCommit]) -> frozenset[str]:
    """Everybody behind a pull request: who opened it, every run that pushed, every name in its commits."""
    atoms: set[str] = set(_actor_atoms(tx, pull.author, "")) if pull.author else set()
    for entry in _pushes(tx, pull):
        atoms |= entry_atoms(tx, entry)
    for commit in commits:
        for mail in commit.mails:
            atoms |= _mail_atoms(mail)
    return frozenset(atoms)


def _pushes(tx: Tx, pull: LivePull) -> list[Entry]:
    """Every push on record that belongs to this pull request, or to an earlier one of the same ticket.

    An intended push counts: a crash may have come between the branch's move and its record.
    """
    found: list[Entry] = []
    for kind in ("push.intended", "push.done"):
        found += journal.select(tx, Filter(type=kind, work_item=pull.work_item), limit=_EVERYTHING)
    for kind in ("pr_created", "pr_updated"):
        found += journal.select(tx, Filter(type=kind, subject=pull.subject), limit=_EVERYTHING)
    return found


def _actor_atoms(tx: Tx, actor: str, run_id: str) -> frozenset[str]:
    atoms = named_atoms(actor)
    run = _run(tx, run_id)
    return atoms | (lineage_atoms(tx, run) if run is not None else frozenset())


def _mail_atoms(mail: str) -> frozenset[str]:
    """An address; for an agent's address also the agent."""
    mail = mail.strip().lower()
    name, _, domain = mail.rpartition("@")
    if domain == AGENT_MAIL_DOMAIN and name:
        return frozenset({f"mail:{mail}", f"agent:{name}"})
    return frozenset({f"mail:{mail}"})


def _run(tx: Tx, run_id: str) -> Run | None:
    if not run_id:
        return None
    try:
        return runs.get(tx, run_id)
    except NotFound:
        return None
