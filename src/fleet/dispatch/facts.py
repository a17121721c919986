"""Gather what policy judges: from one store snapshot and from the live state, never from claims.

``control`` uses the same functions before it acts, so a start and the act are judged by one rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fleet.config.gate import names_in
from fleet.config.loader import LoadedConfig
from fleet.config.model import FleetConfig
from fleet.config.roles import Role
from fleet.core.agent import AgentState
from fleet.core.errors import NotFound
from fleet.core.journal import Entry
from fleet.core.live import LiveCommit, LivePull
from fleet.core.principal import Principal, PrincipalKind
from fleet.core.work import Delivery, DeliveryState, Run
from fleet.dispatch.approvals import grants
from fleet.dispatch.budgets import budget_facts
from fleet.dispatch.cancelled import cancelled
from fleet.dispatch.glance import NOTHING_REPORTED, Look, Reported
from fleet.dispatch.holds import hold_facts
from fleet.dispatch.lineage import author_atoms, principal_atoms, starting_atoms
from fleet.dispatch.loops import loop_facts
from fleet.dispatch.verdicts import verdicts
from fleet.policy.approval import MERGE, Content, bound_policy
from fleet.policy.facts import (
    AgentFacts,
    AskedFact,
    DiskFacts,
    EventFact,
    GateFacts,
    LoadFacts,
    MergeFacts,
    PullFacts,
    ReviewFacts,
    StartFacts,
    TicketFacts,
    WorkFacts,
)
from fleet.policy.gates import NO_MERGE
from fleet.policy.under import (
    agent_under,
    gate_under,
    load_under,
    merge_under,
    pull_under,
    pushes,
    ticket_under,
)
from fleet.store import agents, deliveries, journal, refheads, risk, runs
from fleet.store.db import Tx
from fleet.store.journal import Filter

_EVERYTHING = 100_000  # more reviews than one pull request has


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
    if pull is not None and agent.merges and delivery.event_type not in NO_MERGE:
        principal = Principal(PrincipalKind.AGENT, agent.name, role=agent.role)
        facts = merge_facts(
            tx, pull, config, roles, principal, seen.commits, seen.changed_paths, seen.content, seen.reported
        )
        merge = replace(facts, lineage=lineage, conflict=seen.conflict if _conflict_told(tx, pull) else "")
    return StartFacts(
        work=work_facts(tx, delivery, root),
        agent=agent,
        load=load_facts(tx, delivery.work_item, agent, loaded),
        budget=budget_facts(tx, agent.name, delivery.work_item, config),
        pull=pull_facts(pull, config, roles) if pull is not None else None,
        ticket=ticket_facts(tx, seen, config),
        lineage=lineage,
        authors=authors,
        merge=merge,
        disk=disk,
        hold=hold_facts(tx, seen.ticket, seen.pull or seen.in_hand),
        gate=gate_facts(tx, delivery.subject, seen, loaded, agent, judged_merge=merge is not None),
        loops=loop_facts(tx, delivery, loaded),
    )


def gate_facts(
    tx: Tx, subject: str, seen: Look, loaded: LoadedConfig, agent: AgentFacts, *, judged_merge: bool = False
) -> GateFacts:
    """What the conditions before a start of this agent read; ``judged_merge``: the merge's own facts are there."""
    live = seen.pull or seen.ticket
    pull, content, approval = seen.pull, seen.content, None
    if pull is not None and content is not None and not judged_merge:
        config, roles = loaded.config, loaded.roles
        merge = replace(content, policy=bound_policy(MERGE, "", config, roles))
        principal = Principal(PrincipalKind.AGENT, agent.name, role=agent.role)
        found = merge_facts(tx, pull, config, roles, principal, seen.commits, seen.changed_paths, merge)
        approval = replace(found, grants=(*found.grants, *grants(tx, pull, content)))
    facts = GateFacts(
        now=tx.now,
        subject=subject,
        head=pull.head_sha if pull is not None else "",
        labels=live.labels if live is not None else frozenset(),
        events=tuple(EventFact(*row) for row in journal.newest_events(tx, subject)) if subject else (),
        diff=seen.diff,
        approval=approval,
        checks=seen.reported.seen,
        risks=_risks(tx, agent.name, seen) if judged_merge or _asks_for_risk(loaded.config, agent.name) else (),
    )
    return gate_under(facts, agent.name, loaded.config, loaded.roles)


def _asks_for_risk(config: FleetConfig, agent: str) -> bool:
    member = config.agent(agent)
    return member is not None and "max_risk" in names_in(member.subscription_gate)


