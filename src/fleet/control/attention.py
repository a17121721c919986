"""What needs a person, most urgent first, each with the command to type. One function a source.

A source takes the context, an open transaction and what the services say, and gives needs. Add one to
``_SOURCES`` to let it be seen in ``fleet status``; ``_ORDER`` says where its kind stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fleet.control import shapes
from fleet.control.context import Context, generation_of
from fleet.control.halting import halt_in_force
from fleet.core.agent import AgentState
from fleet.core.decision import Verdict
from fleet.core.event import subject_number
from fleet.core.work import Delivery, DeliveryState
from fleet.dispatch.budgetwatch import limits_in_use, used_so_far
from fleet.dispatch.deadletters import settled_since
from fleet.dispatch.unreadable import unreadable_now
from fleet.policy.budget import used_up
from fleet.store import agents as agent_rows
from fleet.store import (
    approvals,
    audits,
    blockers,
    deliveries,
    journal,
    parks,
    permissions,
    questions,
    refheads,
    risk,
)
from fleet.store.db import Tx

HELD_SHOWN = 100
_GITHUB = re.compile(r"\[FLT-GHB-[0-9]{3}\]")
_DEAD_SHOWN = 20
_ASKED_SHOWN = 50
_LATEST_HELD = 5  # decisions about one agent and subject among which the one about a delivery is looked for

# The most urgent kind first: what stops everything, then what stops one piece of work.
_ORDER = (
    "halt", "record", "daemon", "disk", "service", "base", "unreadable", "permission", "provider", "approval",
    "question", "merge", "review", "dead_letter", "frozen", "quarantine", "blocker", "loop", "budget", "nearly_used",
)  # fmt: skip

# Reasons to wait that only a person ends: kind, and what to type. The rest ends by itself.
_PERSONS: dict[str, tuple[str, str]] = {
    "FLT-POL-021": ("budget", "fleet budget grant {agent} SECONDS --reason TEXT"),
    "FLT-POL-023": ("budget", "fleet budget grant {item} SECONDS --reason TEXT"),
    "FLT-POL-024": ("budget", "fleet budget grant fleet SECONDS --reason TEXT"),
    "FLT-POL-025": ("budget", "fleet budget list"),
    "FLT-POL-026": ("budget", "fleet budget list"),
    "FLT-POL-027": ("budget", "fleet budget list"),
    "FLT-POL-141": ("loop", "fleet limits release {item} --reason TEXT"),
    "FLT-POL-143": ("loop", "fleet limits release {item} --reason TEXT"),
    "FLT-POL-147": ("loop", "fleet limits release agent/{agent} --reason TEXT"),
    "FLT-POL-072": ("review", "fleet pr review {number} --approve"),
    "FLT-POL-074": ("merge", "fleet pr merge {number}"),
}
_NOT_MERGE_READY = "FLT-POL-06"  # as long as such a reason stands it is not yet a person's turn


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a person has to see to: what to type, and ``then`` what usually comes after it.

    ``since`` is in microseconds, 0 when unknown; ``then`` and ``code`` may be "".
    """

    kind: str
    text: str
    command: str
    subject: str = ""
    agent: str = ""
    since: int = 0
    code: str = ""
    then: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The need as doors print it."""
        return {name: getattr(self, name) for name in self.__slots__}


Service = Mapping[str, object]
Source = Callable[[Context, Tx, "tuple[Service, ...]"], Iterable[Need]]


def needs(ctx: Context, tx: Tx) -> list[dict[str, Any]]:
    """Everything that needs a person now, most urgent first, the oldest first within a kind."""
    services = tuple(ctx.host.services()) if ctx.host is not None else ()
    found = [need for source in _SOURCES for need in source(ctx, tx, services)]
    found.sort(key=lambda need: (_ORDER.index(need.kind), need.since, need.subject, need.agent))
    return [need.as_dict() for need in found]


def held_dicts(tx: Tx) -> list[dict[str, Any]]:
    """Held deliveries, oldest first, each with the codes of the reasons that hold it."""
    return [
        {**shapes.delivery_dict(one), "codes": held_codes(tx, one)}
        for one in deliveries.in_state(tx, DeliveryState.HELD, limit=HELD_SHOWN)
    ]


def held_codes(tx: Tx, delivery: Delivery) -> list[str]:
    """The codes that hold a delivery, as its newest recorded decision names them."""
    wanted = journal.Filter(type="delivery.held", subject=delivery.subject, agent=delivery.agent)
    for entry in reversed(journal.select(tx, wanted, limit=_LATEST_HELD, newest=True)):
        payload = entry.payload or {}
        if payload.get("delivery") == delivery.id:
            return _codes(payload.get("decision"))
    return []


def _codes(decision: object) -> list[str]:
    reasons = decision.get("reasons") if isinstance(decision, Mapping) else None
    if not isinstance(reasons, list):
        return []
    holding = [one for one in reasons if isinstance(one, Mapping) and one.get("verdict") == Verdict.HOLD]
    return list(dict.fromkeys(str(one.get("code", "")) for one in holding))


# -- the sources -----------------------------------------------------------------------------------


def _halt(ctx: Context, tx: Tx, services: tuple[Service, ...]) -> Iterator[Need]:
    """A fleet that somebody halted waits for somebody."""
    found = halt_in_force(ctx, tx)
    if found is not None:
        text = f"{found['by'] or 'somebody'} halted the fleet: {found['reason']}"
        yield Need("halt", text, "fleet resume", since=int(found["at"]))


def _machine(ctx: Context, tx: Tx, services: tuple[Service, ...]) -> Iterator[Need]:
    """The daemon, its services and its disk."""
    if ctx.host is None:
        yield Need("daemon", "no daemon runs: nothing is watched and nothing starts", "fleet up", code="FLT-CLI-001")
    for who, said in _failing(services):
        yield Need("service", f"{who}: {said}", "fleet doctor" if who == "GitHub" else "fleet watcher status")
    disk = ctx.disk.look()
    if disk is not None and disk.low:
        text = f"{disk.free // 1_000_000} MB free, starts wait below {disk.floor // 1_000_000} MB"
        yield Need("disk", text, "fleet doctor", code="FLT-KEP-002")


def _failing(services: tuple[Service, ...]) -> Iterator[tuple[str, str]]:
    """Services that do not work, and what they say; what GitHub says to several of them is said once, by it."""
    told: set[str] = set()
    for one in services:
        if one["failures"] or not one["alive"]:
            said = str(one["last_error"] or "it has ended")
            code = _GITHUB.search(said)
            if code is None:
                yield f"{one['name']} fails", said
            elif code[0] not in told:
                told.add(code[0])
                yield "GitHub", said


def _unsigned(ctx: Context, tx: Tx, services: tuple[Service, ...]) -> Iterator[Need]:
    """The record no longer fits together, so its head was not signed; until it is signed again."""
    refused = journal.select(tx, journal.Filter(type="checkpoint.refused"), limit=1, newest=True)
    signed = audits.last_checkpoint(tx)
    for entry in refused:
        if signed is None or signed.seq < entry.seq:
            code = str((entry.payload or {}).get("code", ""))
            yield Need("record", entry.summary, "fleet audit verify", since=entry.at, code=code)


def _held(ctx: Context, tx: Tx, services: tuple[Service, ...]) -> Iterator[Need]:
    """Deliveries that wait for a person and for nothing else; an empty budget is told once for an agent."""
    told: set[tuple[str, str]] = set()
    asked = {(row.subject, row.generation) for row in approvals.requested(tx)}
    for one in deliveries.in_state(tx, DeliveryState.HELD, limit=HELD_SHOWN):
        codes = held_codes(tx, one)
        mine = next((code for code in codes if code in _PERSONS), "")
        if not mine or any(code.startswith(_NOT_MERGE_READY) for code in codes):
            continue
        kind, command = _PERSONS[mine]
        if kind != "budget" and (one.subject, one.generation) in asked:
            continue  # told as an approval
        key = (kind, one.agent if kind == "budget" else one.subject)
        if key not in told:
            told.add(key)
            words = command.format(agent=one.agent, number=subject_number(one.subject), item=one.work_item)
            yield Need(kind, one.reason, words, one.subject, one.agent, one.updated_at, mine)


def _nearly_used(ctx: Context, tx: Tx, services: tuple[Service, ...]) -> Iterator[Need]:
    """Budgets past the mark of which people are told, as long as there is something left of them."""
    part = ctx.loaded.config.budgets.warn_percent / 100
    for limit, live in limits_in_use(tx, ctx.loaded):
        used = used_so_far(limit, live, tx.now)
        if limit.total * part <= used and not used_up(limit):
            until = f" until {limit.until}" if limit.until else ""
            kind = "" if limit.unit == "seconds" else f" in {limit.unit}"
            text = f"{100 * used / limit.total:.0f}% of the budget{kind} of {limit.title} are used{until}"
            agent = limit.name if limit.scope == "agent" else ""
            yield Need("nearly_used", text, "fleet budget list", agent=agent)


def _approvals(ctx: Context, tx: Tx, services: tuple[Service, ...]) -> Iterator[Need]:
    """What a person is asked to let go on; not where the head moved on since, or the pull request is done."""
    newest = {row.subject: row for row in approvals.requested(tx)}
    for row in newest.values():
        ends = [journal.Filter(type=kind, subject=row.subject) for kind in ("pr_merged", "pr_closed")]
        if generation_of(tx, None, row.subject) != row.generation or any(
            journal.select(tx, end, limit=1) for end in ends
        ):
            continue
        text = "; ".join(str(reason.get("text", "")) for reason in row.reasons)
        code = str(row.reasons[0].get("code", "")) if row.reasons else ""
        command = f"fleet approvals show {row.subject}"
        then = f"fleet approve {row.subject}"
        yield Need("approval", text, command, row.subject, row.agent, row.requested_at, code, then)


def _dead_letters(ctx: Context, tx: Tx, services: tuple[Service, ...]) -> Iterator[Need]:
    """Work that used up its attempts, was not taken up again since, and that no person has dealt with."""
    for entry in journal.dead_letters(tx, limit=_DEAD_SHOWN):
        if not settled_since(tx, entry):
            look, then = (f"fleet deadletters {verb} {entry.id}" for verb in ("explain", "replay"))
            yield Need("dead_letter", entry.summary, look, entry.subject, entry.agent, entry.at, then=then)


def _quarantined(ctx: Context, tx: Tx, services: tuple[Service, ...]) -> Iterator[Need]:
    """Agents that were taken out of service."""
    for row in agent_rows.every(tx):
        if row.state is AgentState.QUARANTINED:
            held = risk.quarantine_of(tx, row.name)
            text = f"{row.name} is {row.reason}" if row.reason else f"{row.name} is quarantined"
            look, then = f"fleet risk explain {row.name}", f"fleet agent release {row.name} --reason …"
            since = held.at if held is not None else 0
            yield Need("quarantine", text, look, f"agent/{row.name}", row.name, since, "FLT-POL-005", then)


def _frozen(ctx: Context, tx: Tx, services: tuple[Service, ...]) -> Iterator[Need]:
    """Sessions that stand still because their work could not be saved."""
    for one in risk.frozen(tx):
        if not one.let_go:
            text = f"run {one.run_id} of {one.agent} stands frozen, its work could not be saved: {one.error}"
            look, then = f"fleet why {one.run_id}", f"fleet agent stop {one.agent} --even-unsaved"
            yield Need("frozen", text, look, f"run/{one.run_id}", one.agent, one.since, "FLT-RSK-003", then)


def _asked(ctx: Context, tx: Tx, services: tuple[Service, ...]) -> Iterator[Need]:
    """Questions of agents that nobody answered, and what stands in somebody's way."""
    for asked in questions.open_ones(tx, limit=_ASKED_SHOWN):
        command = f"fleet answer {asked.number} TEXT"
        yield Need("question", asked.body, command, asked.subject, agent_of(asked.asker), asked.asked_at)
    for one in blockers.open_ones(tx, limit=_ASKED_SHOWN):
        command = f"fleet fabric resolve {one.number} TEXT"
        yield Need("blocker", one.body, command, one.subject, agent_of(one.opened_by), one.opened_at)


