"""Which work of a ticket failed, was denied or lost its result, and could start again as things stand now.

Takes the records and the live state, gives what would be offered again and why the rest is not. Every answer
is judged by the same check that an ordinary start goes through; nothing is changed here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fleet.config.loader import LoadedConfig
from fleet.core.decision import Verdict
from fleet.core.errors import NotFound
from fleet.core.live import LivePull, LiveTicket
from fleet.core.work import LIVE_RUNS, Delivery, DeliveryState, Run, RunState
from fleet.dispatch.facts import agent_facts, pull_facts, ticket_facts
from fleet.dispatch.glance import Look
from fleet.dispatch.results import result_of
from fleet.policy.facts import WorkFacts
from fleet.policy.freshness import still_wanted
from fleet.store import deliveries, journal, runs
from fleet.store.db import Tx

_OPEN = frozenset({DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.HELD})
_NOW = (1 << 62) - 1  # as if asked for after everything on record


@dataclass(frozen=True, slots=True)
class Again:
    """Work that would be offered again: to whom, as which event, about what."""

    agent: str
    event_type: str
    subject: str
    generation: str
    delivery: str
    run: str

    def as_dict(self) -> dict[str, str]:
        """The work as it is kept and printed."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Left:
    """Work that is not offered again, and why."""

    agent: str
    why: str


def failed_work(
    tx: Tx, ticket: LiveTicket, pull: LivePull | None, loaded: LoadedConfig
) -> tuple[list[Again], list[Left]]:
    """What of a ticket could start again, and what could not. ``pull`` is its open pull request.

    Without a pull request the authors begin again whatever became of an earlier one.
    """
    item = f"ticket/{ticket.number}"
    work, its_runs = deliveries.for_work_item(tx, item), runs.for_work_item(tx, item)
    again: list[Again] = []
    left: list[Left] = []
    for agent, last in sorted(_newest(work, item, pull).items()):
        busy = _busy(tx, agent, work, its_runs)
        why = busy or _why_not(tx, last, _run_of(its_runs, last), ticket, pull, loaded)
        if why:
            left.append(Left(agent, why))
            continue
        head = pull.head_sha if pull is not None and last.subject == pull.subject else ""
        again.append(Again(agent, last.event_type, last.subject, head, last.id, last.run_id))
    return again, left


def _newest(work: Iterable[Delivery], item: str, pull: LivePull | None) -> dict[str, Delivery]:
    """The last that each agent was told about the ticket itself or the present head of its pull request."""
    return {
        one.agent: one
        for one in work
        if one.subject == item
        or (pull is not None and one.subject == pull.subject and one.generation in ("", pull.head_sha))
    }


def _busy(tx: Tx, agent: str, work: list[Delivery], its_runs: list[Run]) -> str:
    """Why something of this agent is under way on this ticket; "" when nothing is."""
    for run in its_runs:
        if run.agent == agent and run.state in LIVE_RUNS:
            return f"{agent} is at work on it (run {run.id})"
    for one in work:
        if one.agent == agent and one.state in _OPEN:
            return f"{agent} is about to be judged" if one.state is not DeliveryState.HELD else f"waits: {one.reason}"
    broken = [run for run in its_runs if run.agent == agent and run.state is not RunState.SUCCEEDED]
    if broken and _comes_back(tx, broken[-1], work):
        return f"the work of run {broken[-1].id} comes back by itself"
    return ""


def _comes_back(tx: Tx, run: Run, work: list[Delivery]) -> bool:
    """True while recovery has not dealt with a broken run, or its event is not routed yet."""
    dealt = journal.find_dedup(tx, f"returned:{run.id}")
    if dealt is None:
        return True
    try:
        entry = journal.get(tx, dealt.id)
    except NotFound:
        return False  # so old that it is in an archive
    return entry.type == "work_returned" and all(one.event_id != dealt.id for one in work)


def _run_of(its_runs: list[Run], delivery: Delivery) -> Run | None:
    return next((run for run in its_runs if run.id == delivery.run_id), None)


def _why_not(
    tx: Tx, last: Delivery, run: Run | None, ticket: LiveTicket, pull: LivePull | None, loaded: LoadedConfig
) -> str:
    """Why an agent's last work on a ticket is not offered again; "" when it is."""
    if loaded.config.agent(last.agent) is None:
        return f"{last.agent} is no longer in the configuration"
    agent = agent_facts(tx, last.agent, loaded.config, loaded.roles)
    begins_again = pull is None and agent.pushes
    done = run is not None and (run.state is RunState.SUCCEEDED or result_of(tx, run, loaded) is not None)
    if done and not begins_again:
        return f"{last.agent} has done its part ({last.event_type})"
    seen = Look(ticket=LiveTicket(ticket.number, "open", ticket.labels), in_hand=pull)
    facts = ticket_facts(tx, seen, loaded.config)
    live_pull = pull_facts(pull, loaded.config, loaded.roles) if pull is not None else None
    head = pull.head_sha if pull is not None else ""
    work = WorkFacts(last.event_type, _NOW, last.subject, head, 1, returned=False)
    reason = still_wanted(work, agent, live_pull, facts)
    return reason.text if reason.verdict is Verdict.DENY else ""