def _risks(tx: Tx, agent: str, seen: Look) -> tuple[tuple[str, str], ...]:
    """The level of the agent that would start, and of every agent behind the pull request; "" before the first."""
    behind = author_atoms(tx, seen.pull, seen.commits) if seen.pull is not None else frozenset()
    names = sorted({agent, *(atom.removeprefix("agent:") for atom in behind if atom.startswith("agent:"))})
    return tuple((name, str(risk.level_of_agent(tx, name) or "")) for name in names)


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
    try:
        row = agents.get(tx, name)
        state, reason = row.state, row.reason
    except NotFound:
        state, reason = AgentState.ACTIVE, ""
    seen = AgentFacts(
        name,
        member=False,
        enabled=False,
        state=state,
        role="",
        reviews=False,
        merges=False,
        pushes=False,
        state_reason=reason,
        probation=risk.on_probation(tx, name),
    )
    return agent_under(seen, config, roles)


def pull_facts(pull: LivePull, config: FleetConfig, roles: Mapping[str, Role]) -> PullFacts:
    """A live pull request as policy sees it."""
    seen = PullFacts(pull.number, pull.state, pull.head_sha, pull.author, author_is_member=False)
    return pull_under(seen, config, roles)


def ticket_facts(tx: Tx, seen: Look, config: FleetConfig) -> TicketFacts | None:
    """A live ticket as policy sees it; None when there is none."""
    if seen.ticket is None:
        return None
    subject = f"ticket/{seen.ticket.number}"
    merged = journal.select(tx, Filter(type="pr_merged", work_item=subject), limit=1, newest=True)
    facts = TicketFacts(
        number=seen.ticket.number,
        state=seen.ticket.state,
        labels=seen.ticket.labels,
        required_label="",
        in_hand=seen.in_hand.number if seen.in_hand is not None else 0,
        in_hand_author=seen.in_hand.author if seen.in_hand is not None else "",
        merged_seq=merged[0].seq if merged else 0,
    )
    return ticket_under(facts, config)


def merge_facts(
    tx: Tx,
    pull: LivePull,
    config: FleetConfig,
    roles: Mapping[str, Role],
    principal: Principal,
    commits: tuple[LiveCommit, ...],
    changed_paths: tuple[str, ...],
    content: Content | None = None,
    reported: Reported = NOTHING_REPORTED,
) -> MergeFacts:
    """Everything the merge gate reads about ``pull`` for ``principal``; without ``content`` no grant counts."""
    seen = MergeFacts(
        number=pull.number,
        state=pull.state,
        head=pull.head_sha,
        authors=author_atoms(tx, pull, commits),
        verdicts=verdicts(tx, pull),
        reviewers=(),
        protected=(),
        principal=str(principal),
        principal_is_agent=principal.is_agent,
        lineage=principal_atoms(tx, principal),
        shared_uid=True,  # the only mode there is so far
        shared_uid_merge_allowed=False,
        content=content.seal if content is not None else "",
        grants=grants(tx, pull, content) if content is not None else (),
        base_alarm=next((alarm.text for alarm in refheads.open_alarms(tx, holding=True)), ""),
        asked=_asked(tx, pull),
        waivers=tuple(sorted(_waivers(tx, pull).items())),
        paths=changed_paths,
        hold=hold_facts(tx, None, pull),
        diff=content.diff if content is not None else "",
        base_ref=pull.base_ref,
        ruled_checks=reported.ruled,
        checks=reported.seen,
    )
    return merge_under(seen, config, roles)


def _conflict_told(tx: Tx, pull: LivePull) -> bool:
    """Whether the author was told that this head conflicts."""
    told = journal.select(tx, Filter(type="pr_conflict", subject=pull.subject), limit=_EVERYTHING)
    return any(entry.generation == pull.head_sha for entry in told)


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


def _asked(tx: Tx, pull: LivePull) -> tuple[AskedFact, ...]:
    """Every agent that was told of this head, or works on it."""
    states: dict[str, set[DeliveryState]] = {}
    for delivery in deliveries.for_work_item(tx, pull.work_item):
        if (delivery.subject, delivery.generation) == (pull.subject, pull.head_sha):
            states.setdefault(delivery.agent, set()).add(delivery.state)
    for run in runs.live(tx):
        if (run.subject, run.generation) == (pull.subject, pull.head_sha):
            states.setdefault(run.agent, set()).add(DeliveryState.DISPATCHED)
    known = {row.name: row.role for row in agents.every(tx)}
    return tuple(AskedFact(name, _how_far(states[name]), known.get(name, "")) for name in sorted(states))


def _how_far(states: set[DeliveryState]) -> str:
    """How far asking an agent has come, in one word."""
    order = (DeliveryState.DISPATCHED, DeliveryState.CLAIMED, DeliveryState.PENDING, DeliveryState.HELD)
    return str(next((state for state in (*order, DeliveryState.DEAD) if state in states), DeliveryState.DENIED))


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
    same_work = [run for run in live if run.work_item == work_item]
    seen = LoadFacts(
        agent_live=sum(run.agent == agent.name for run in live),
        agent_limit=0,
        fleet_live=len(live),
        fleet_limit=0,
        busy_run=next((run.id for run in same_work if run.agent == agent.name), ""),
        other_author=next(
            (run.agent for run in same_work if run.agent != agent.name and pushes(loaded.roles.get(run.role))), ""
        ),
    )
    return load_under(seen, agent.name, loaded.config)
