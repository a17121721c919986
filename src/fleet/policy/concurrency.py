"""Checks: how many runs may live at once, of one agent, of the fleet, and of one agent on one piece of work.

The texts name limits, never the changing counts: a held delivery is journaled again only when its text changes.
"""

from __future__ import annotations

from fleet.core.decision import Reason, Verdict
from fleet.policy.facts import StartFacts


def agent_limit(facts: StartFacts) -> Reason:
    """HOLD while the agent has as many live runs as its max_concurrent."""
    load, name = facts.load, facts.agent.name
    seen: dict[str, object] = {"live": load.agent_live, "limit": load.agent_limit}
    if load.agent_live < load.agent_limit:
        return Reason("agent_limit", Verdict.ALLOW, "FLT-POL-030", f"{name} has a free slot", seen)
    text = f"{name} already has as many live runs as its max_concurrent ({load.agent_limit})"
    return Reason("agent_limit", Verdict.HOLD, "FLT-POL-031", text, seen)


def fleet_limit(facts: StartFacts) -> Reason:
    """HOLD while the fleet has as many live runs as its max_concurrent."""
    load = facts.load
    seen: dict[str, object] = {"live": load.fleet_live, "limit": load.fleet_limit}
    if load.fleet_live < load.fleet_limit:
        return Reason("fleet_limit", Verdict.ALLOW, "FLT-POL-032", "the fleet has a free slot", seen)
    text = f"the fleet already has as many live runs as its max_concurrent ({load.fleet_limit})"
    return Reason("fleet_limit", Verdict.HOLD, "FLT-POL-033", text, seen)


def one_run_per_work(facts: StartFacts) -> Reason:
    """HOLD while the same agent has a live run on the same ticket or pull request."""
    seen: dict[str, object] = {"run": facts.load.busy_run}
    if not facts.load.busy_run:
        return Reason("one_run_per_work", Verdict.ALLOW, "FLT-POL-034", "no live run of it is on this work", seen)
    text = f"waiting for run {facts.load.busy_run}: {facts.agent.name} is already on this work"
    return Reason("one_run_per_work", Verdict.HOLD, "FLT-POL-035", text, seen)
