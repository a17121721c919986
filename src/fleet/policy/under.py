"""What a configuration makes of what was seen: the fields of the facts that are policy and not observation. Pure.

``dispatch/facts.py`` gathers what there is and ends with these functions; ``fleet policy replay`` takes facts that
were recorded and puts them under another configuration with the same ones. So there is one place in which a
setting becomes a fact. ``POLICY`` names those fields; a test compares it with the classes, so that a new field
cannot be forgotten here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fleet.config.model import FleetConfig
from fleet.config.roles import Role
from fleet.core.live import WantedCheck
from fleet.policy.ceilings import ceiling_of
from fleet.policy.disk import floor_bytes, is_low
from fleet.policy.facts import (
    AgentFacts,
    AskedFact,
    AttemptFacts,
    BrokenFacts,
    BudgetFacts,
    CallOffFacts,
    DiskFacts,
    GateFacts,
    Limit,
    LoadFacts,
    LoopFacts,
    MergeFacts,
    PullFacts,
    ReviewerFact,
    ReviewFacts,
    StartFacts,
    TicketFacts,
    WarnFacts,
)
from fleet.policy.scope import protected_among

Roles = Mapping[str, Role]

# The fields that a configuration decides, by class; every other field is observed.
POLICY: Mapping[type, frozenset[str]] = {
    AgentFacts: frozenset({"member", "enabled", "role", "reviews", "merges", "pushes"}),
    LoadFacts: frozenset({"agent_limit", "fleet_limit"}),
    BudgetFacts: frozenset({"timeout_seconds"}),
    Limit: frozenset({"ceiling", "slots"}),
    PullFacts: frozenset({"author_is_member"}),
    TicketFacts: frozenset({"required_label"}),
    MergeFacts: frozenset({"reviewers", "protected", "shared_uid_merge_allowed", "base", "wanted_checks"}),
    ReviewFacts: frozenset({"role", "reviews"}),
    DiskFacts: frozenset({"floor", "low"}),
    GateFacts: frozenset({"gate"}),
    BrokenFacts: frozenset({"attempts", "failures_limit"}),
    AttemptFacts: frozenset({"attempts"}),
    CallOffFacts: frozenset({"pushes", "required_label"}),
    WarnFacts: frozenset({"percent"}),
    LoopFacts: frozenset({"hops_limit", "rounds_limit", "starts_limit", "failures_limit"}),
}


def start_under(facts: StartFacts, config: FleetConfig, roles: Roles) -> StartFacts:
    """A start as this configuration sees it. What the configuration makes nobody look at is left out."""
    agent = agent_under(facts.agent, config, roles)
    return replace(
        facts,
        agent=agent,
        load=load_under(facts.load, agent.name, config),
        budget=budget_under(facts.budget, agent.name, facts.load.agent_live, config),
        pull=pull_under(facts.pull, config, roles) if facts.pull is not None else None,
        ticket=ticket_under(facts.ticket, config) if facts.ticket is not None else None,
        merge=merge_under(facts.merge, config, roles) if facts.merge is not None and agent.merges else None,
        disk=disk_under(facts.disk, config) if facts.disk is not None else None,
        gate=gate_under(facts.gate, agent.name, config, roles) if facts.gate is not None else None,
        loops=loops_under(facts.loops, config) if facts.loops is not None else None,
    )


def broken_under(facts: BrokenFacts, config: FleetConfig, roles: Roles) -> BrokenFacts:
    """A run that broke: how many attempts there are, and what is still wanted."""
    return replace(
        facts,
        agent=agent_under(facts.agent, config, roles),
        attempts=config.retry.attempts,
        failures_limit=config.limits.same_failures,
        pull=pull_under(facts.pull, config, roles) if facts.pull is not None else None,
        ticket=ticket_under(facts.ticket, config) if facts.ticket is not None else None,
    )


def attempt_under(facts: AttemptFacts, config: FleetConfig) -> AttemptFacts:
    """How many attempts are granted."""
    return replace(facts, attempts=config.retry.attempts)


def call_off_under(facts: CallOffFacts, config: FleetConfig, roles: Roles) -> CallOffFacts:
    """Whether the agent writes, and what a ticket needs to be worked on."""
    member = config.agent(facts.agent)
    role = roles.get(member.role) if member is not None else None
    return replace(facts, pushes=pushes(role), required_label=config.required_label or "")


def warn_under(facts: WarnFacts, config: FleetConfig) -> WarnFacts:
    """The ceiling of a budget, and at which percentage people are told."""
    limit = limit_under(facts.limit, facts.limit.name, 0, config)
    return replace(facts, limit=replace(limit, slots=facts.limit.slots), percent=config.budgets.warn_percent)


def loops_under(facts: LoopFacts, config: FleetConfig) -> LoopFacts:
    """How often something may happen before a person has to look."""
    limits = config.limits
    return replace(
        facts,
        hops_limit=limits.hops,
        rounds_limit=limits.review_rounds,
        starts_limit=limits.starts_per_hour,
        failures_limit=limits.same_failures,
    )


def agent_under(facts: AgentFacts, config: FleetConfig, roles: Roles) -> AgentFacts:
    """Who an agent is by the configuration."""
    member = config.agent(facts.name)
    role = roles.get(member.role) if member is not None else None
    return replace(
        facts,
        member=member is not None,
        enabled=member is not None and member.enabled,
        role=member.role if member is not None else "",
        reviews=role is not None and role.is_reviewer,
        merges=role is not None and "pr.merge" in role.verbs,
        pushes=pushes(role),
    )


def load_under(facts: LoadFacts, agent: str, config: FleetConfig) -> LoadFacts:
    """How many runs may live at once."""
    member = config.agent(agent)
    limit = member.max_concurrent if member is not None else 0
    return replace(facts, agent_limit=limit, fleet_limit=config.max_concurrent)


def budget_under(facts: BudgetFacts, agent: str, live: int, config: FleetConfig) -> BudgetFacts:
    """The ceilings for an agent of which ``live`` runs live.

    What was used stays as it was counted: in the window that was in force then.
    """
    member = config.agent(agent)
    seconds = float(member.timeout_seconds) if member is not None else 1.0
    return BudgetFacts(seconds, tuple(limit_under(limit, agent, live, config) for limit in facts.limits))


def limit_under(limit: Limit, agent: str, live: int, config: FleetConfig) -> Limit:
    """The ceiling of one budget (None = unlimited), and how many runs may share what is left of it."""
    member = config.agent(agent)
    ceiling = ceiling_of(config, agent, limit.scope, limit.unit)
    slots = max(1, member.max_concurrent - live) if member is not None and limit.scope == "agent" else 1
    return replace(limit, ceiling=ceiling, slots=slots)


def pull_under(facts: PullFacts, config: FleetConfig, roles: Roles) -> PullFacts:
    """Whether the author of a pull request is an agent that can go on with it."""
    author = config.agent(facts.author.removeprefix("agent:"))
    member = author is not None and author.enabled and pushes(roles.get(author.role))
    return replace(facts, author_is_member=member)


def ticket_under(facts: TicketFacts, config: FleetConfig) -> TicketFacts:
    """The label that a ticket needs beside ``ready``."""
    return replace(facts, required_label=config.required_label or "")


def disk_under(facts: DiskFacts, config: FleetConfig) -> DiskFacts:
    """Whether a disk counts as low."""
    keeping = config.keeping
    floor = floor_bytes(facts.total, low_mb=keeping.low_disk_mb, low_percent=keeping.low_disk_percent)
    return replace(facts, floor=floor, low=is_low(facts.free, floor, was_low=facts.low))


def gate_under(facts: GateFacts, agent: str, config: FleetConfig, roles: Roles) -> GateFacts:
    """The conditions before the starts of an agent."""
    member = config.agent(agent)
    approval = merge_under(facts.approval, config, roles) if facts.approval is not None else None
    return replace(facts, gate=member.subscription_gate if member is not None else None, approval=approval)


def merge_under(facts: MergeFacts, config: FleetConfig, roles: Roles) -> MergeFacts:
    """Who has to answer before a merge, what only a person lets through, and whether agents merge at all."""
    return replace(
        facts,
        reviewers=_reviewers(facts, config, roles),
        protected=protected_among(facts.paths, config.protected_paths),
        shared_uid_merge_allowed=config.allow_shared_uid_merge,
        base=config.base,
        wanted_checks=tuple(
            dict.fromkeys([*(WantedCheck(one.name, one.app_id) for one in config.required_checks), *facts.ruled_checks])
        ),
    )


def review_under(facts: ReviewFacts, config: FleetConfig, roles: Roles) -> ReviewFacts:
    """Whether the role of an agent reviews. A person's word does not depend on it."""
    if not facts.principal_is_agent:
        return facts
    member = config.agent(facts.principal.removeprefix("agent:"))
    name = member.role if member is not None else ""
    role = roles.get(name)
    return replace(facts, role=name, reviews=role is not None and role.is_reviewer)


def pushes(role: Role | None) -> bool:
    """True for a role that writes changes."""
    return role is not None and "pr.push" in role.verbs


def _reviewers(facts: MergeFacts, config: FleetConfig, roles: Roles) -> tuple[ReviewerFact, ...]:
    """Who has to answer at this head: reviewers told of it, reviewers at work on it, and those about to be told.

    A delivery that policy denied asks nobody: its agent is an author, or no longer a member.
    """
    asked = {one.agent: one for one in facts.asked}
    role_of = {one.agent: one.role for one in facts.asked} | {one.name: one.role for one in config.agents}
    expected = {one.name for one in config.agents if one.enabled and "pr_needs_review" in one.subscribes_to}
    waived = dict(facts.waivers)
    found = []
    for name in sorted(expected | asked.keys()):
        role, told = roles.get(role_of[name]), asked.get(name)
        if role is not None and role.is_reviewer and told != AskedFact(name, "denied", told.role if told else ""):
            found.append(ReviewerFact(name, told.state if told is not None else "not asked yet", waived.get(name, "")))
    return tuple(found)
