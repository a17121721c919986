"""What becomes of work: of a run that broke, of one whose ticket was called off, and of one attempt too many. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fleet.core.decision import Verdict
from fleet.core.work import RunState
from fleet.policy.facts import AttemptFacts, BrokenFacts, CallOffFacts
from fleet.policy.freshness import READY, still_wanted

# Work that reacts to the end of a ticket is not called off by it.
_AFTERWARDS = frozenset({"ticket_closed", "ticket_unready", "ticket_shipped", "pr_merged", "pr_closed"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of the work of a broken run: it comes back as ``attempt``, is moot, or is a dead letter."""

    kind: Literal["returned", "moot", "dead"]
    attempt: int
    reason: str


def what_becomes_of(facts: BrokenFacts) -> Outcome:
    """Judge a run that ended without its result."""
    attempt = facts.work.attempt
    if facts.state is RunState.CANCELLED and not facts.interrupted:
        return Outcome("moot", attempt, f"stopped on request: {facts.cancel_reason or 'no reason given'}")
    overtaken = _overtaken(facts)
    if overtaken:
        return Outcome("moot", attempt, overtaken)
    if not facts.agent.member:
        return Outcome("dead", attempt, f"{facts.agent.name} is no longer in the configuration; a person has to look")
    again = _once_more(facts)
    if again.kind == "returned" and facts.failures >= facts.failures_limit:
        text = f"{facts.failures} runs of {facts.agent.name} in a row ended the same way ({facts.cause})"
        return Outcome("dead", attempt, f"{text}; a person has to look")
    return again


def _overtaken(facts: BrokenFacts) -> str:
    """Why nobody needs this work any more; "" when it is still wanted."""
    if facts.result:
        return f"its result is on record: {facts.result}"
    reason = still_wanted(facts.work, facts.agent, facts.pull, facts.ticket)
    return reason.text if reason.verdict is Verdict.DENY else ""


def _once_more(facts: BrokenFacts) -> Outcome:
    """The next attempt, if one is granted."""
    attempt, attempts = facts.work.attempt, facts.attempts
    ending = f"run {facts.run} ended as {facts.state}" + (f" ({facts.outcome})" if facts.outcome else "")
    if facts.interrupted and facts.state in (RunState.CANCELLED, RunState.LOST):
        return Outcome("returned", attempt, facts.interrupted)
    if attempt >= attempts:
        tried = "its only attempt" if attempts == 1 else f"all {attempts} attempts"
        last = ": " if attempts == 1 else ", the last: "
        text = f"{tried} ended without a result{last}{ending}; a person has to look"
        return Outcome("dead", attempt, text)
    return Outcome("returned", attempt + 1, ending)


def used_up(facts: AttemptFacts) -> bool:
    """More attempts than the configuration grants (it may have been lowered meanwhile)."""
    return facts.attempt > facts.attempts


def called_off(facts: CallOffFacts) -> int:
    """The journal position of the event that calls a live run off; 0 where it may go on."""
    needed = {READY, facts.required_label or READY}
    unready = facts.unready if facts.pushes and not needed <= facts.labels else 0
    word = facts.closed if facts.state == "closed" else unready
    if facts.event_type in _AFTERWARDS or word <= facts.root or facts.merged > facts.root:
        return 0
    return word
