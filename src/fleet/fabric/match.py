"""Which agents does an event reach, and why not the others? Pure: an event and subscriptions in, answers out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fleet.core.journal import Entry
from fleet.fabric.subscription import Subscription


@dataclass(frozen=True, slots=True)
class Match:
    """The answer for one agent: whether the event reaches it, and why (or why not) in plain words."""

    agent: str
    reached: bool
    why: str


def match(event: Entry, subscribers: Iterable[Subscription], retired: frozenset[str]) -> tuple[Match, ...]:
    """One answer for every member, by name.

    An event that is addressed (its column ``agent``) reaches that agent only, whatever it subscribes to; a handoff
    only if it subscribes to ``handoff``.
    ``retired`` holds the agents that the store knows as retired.
    """
    answers = (_one(event, subscription, retired) for subscription in subscribers)
    return tuple(sorted(answers, key=lambda answer: answer.agent))


def _one(event: Entry, subscription: Subscription, retired: frozenset[str]) -> Match:
    agent = subscription.agent
    if agent in retired:
        return Match(agent, False, "is retired")
    if event.agent:
        if event.agent != agent:
            return Match(agent, False, f"the event is addressed to {event.agent}")
        if event.type == "handoff" and event.type not in subscription.types:
            # Whom a handoff may start is wiring like any other; the message in the inbox waits for the next run.
            return Match(agent, False, "the handoff is for it, but it does not subscribe to handoff")
        return Match(agent, True, "the event is addressed to it")
    if event.type not in subscription.types:
        return Match(agent, False, f"does not subscribe to {event.type}")
    if not subscription.enabled:
        return Match(agent, False, "is disabled")
    if event.actor == f"agent:{agent}":
        # An agent that woke itself would never come to rest.
        return Match(agent, False, "the event is its own")
    return Match(agent, True, f"subscribes to {event.type}")