def _sessions(ctx: Context, tx: Tx, services: tuple[Service, ...]) -> Iterator[Need]:
    """What sessions may not do without a word; accounts that no pause mends."""
    for one in permissions.asked(tx, limit=_ASKED_SHOWN):
        text = f"{one.agent} asks whether it may use {one.tool}: {one.input}"
        subject = f"run/{one.run_id}"
        yield Need(
            "permission", text, f"fleet permission allow {one.id}", subject, one.agent, one.asked_at,
            then=f"fleet permission deny {one.id} --reason TEXT",
        )  # fmt: skip
    for park in parks.all_(tx):
        if park.until > tx.now and park.kind == "account":
            text = f"{park.provider} refuses its account: {park.reason}"
            yield Need("provider", text, f"fleet provider release {park.provider!r}", since=park.parked_at)


def agent_of(principal: str) -> str:
    """The name behind ``agent:NAME``; any other principal as it is."""
    return principal.removeprefix("agent:")


def _base(ctx: Context, tx: Tx, services: tuple[Service, ...]) -> Iterator[Need]:
    """Movements of branches that no entry explains."""
    for alarm in refheads.open_alarms(tx):
        command = f"fleet audit accept-base {alarm.new_sha or alarm.old_sha} --reason …"
        yield Need("base", alarm.text, command, since=alarm.found_at, code="FLT-POL-096" if alarm.holds else "")


def _unreadable(ctx: Context, tx: Tx, services: tuple[Service, ...]) -> Iterator[Need]:
    """Pull requests whose commits cannot be read; they wait, and nothing else does."""
    for entry in unreadable_now(tx):
        code = str((entry.payload or {}).get("code", ""))
        command = f"fleet why {entry.subject}"
        text = entry.summary.removeprefix(f"{entry.subject} ")
        yield Need("unreadable", text, command, entry.subject, since=entry.at, code=code)


_SOURCES: tuple[Source, ...] = (
    _halt, _machine, _unsigned, _base, _unreadable, _held, _nearly_used, _approvals, _dead_letters, _frozen,
    _quarantined, _asked, _sessions,
)  # fmt: skip
