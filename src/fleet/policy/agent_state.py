"""Check: only a member of the fleet that is enabled and active is started."""

from __future__ import annotations

from fleet.core.agent import AgentState
from fleet.core.decision import Reason, Verdict
from fleet.policy.facts import StartFacts

_STATES: dict[AgentState, tuple[Verdict, str, str]] = {
    AgentState.ACTIVE: (Verdict.ALLOW, "FLT-POL-001", "{name} is active"),
    AgentState.PAUSED: (Verdict.HOLD, "FLT-POL-004", "{why}; a person has to resume it: fleet agent resume {name}"),
    AgentState.QUARANTINED: (
        Verdict.HOLD,
        "FLT-POL-005",
        "{why}; a person has to release it: fleet agent release {name}",
    ),
    AgentState.RETIRED: (Verdict.DENY, "FLT-POL-006", "{name} is retired: it is no longer in the configuration"),
}


def check(facts: StartFacts) -> Reason:
    """DENY for strangers and retired agents, HOLD for disabled, paused and quarantined ones."""
    agent = facts.agent
    if not agent.member:
        verdict, code, text = Verdict.DENY, "FLT-POL-002", "{name} is not in the configuration"
    elif agent.state is AgentState.ACTIVE and not agent.enabled:
        verdict, code, text = Verdict.HOLD, "FLT-POL-003", "{name} is disabled; set enabled: true to let it start"
    else:
        verdict, code, text = _STATES[agent.state]
    seen: dict[str, object] = {
        "agent": agent.name,
        "role": agent.role,
        "state": str(agent.state),
        "enabled": agent.enabled,
    }
    why = agent.state_reason or f"{agent.name} is {agent.state}"
    return Reason("agent_state", verdict, code, text.format(name=agent.name, why=why), seen)
