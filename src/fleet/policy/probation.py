"""Check: an agent that came out of quarantine does one thing at a time until it has shown that it can."""

from __future__ import annotations

from fleet.core.decision import Reason, Verdict
from fleet.policy.facts import StartFacts


def check(facts: StartFacts) -> Reason:
    """HOLD while an agent on probation has a live run."""
    agent, live = facts.agent, facts.load.agent_live
    seen: dict[str, object] = {"probation": agent.probation, "live": live}
    if not agent.probation:
        return Reason("probation", Verdict.ALLOW, "FLT-POL-007", f"{agent.name} is not on probation", seen)
    if not live:
        text = f"{agent.name} is on probation and has no other live run"
        return Reason("probation", Verdict.ALLOW, "FLT-POL-008", text, seen)
    text = f"{agent.name} is on probation, where one run at a time is the limit: fleet risk show {agent.name}"
    return Reason("probation", Verdict.HOLD, "FLT-POL-009", text, seen)
