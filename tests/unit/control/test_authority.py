"""Every verb with every kind of caller, compared with the table that authority.py promises in its docstring."""

from __future__ import annotations

import itertools

import pytest

from fleet.control.authority import allow
from fleet.control.commands import HANDLERS
from fleet.control.verbs import VERBS, Access
from fleet.core.decision import Verdict
from fleet.core.principal import Principal, PrincipalKind, human, system

OWN = frozenset({"ticket/7", "pr/8"})


def run_with(*verbs: str) -> Principal:
    """A run of developer on ticket 7 and its pull request, whose role has these verbs."""
    return Principal(PrincipalKind.AGENT, "developer", "r1", 1, "developer", frozenset(verbs), frozenset(), OWN)


CALLERS = {
    "person": human("ann"),
    "run whose role has every verb": run_with(*VERBS),
    "run whose role has none": run_with(),
    "component": system("router"),
    "forge": Principal(PrincipalKind.FORGE, "local"),
}

# What each access level means for each caller, on its own objects and on foreign ones.
MEANING: dict[Access, dict[str, tuple[bool, bool]]] = {
    Access.READ: {
        "person": (True, True),
        "run whose role has every verb": (True, True),
        "run whose role has none": (True, True),
        "component": (False, False),
        "forge": (False, False),
    },
    Access.ROLE: {
        "person": (True, True),
        "run whose role has every verb": (True, False),
        "run whose role has none": (False, False),
        "component": (False, False),
        "forge": (False, False),
    },
    Access.START: {  # nobody named in may_start: see below
        "person": (True, True),
        "run whose role has every verb": (True, False),
        "run whose role has none": (True, False),
        "component": (False, False),
        "forge": (False, False),
    },
    Access.HUMAN: {
        "person": (True, True),
        "run whose role has every verb": (False, False),
        "run whose role has none": (False, False),
        "component": (False, False),
        "forge": (False, False),
    },
}

# The table once more, by hand: a verb that changes its level has to be changed here as well.
LEVELS = {
    Access.READ: {
        "config.state", "config.key", "config.revisions",
        "ping", "status", "top", "ps", "agents", "tickets", "ticket.show", "prs", "pr.show", "pr.diff", "release.check",
        "fabric.history", "log", "why", "watcher.status", "schedules", "approvals", "approval.show",
        "deadletters", "deadletter.explain",
        "agent.show", "agent.budget", "budgets", "handbook", "teams", "team.show", "agent.revisions",
        "limits", "permissions", "providers",
        "fabric.tasks", "artifact.list", "artifact.read", "fabric.blockers", "inbox", "question",
        "questions",
    },
    Access.ROLE: {
        "ticket.create", "ticket.label", "pr.push", "pr.review", "pr.merge", "fabric.publish", "fabric.claim",
        "fabric.renew", "fabric.release", "fabric.complete", "fabric.withdraw", "fabric.handoff", "fabric.resolve",
        "inbox.ack", "ask", "artifact.send", "artifact.put",
    },
    Access.START: {"agent.start"},
    Access.HUMAN: {
        "agent.stop", "agent.output", "agent.attach", "pr.waive", "audit.verify", "audit.erase", "fleet.drain",
        "fleet.halt", "fleet.resume", "policy.replay", "ticket.accept", "permission.allow", "permission.deny",
        "provider.release", "labels.sync", "forge.check",
        "gc.plan", "gc.run",
        "agent.pause", "agent.resume", "agent.logs", "config.change", "config.reload",
        "ticket.cancel", "ticket.retry", "ticket.close", "ticket.reopen",
        "ticket.comment", "pr.close", "task.assign",
        "agent.create", "agent.set_budget", "budget.grant", "limit.release",
        "agent.rollback", "team.add", "team.remove",
        "config.rollback", "audit.checkpoint", "audit.checkpoints", "audit.key", "audit.rotate_key",
        "answer", "agent.send", "artifact.remove",
        "audit.verify_git", "audit.accept_base", "audit.export", "audit.verify_files", "audit.archive",
        "agent.quarantine", "agent.release", "risk.show", "risk.explain", "risk.history", "risk.label", "risk.labels",
        "risk.fit", "risk.apply", "insights", "eval.show", "eval.compare", "eval.run", "eval.list",
        "approval.grant", "approval.deny", "deadletter.replay", "deadletter.discard",
    },
}  # fmt: skip


def test_every_verb_has_the_level_that_this_test_expects() -> None:
    assert {verb.name: verb.access for verb in VERBS.values()} == {
        name: access for access, names in LEVELS.items() for name in names
    }


def test_every_verb_has_a_handler_and_every_handler_a_verb() -> None:
    assert set(HANDLERS) == set(VERBS)


@pytest.mark.parametrize(("verb", "caller"), list(itertools.product(sorted(VERBS), CALLERS)))
def test_the_answer_is_the_tables(verb: str, caller: str) -> None:
    own, foreign = MEANING[VERBS[verb].access][caller]
    assert (allow(CALLERS[caller], verb, OWN).verdict is Verdict.ALLOW) is own
    assert (allow(CALLERS[caller], verb, OWN | {"pr/9"}).verdict is Verdict.ALLOW) is foreign


def test_a_run_starts_only_agents_that_its_own_agent_may_start() -> None:
    who = run_with()
    wanted = frozenset({"agent/helper", "ticket/7"})
    assert allow(who, "agent.start", wanted).code == "FLT-AUT-014"
    assert allow(who, "agent.start", wanted, may_start=frozenset({"other"})).code == "FLT-AUT-014"
    assert allow(who, "agent.start", wanted, may_start=frozenset({"helper"})).verdict is Verdict.ALLOW
    foreign = frozenset({"agent/helper", "ticket/9"})
    assert allow(who, "agent.start", foreign, may_start=frozenset({"helper"})).code == "FLT-AUT-013"


@pytest.mark.parametrize(
    ("who", "verb", "subjects", "code"),
    [
        (system("router"), "ping", frozenset(), "FLT-AUT-010"),
        (run_with(*VERBS), "audit.erase", frozenset(), "FLT-AUT-011"),
        (run_with("pr.push"), "pr.review", frozenset({"pr/8"}), "FLT-AUT-012"),
        (run_with("pr.review"), "pr.review", frozenset({"pr/9"}), "FLT-AUT-013"),
    ],
)
def test_a_refusal_names_its_reason(who: Principal, verb: str, subjects: frozenset[str], code: str) -> None:
    reason = allow(who, verb, subjects)
    assert reason.verdict is Verdict.DENY
    assert reason.code == code
    assert verb in str(reason.facts)


def test_a_person_whose_name_looks_like_a_component_is_still_a_person() -> None:
    assert allow(human("system:router"), "audit.erase").verdict is Verdict.ALLOW
