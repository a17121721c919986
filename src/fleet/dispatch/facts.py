"""Gather what policy judges: from one store snapshot and from the live state, never from claims.

``control`` uses the same functions before it acts, so a start and the act are judged by one rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar, cast

from fleet.config.loader import LoadedConfig
from fleet.config.model import FleetConfig
from fleet.config.roles import Role
from fleet.core.agent import AgentState
from fleet.core.errors import NotFound
from fleet.core.event import subject_kind, subject_number
from fleet.core.journal import Entry
from fleet.core.live import LiveCommit, LivePull, LiveState, LiveTicket
from fleet.core.principal import Principal, PrincipalKind
from fleet.core.work import Delivery, DeliveryState, Run
from fleet.dispatch.approvals import bound_content, grants
from fleet.dispatch.cancelled import cancelled
from fleet.dispatch.lineage import author_atoms, entry_atoms, lineage_atoms, principal_atoms, starting_atoms
from fleet.policy.approval import Content
from fleet.policy.facts import (
    AgentFacts,
    BudgetFacts,
    DiskFacts,
    LoadFacts,
    MergeFacts,
    PullFacts,
    ReviewerFact,
    ReviewFacts,
    StartFacts,
    TicketFacts,
    VerdictFact,
    WorkFacts,
)
from fleet.policy.scope import protected_among
from fleet.store import agents, deliveries, journal, refheads, runs
from fleet.store.db import Tx
from fleet.store.journal import Filter

__all__ = [
    "Glance",
    "Look",
    "author_atoms",
    "lineage_atoms",
    "look",
    "merge_facts",
    "parent_run",
    "review_facts",
    "root_event",
    "start_facts",
]

T = TypeVar("T", tuple[LiveCommit, ...], tuple[str, ...])

# A release role reacting to these does not start in order to merge.
_NO_MERGE = frozenset({"pr_merged", "pr_closed"})
_EVERYTHING = 100_000  # more reviews than one pull request has


Known = dict[tuple[str, int, str, str], tuple[LiveCommit, ...] | tuple[str, ...]]


class Glance:
    """A LiveState that asks every question once: one tick sees one state.

    Commits and paths of a pull request are fixed by its head and base. They are taken from ``known``, which is
    what the glance of the tick before left in its own ``known``, so that waiting work costs no git.
    """

    def __init__(self, live: LiveState, known: Known | None = None) -> None:
        """Wrap the real thing; throw the glance away at the end of the tick."""
        self.ticket = cache(live.ticket)
        self.pull = cache(live.pull)
        self.pull_for_ticket = cache(live.pull_for_ticket)
        self.tickets = cache(live.tickets)
        self.pulls = cache(live.pulls)
        self._live = live
        self._before: Known = known or {}
        self.known: Known = {}

    def commits(self, number: int) -> tuple[LiveCommit, ...]:
        """As LiveState."""
        return self._fixed("commits", number, self._live.commits)

    def changed_paths(self, number: int) -> tuple[str, ...]:
        """As LiveState."""
        return self._fixed("paths", number, self._live.changed_paths)

    def diff_digest(self, number: int) -> str:
        """As LiveState."""
        return self._fixed("diff", number, lambda one: (self._live.diff_digest(one),))[0]

    def _fixed(self, what: str, number: int, ask: Callable[[int], T]) -> T:
        pull = self.pull(number)
        key = (what, number, pull.head_sha if pull else "", pull.base_sha if pull else "")
        if key not in self.known:
            self.known[key] = self._before[key] if key in self._before else ask(number)
        return cast(T, self.known[key])


@dataclass(frozen=True, slots=True)
class Look:
    """What the forge says about one subject. ``in_hand`` is the open pull request of a ticket."""

    ticket: LiveTicket | None = None
    pull: LivePull | None = None
    in_hand: LivePull | None = None
    commits: tuple[LiveCommit, ...] = ()
    changed_paths: tuple[str, ...] = ()
    content: Content | None = None  # what a person's word would be bound to, where one may be asked


def look(live: LiveState, subject: str, role: Role | None, policy: str = "") -> Look:
    """Ask the forge what a start of this role on this subject depends on. Raises TemporaryError.

    ``policy`` is the digest of the configuration in force.
    """
    number = subject_number(subject)
    kind = subject_kind(subject)
    if kind == "ticket":
        return Look(ticket=live.ticket(number), in_hand=live.pull_for_ticket(number))
    pull = live.pull(number) if kind == "pr" else None
    if pull is None or pull.state != "open" or role is None:
        return Look(pull=pull)
    merges = "pr.merge" in role.verbs
    return Look(
        pull=pull,
        commits=live.commits(number) if merges or role.is_reviewer else (),
        changed_paths=live.changed_paths(number) if merges else (),
        content=bound_content(live, pull, policy) if merges else None,
    )


def root_event(tx: Tx, event_id: str) -> Entry:
    """The event that first asked for the work: the one named by ``of`` where work came back."""
    entry = journal.get(tx, event_id)
    of = (entry.payload or {}).get("of") if entry.type == "work_returned" else None
    return journal.get(tx, of) if isinstance(of, str) else entry


def parent_run(root: Entry) -> str:
    """The run a start descends from: the one that asked for it by hand, else none."""
    asked = root.type == "agent_start_requested" and root.actor.startswith("agent:")
    return root.run_id if asked else ""


def start_facts(
    tx: Tx, delivery: Delivery, seen: Look, loaded: LoadedConfig, disk: DiskFacts | None = None
) -> StartFacts:
    """Everything a start is judged by, from one snapshot of the store and one look at the forge and the disk."""
    config, roles = loaded.config, loaded.roles
    root = root_event(tx, delivery.event_id)
    agent = agent_facts(tx, delivery.agent, config, roles)
    lineage = starting_atoms(tx, agent.name, parent_run(root))
    pull, authors, merge = seen.pull, frozenset[str](), None
    if pull is not None and agent.reviews:
        authors = author_atoms(tx, pull, seen.commits)
    if pull is not None and agent.merges and delivery.event_type not in _NO_MERGE:
        principal = Principal(PrincipalKind.AGENT, agent.name, role=agent.role)
        facts = merge_facts(tx, pull, config, roles, principal, seen.commits, seen.changed_paths, seen.content)
        merge = replace(facts, lineage=lineage)
    return StartFacts(
        work=work_facts(tx, delivery, root),
        agent=agent,
        load=load_facts(tx, delivery.work_item, agent, loaded),
        budget=budget_facts(tx, agent, config),
        pull=pull_facts(pull, config, roles) if pull is not None else None,
        ticket=ticket_facts(tx, seen, config),
        lineage=lineage,
        authors=authors,
        merge=merge,
        disk=disk,
    )


def work_facts(tx: Tx, delivery: Delivery, root: Entry) -> WorkFacts:
    """The work of a delivery. Work that came back is as old as the event that first asked for it."""
    cancelled_seq, why = cancelled(tx, delivery.work_item)
    return WorkFacts(
        event_type=delivery.event_type,
        event_seq=root.seq,
        subject=delivery.subject,
        generation=delivery.generation,
        attempt=delivery.attempt,
        returned=root.id != delivery.event_id,
        cancelled_seq=cancelled_seq,
        cancelled=why,
    )


def agent_facts(tx: Tx, name: str, config: FleetConfig, roles: Mapping[str, Role]) -> AgentFacts:
    """Who an agent is, by the configuration and the store. A member the store does not know yet is active."""
    member = config.agent(name)
    role = roles.get(member.role) if member is not None else None
    try:
        row = agents.get(tx, name)
        state, reason = row.state, row.reason
    except NotFound:
        state, reason = AgentState.ACTIVE, ""
    return AgentFacts(
        name=name,
        member=member is not None,
        enabled=member is not None and member.enabled,
        state=state,
        role=member.role if member is not None else "",
        reviews=role is not None and role.is_reviewer,
        merges=role is not None and "pr.merge" in role.verbs,
        pushes=_pushes(role),
        state_reason=reason,
    )


def pull_facts(pull: LivePull, config: FleetConfig, roles: Mapping[str, Role]) -> PullFacts:
    """A live pull request as policy sees it."""
    author = config.agent(pull.author.removeprefix("agent:"))
    member = author is not None and author.enabled and _pushes(roles.get(author.role))
    return PullFacts(pull.number, pull.state, pull.head_sha, pull.author, member)


def ticket_facts(tx: Tx, seen: Look, config: FleetConfig) -> TicketFacts | None:
    """A live ticket as policy sees it; None when there is none."""
    if seen.ticket is None:
        return None
    subject = f"ticket/{seen.ticket.number}"
    merged = journal.select(tx, Filter(type="pr_merged", work_item=subject), limit=1, newest=True)
    return TicketFacts(
        number=seen.ticket.number,
        state=seen.ticket.state,
        labels=seen.ticket.labels,
        required_label=config.required_label or "",
        in_hand=seen.in_hand.number if seen.in_hand is not None else 0,
        in_hand_author=seen.in_hand.author if seen.in_hand is not None else "",
        merged_seq=merged[0].seq if merged else 0,
    )


def merge_facts(
    tx: Tx,
    pull: LivePull,
    config: FleetConfig,
    roles: Mapping[str, Role],
    principal: Principal,
    commits: tuple[LiveCommit, ...],
    changed_paths: tuple[str, ...],
    content: Content | None = None,
) -> MergeFacts:
    """Everything the merge gate reads about ``pull`` for ``principal``; without ``content`` no grant counts."""
    return MergeFacts(
        number=pull.number,
        state=pull.state,
        head=pull.head_sha,
        authors=author_atoms(tx, pull, commits),
        verdicts=_verdicts(tx, pull),
        reviewers=_reviewers(tx, pull, config, roles),
        protected=protected_among(changed_paths, config.protected_paths),
        principal=str(principal),
        principal_is_agent=principal.is_agent,
        lineage=principal_atoms(tx, principal),
        shared_uid=True,  # the only mode there is so far
        shared_uid_merge_allowed=config.allow_shared_uid_merge,
        content=content.seal if content is not None else "",
        grants=grants(tx, pull, content) if content is not None else (),
        base_alarm=next((alarm.text for alarm in refheads.open_alarms(tx, holding=True)), ""),
    )


def review_facts(
    tx: Tx,
    pull: LivePull,
    roles: Mapping[str, Role],
    principal: Principal,
    reviewed_head: str,
    commits: tuple[LiveCommit, ...],
) -> ReviewFacts:
    """Everything a review of ``pull`` by ``principal`` is judged by.

    ``reviewed_head`` is the commit the verdict speaks of: given by the caller, else the head its run was
    started at, for a person the live head.
    """
    run: Run | None = runs.get(tx, principal.run_id) if principal.is_agent else None
    role = roles.get(principal.role)
    return ReviewFacts(
        number=pull.number,
        state=pull.state,
        head=pull.head_sha,
        reviewed_head=reviewed_head or (run.generation if run is not None else pull.head_sha),
        principal=str(principal),
        principal_is_agent=principal.is_agent,
        role=principal.role,
        reviews=role is not None and role.is_reviewer,
        lineage=principal_atoms(tx, principal),
        authors=author_atoms(tx, pull, commits),
        run_subject=run.subject if run is not None else "",
        run_head=run.generation if run is not None else "",
    )


def _verdicts(tx: Tx, pull: LivePull) -> tuple[VerdictFact, ...]:
    """Every review of a pull request on record, in journal order."""
    found = [
        entry
        for kind in ("pr_approved", "pr_changes_requested")
        for entry in journal.select(tx, Filter(type=kind, stream="event", subject=pull.subject), limit=_EVERYTHING)
    ]
    return tuple(
        VerdictFact(
            entry.seq,
            entry.actor,
            entry.type == "pr_approved",
            entry.generation,
            entry_atoms(tx, entry),
            str((entry.payload or {}).get("content", "")),
        )
        for entry in sorted(found, key=lambda one: one.seq)
    )


def _reviewers(tx: Tx, pull: LivePull, config: FleetConfig, roles: Mapping[str, Role]) -> tuple[ReviewerFact, ...]:
    """Who has to answer at this head: reviewers told of it, reviewers at work on it, and those about to be told.

    A delivery that policy denied asks nobody: its agent is an author, or no longer a member.
    """
    states: dict[str, set[DeliveryState]] = {}
    for delivery in deliveries.for_work_item(tx, pull.work_item):
        if (delivery.subject, delivery.generation) == (pull.subject, pull.head_sha):
            states.setdefault(delivery.agent, set()).add(delivery.state)
    for run in runs.live(tx):
        if (run.subject, run.generation) == (pull.subject, pull.head_sha):
            states.setdefault(run.agent, set()).add(DeliveryState.DISPATCHED)
    known = {row.name: row.role for row in agents.every(tx)} | {one.name: one.role for one in config.agents}
    expected = {one.name for one in config.agents if one.enabled and "pr_needs_review" in one.subscribes_to}
    waived = _waivers(tx, pull)
    names = sorted(name for name in expected | set(states) if _reviews(roles.get(known.get(name, ""))))
    return tuple(
        ReviewerFact(name, _asked(states.get(name, set())), waived.get(name, ""))
        for name in names
        if states.get(name) != {DeliveryState.DENIED}
    )


def _asked(states: set[DeliveryState]) -> str:
    """How far asking a reviewer has come, in one word."""
    order = (DeliveryState.DISPATCHED, DeliveryState.CLAIMED, DeliveryState.PENDING, DeliveryState.HELD)
    return next((str(state) for state in (*order, DeliveryState.DEAD) if state in states), "not asked yet")


def _waivers(tx: Tx, pull: LivePull) -> dict[str, str]:
    """Which person waived which reviewer at this head."""
    entries = journal.select(tx, Filter(type="review_waived", stream="event", subject=pull.subject), limit=_EVERYTHING)
    return {
        str((entry.payload or {}).get("agent", "")): entry.actor
        for entry in entries
        if entry.generation == pull.head_sha and entry.actor.startswith("human:")
    }


def load_facts(tx: Tx, work_item: str, agent: AgentFacts, loaded: LoadedConfig) -> LoadFacts:
    """What runs already, as a start of this agent on this work has to know it."""
    live = runs.live(tx)
    member = loaded.config.agent(agent.name)
    same_work = [run for run in live if run.work_item == work_item]
    return LoadFacts(
        agent_live=sum(run.agent == agent.name for run in live),
        agent_limit=member.max_concurrent if member is not None else 0,
        fleet_live=len(live),
        fleet_limit=loaded.config.max_concurrent,
        busy_run=next((run.id for run in same_work if run.agent == agent.name), ""),
        other_author=next(
            (run.agent for run in same_work if run.agent != agent.name and _pushes(loaded.roles.get(run.role))), ""
        ),
    )


def budget_facts(tx: Tx, agent: AgentFacts, config: FleetConfig) -> BudgetFacts:
    """The seconds of an agent."""
    member = config.agent(agent.name)
    if member is None:
        return BudgetFacts(None, 0.0, 0.0, 1, 1)
    live = sum(run.agent == agent.name for run in runs.live(tx))
    return BudgetFacts(
        budget_seconds=member.budget_seconds,
        spent=runs.spent_seconds(tx, agent.name),
        reserved=runs.reserved_seconds(tx, agent.name),
        timeout_seconds=member.timeout_seconds,
        free_slots=max(1, member.max_concurrent - live),
    )


def _pushes(role: Role | None) -> bool:
    return role is not None and "pr.push" in role.verbs


def _reviews(role: Role | None) -> bool:
    return role is not None and role.is_reviewer
