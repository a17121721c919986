"""Who wants to hear what: subscriptions, built from the members of a configuration. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fleet.config.model import AgentConfig


@dataclass(frozen=True, slots=True)
class Subscription:
    """The events that start one agent. A disabled member keeps its subscription and hears nothing new."""

    agent: str
    enabled: bool
    types: frozenset[str]


def subscriptions(agents: Iterable[AgentConfig]) -> tuple[Subscription, ...]:
    """One subscription a member, by name, so that the order in the file plays no part."""
    made = (Subscription(agent.name, agent.enabled, frozenset(agent.subscribes_to)) for agent in agents)
    return tuple(sorted(made, key=lambda one: one.agent))
