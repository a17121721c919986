"""Reviews on record as policy judges them, and which approvals have lost their force.

An approval by an agent ends with that agent's quarantine: the cut is the quarantine's own entry, so it takes effect
with that transaction, and a release brings nothing back. What the agent says after its release counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace

from fleet.core.errors import NotFound
from fleet.core.journal import Draft, Entry
from fleet.core.live import LivePull
from fleet.dispatch.lineage import entry_atoms
from fleet.dispatch.offering import offer_again
from fleet.policy.facts import MergeFacts, VerdictFact
from fleet.store import journal, runs
from fleet.store.db import Tx
from fleet.store.journal import Filter

APPROVES, OBJECTS = "pr_approved", "pr_changes_requested"
_EVERYTHING = 100_000  # more reviews than one pull request has


def verdicts(tx: Tx, pull: LivePull) -> tuple[VerdictFact, ...]:
    """Every review of a pull request on record, in journal order."""
    return tuple(_fact(tx, entry) for entry in _reviews(tx, pull.subject))


def lost_force(tx: Tx, entry: Entry) -> str:
    """Why an approval on record does not count any more; "" where it does, and for anything but approvals.

    Asked of everybody behind it: a reviewer that a quarantined agent started spoke on that agent's behalf.
    """
    if entry.type != APPROVES:
        return ""
    for name in _agents(entry_atoms(tx, entry)):
        found = journal.select(tx, Filter(type="agent.quarantined", subject=f"agent/{name}"), limit=1, newest=True)
        if found and found[0].seq > entry.seq:
            return f"{name} was quarantined afterwards (entry {found[0].seq})"
    return ""


def approving_agents(tx: Tx, pull: LivePull) -> frozenset[str]:
    """Agents on whose approval a merge of this head may rest, with those that stand behind them."""
    spoken = (one for one in verdicts(tx, pull) if one.approves and not one.void and one.head == pull.head_sha)
    return frozenset(name for one in spoken for name in _agents(one.lineage))


def without(facts: MergeFacts, names: Set[str]) -> MergeFacts:
    """The same facts with no approval that rests on one of these agents, which are about to be quarantined."""
    return replace(facts, verdicts=tuple(_left_out(one, names) for one in facts.verdicts))


def to_ask_again(tx: Tx, pull: LivePull, actor: str) -> Iterator[Draft]:
    """For each approval of this head that lost its force: the event that brings its reviewer's work back.

    A reviewer that said something since has answered. While it is quarantined the work waits, as all of its work does.
    """
    at_head = [entry for entry in _reviews(tx, pull.subject) if entry.generation == pull.head_sha]
    for entry in at_head:
        later = any(one.actor == entry.actor and one.seq > entry.seq for one in at_head)
        why = "" if later or not entry.actor.startswith("agent:") else lost_force(tx, entry)
        asked = _asked_by(tx, entry) if why else None
        if asked is not None:
            yield _again(pull, entry, asked, why, actor)


def _again(pull: LivePull, entry: Entry, asked: Entry, why: str, actor: str) -> Draft:
    agent = entry.actor.removeprefix("agent:")
    return offer_again(
        actor,
        agent,
        asked.type,
        subject=pull.subject,
        generation=pull.head_sha,
        work_item=pull.work_item,
        run=entry.run_id,
        of=asked.id,
        cause_id=entry.id,
        dedup_key=f"reviewed_again:{entry.id}",
        summary=f"{agent} is asked again to review {pull.subject}: {why}, and its approval does not count any more",
        reason=f"its approval lost its force: {why}",
    )


def _asked_by(tx: Tx, entry: Entry) -> Entry | None:
    """What its work comes back as: the newest call for a review of this head, else what its run was started on."""
    wanted = Filter(type="pr_needs_review", stream="event", subject=entry.subject, generation=entry.generation)
    found = journal.select(tx, wanted, limit=1, newest=True)
    try:
        return found[0] if found else journal.get(tx, runs.get(tx, entry.run_id).event_id)
    except NotFound:
        return None


def _reviews(tx: Tx, subject: str) -> list[Entry]:
    found = [
        entry
        for kind in (APPROVES, OBJECTS)
        for entry in journal.select(tx, Filter(type=kind, stream="event", subject=subject), limit=_EVERYTHING)
    ]
    return sorted(found, key=lambda one: one.seq)


def _fact(tx: Tx, entry: Entry) -> VerdictFact:
    payload = entry.payload or {}
    return VerdictFact(
        entry.seq,
        entry.actor,
        entry.type == APPROVES,
        entry.generation,
        entry_atoms(tx, entry),
        str(payload.get("content", "")),
        str(payload.get("diff", "")),
        lost_force(tx, entry),
    )


def _left_out(one: VerdictFact, names: Set[str]) -> VerdictFact:
    found = sorted(names & set(_agents(one.lineage)))
    if not found or not one.approves or one.void:
        return one
    return replace(one, void=f"{found[0]} is about to be quarantined")


def _agents(atoms: frozenset[str]) -> list[str]:
    return sorted(atom.removeprefix("agent:") for atom in atoms if atom.startswith("agent:"))
