"""Facts under another configuration: only what is policy changes, and nothing that is policy is forgotten."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

from tests.unit.policy.test_merge_gate import facts as merge_facts

from fleet.config.catalogue import load_roles
from fleet.core.agent import AgentState
from fleet.core.live import WantedCheck
from fleet.policy import facts as words
from fleet.policy.under import POLICY, merge_under, review_under, start_under
from fleet.testing.scene import load, member

ROLES = load_roles()
CREW = (member("dev", "developer", "ticket_ready"), member("qa", "qa-engineer", "pr_needs_review"))

# What is seen and not set by anybody. A new field goes here, or into POLICY and one of the functions of under.py.
OBSERVED = {
    "WorkFacts": {
        "event_type", "event_seq", "subject", "generation", "attempt", "returned", "cancelled_seq", "cancelled",
    },
    "AgentFacts": {"name", "state", "state_reason", "probation"},
    "LoadFacts": {"agent_live", "fleet_live", "busy_run", "other_author"},
    "BudgetFacts": {"limits"},
    "Limit": {"scope", "name", "granted", "spent", "reserved", "window", "until", "since", "unit", "unpriced"},
    "PullFacts": {"number", "state", "head", "author"},
    "TicketFacts": {"number", "state", "labels", "in_hand", "in_hand_author", "merged_seq"},
    "VerdictFact": {"seq", "principal", "approves", "head", "lineage", "content", "diff", "void"},
    "ReviewerFact": {"agent", "asked", "waived_by"},
    "AskedFact": {"agent", "state", "role"},
    "GrantFact": {"principal", "lineage"},
    "MergeFacts": {
        "number", "state", "head", "authors", "verdicts", "principal", "principal_is_agent", "lineage", "shared_uid",
        "content", "grants", "base_alarm", "asked", "waivers", "paths", "diff", "base_ref", "ruled_checks", "checks",
        "conflict", "hold",
    },
    "HoldFacts": {"labelled", "changed"},
    "ReviewFacts": {
        "number", "state", "head", "reviewed_head", "principal", "principal_is_agent", "lineage", "authors",
        "run_subject", "run_head",
    },
    "DiskFacts": {"path", "free", "total"},
    "LoopFacts": {"hops", "rounds", "starts", "failures", "cause"},
    "StartFacts": {
        "work", "agent", "load", "budget", "pull", "ticket", "lineage", "authors", "merge", "disk", "gate", "hold",
        "loops",
    },
    "BrokenFacts": {
        "run", "state", "outcome", "cancel_reason", "work", "agent", "failures", "cause", "interrupted", "result",
        "pull", "ticket",
    },
    "AttemptFacts": {"agent", "attempt"},
    "CallOffFacts": {"agent", "event_type", "root", "state", "labels", "closed", "unready", "merged"},
    "WarnFacts": {"limit", "used"},
    "EventFact": {"type", "generation", "seq", "actor"},
    "DiffFact": {"files", "lines"},
    "GateFacts": {"now", "subject", "head", "labels", "events", "diff", "approval", "risks", "checks"},
}  # fmt: skip


def start(**changes: object) -> words.StartFacts:
    """The developer on a ready ticket."""
    made = words.StartFacts(
        work=words.WorkFacts("ticket_ready", 1, "ticket/7", "", 1, returned=False),
        agent=words.AgentFacts("dev", True, True, AgentState.ACTIVE, "developer", False, False, True),
        load=words.LoadFacts(agent_live=1, agent_limit=1, fleet_live=2, fleet_limit=8),
        budget=words.BudgetFacts(
            3600,
            (
                words.Limit("agent", "dev", None, 0.0, 10.0, 5.0),
                words.Limit("ticket", "ticket/7", 100.0, 0.0, 10.0, 5.0),
            ),
        ),
        ticket=words.TicketFacts(7, "open", frozenset({"ready"}), ""),
        disk=words.DiskFacts("/d", 600_000_000, 10_000_000_000, 500_000_000, low=False),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_every_field_of_every_fact_is_either_observed_or_policy() -> None:
    named = {cls.__name__: set(names) for cls, names in POLICY.items()}
    for cls in vars(words).values():
        if is_dataclass(cls) and isinstance(cls, type) and cls.__module__ == words.__name__:
            held = {one.name for one in fields(cls)}
            policy, seen = named.pop(cls.__name__, set()), OBSERVED[cls.__name__]
            assert not policy & seen
            assert policy | seen == held, f"{cls.__name__}: say in policy/under.py or here what these are"
    assert named == {}


def test_a_start_under_another_configuration() -> None:
    config = load(
        (member("dev", "qa-engineer", "ticket_ready", max_concurrent=3, budget_seconds=50, enabled=False),),
        ROLES,
        max_concurrent=5,
        required_label="fleet",
        keeping={"low_disk_mb": 700},
    ).config
    found = start_under(start(), config, ROLES)
    assert (found.agent.role, found.agent.reviews, found.agent.pushes, found.agent.enabled) == (
        "qa-engineer", True, False, False,
    )  # fmt: skip
    assert (found.load.agent_limit, found.load.fleet_limit) == (3, 5)
    own, ticket = found.budget.limits
    assert (own.ceiling, own.slots, own.spent) == (50.0, 2, 10.0)
    assert (ticket.ceiling, ticket.slots, ticket.spent) == (None, 1, 10.0)
    assert found.ticket is not None
    assert found.ticket.required_label == "fleet"
    assert found.disk is not None
    assert (found.disk.floor, found.disk.low) == (700_000_000, True)
    assert found.work == start().work


def test_an_agent_that_left_the_configuration_is_no_member() -> None:
    found = start_under(start(), load(CREW[1:], ROLES).config, ROLES)
    assert (found.agent.member, found.agent.enabled, found.load.agent_limit) == (False, False, 0)


def test_a_merge_under_another_configuration() -> None:
    seen = merge_facts(
        paths=("docs/a.md", "src/b.py"),
        asked=(words.AskedFact("old", "dispatched", "tech-lead"), words.AskedFact("out", "denied", "tech-lead")),
        waivers=(("old", "human:ann"),),
    )
    config = load(CREW, ROLES, protected_paths=("docs/",), allow_shared_uid_merge=False).config
    found = merge_under(seen, config, ROLES)
    assert found.protected == ("docs/a.md",)
    assert found.shared_uid_merge_allowed is False
    assert found.reviewers == (
        words.ReviewerFact("old", "dispatched", "human:ann"),
        words.ReviewerFact("qa", "not asked yet"),
    )


def test_putting_facts_under_the_same_configuration_twice_changes_nothing() -> None:
    config = load(CREW, ROLES).config
    once = start_under(start(), config, ROLES)
    assert start_under(once, config, ROLES) == once
    merge = merge_under(merge_facts(paths=("CLAUDE.md",)), config, ROLES)
    assert merge_under(merge, config, ROLES) == merge


def test_a_review_under_another_role() -> None:
    seen = words.ReviewFacts(
        8, "open", "h", "h", "agent:dev", True, "tech-lead", True, frozenset(), frozenset(), "pr/8", "h"
    )
    found = review_under(seen, load(CREW, ROLES).config, ROLES)
    assert (found.role, found.reviews) == ("developer", False)
    person = replace(seen, principal="human:ann", principal_is_agent=False, role="", reviews=False)
    assert review_under(person, load(CREW, ROLES).config, ROLES) == person


def test_checks_are_wanted_by_the_configuration_and_by_the_branchs_own_rules() -> None:
    seen = merge_facts(ruled_checks=(WantedCheck("build", 15368),))
    config = load(
        CREW, ROLES, required_checks=({"name": "lint"}, {"name": "build", "app_id": 15368}), base="main"
    ).config
    found = merge_under(seen, config, ROLES)
    assert found.wanted_checks == (WantedCheck("lint", 0), WantedCheck("build", 15368))
    assert found.base == "main"
