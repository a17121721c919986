"""``fleet why``: what happened to a run, pull request, ticket or agent, why, what it waits for, what to type."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from fleet.control import sentences
from fleet.control.budgets import budget_line, holding, limits_around
from fleet.control.collisions import collision_lines
from fleet.control.context import Context, Handlers, live_pull
from fleet.control.merges import check_dict, gate
from fleet.control.queries import archived_to, reviews_of
from fleet.control.standing import around_agent, around_run, around_work, frozen_lines, risk_lines
from fleet.control.waiting import Waiting, waiting
from fleet.core.agent import AgentState
from fleet.core.approval import ApprovalState
from fleet.core.errors import NotFound, Unreadable
from fleet.core.journal import Entry, Stream
from fleet.core.live import LivePull
from fleet.core.pin import HOLD_LABEL
from fleet.core.principal import Principal
from fleet.core.work import LIVE_RUNS, Delivery, DeliveryState, Run, RunState
from fleet.dispatch.verdicts import lost_force
from fleet.forge.port import Pull, Ticket
from fleet.policy.facts import Limit
from fleet.runtime.escrow import verified
from fleet.store import agents as agent_rows
from fleet.store import approvals, deliveries, journal, runs
from fleet.store.db import Tx

_RUN = re.compile(r"(r[0-9a-z]{18})(?:-e[0-9]+)?")
_NUMBER = re.compile(r"#?([1-9][0-9]{0,14})")
_ENTRIES = 200
_DECISIONS = ("delivery.held", "delivery.denied", "delivery.dead_lettered", "merge.refused", "review.refused")
_ALONG = ("request.refused", "run.left_alone", "run.restarting", "run.restarted")
_OPEN = (DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.HELD)


@dataclass(frozen=True, slots=True)
class _Story:
    """A title, the sentences, the entries they rest on, and the starts that are held."""

    title: str
    lines: list[str]
    entries: list[Entry]
    waiting: list[Waiting] = field(default_factory=list)


def why(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Tell about whatever ``ref`` names. Raises NotFound FLT-CTL-018 when it names nothing."""
    story = _story(ctx, principal, args["ref"].strip())
    shown = [entry.as_dict() for entry in story.entries]
    archived = ctx.db.read(archived_to)
    lines = list(story.lines)
    if archived and (not story.entries or story.entries[0].seq <= archived):
        lines.append(f"Entries up to {archived} may lie in an archive only: fleet audit checkpoints names the files.")
    held = [one.as_dict() for one in story.waiting]
    return {"title": story.title, "lines": lines, "waiting": held, "entries": shown}


def _story(ctx: Context, principal: Principal, ref: str) -> _Story:
    run = _RUN.fullmatch(ref)
    if run:
        return _of_run(ctx, run.group(1))
    kind, _, rest = ref.partition("/")
    number = _NUMBER.fullmatch(rest if kind in ("pr", "ticket") else ref)
    if number and kind == "ticket":
        return _of_ticket(ctx, principal, ctx.forge.ticket(int(number.group(1))))
    if number:
        return _of_number(ctx, principal, int(number.group(1)), only_pull=kind == "pr")
    name = ref.removeprefix("agent/")
    if any(row.name == name for row in ctx.db.read(agent_rows.every)):
        return _of_agent(ctx, name)
    raise NotFound(
        "FLT-CTL-018",
        "this names no run, pull request, ticket or agent",
        where=ref[:100],
        hint="Examples: fleet why pr/8, fleet why ticket/7, fleet why developer, fleet why r0…",
    )


def _of_number(ctx: Context, principal: Principal, number: int, *, only_pull: bool) -> _Story:
    try:
        pull = ctx.forge.pull(number)
    except NotFound:
        if only_pull:
            raise
        return _of_ticket(ctx, principal, ctx.forge.ticket(number))
    story = _of_pull(ctx, principal, pull)
    item = f"ticket/{pull.ticket}" if pull.ticket else f"pr/{pull.number}"
    story.lines.extend(ctx.db.read(lambda tx: around_work(tx, item)))
    return story


# -- a run -----------------------------------------------------------------------------------------


def _of_run(ctx: Context, run_id: str) -> _Story:
    def read(tx: Tx) -> tuple[Run, list[Entry], Entry | None]:
        run = runs.get(tx, run_id)
        own = journal.select(tx, journal.Filter(run_id=run_id), limit=_ENTRIES, newest=True)
        try:
            return run, own, journal.get(tx, run.event_id)
        except NotFound:
            return run, own, None

    run, own, cause = ctx.db.read(read)
    lines = [f"It works on {run.subject or 'nothing in particular'}" + _at(run.generation) + "."]
    if cause is not None:
        lines.append(f"It was caused by: {sentences.happened(cause)}")
    if run.parent_run:
        lines.append(f"It was started by another run: {run.parent_run}.")
    for entry in own:
        if entry.type == "delivery.dispatched":
            lines += sentences.decided(entry)
    lines.append(sentences.limit_line(run))
    lines += [line for line in (sentences.used_line(run),) if line]
    lines.append(sentences.ended(f"Now: {sentences.run_state(run)}"))
    said = [entry for entry in own if entry.stream == Stream.EVENT and entry.actor == f"agent:{run.agent}"]
    lines.append(f"It put on record: {sentences.listed(entry.type for entry in said)}." if said else _silent(run))
    lines += [sentences.happened(entry) for entry in own if entry.type in (*_DECISIONS, *_ALONG)]
    lines += [f"Afterwards: {entry.summary}" for entry in own if entry.type == "work_returned"]
    lines += ctx.db.read(lambda tx: around_run(tx, run_id))
    lines += ctx.db.read(lambda tx: frozen_lines(tx, run_id))
    return _Story(f"run {run.id} of {run.agent} ({run.role})", lines + _run_advice(ctx, run), own)


def _at(generation: str) -> str:
    return f" at {generation[:12]}" if generation else ""


def _silent(run: Run) -> str:
    return "It has put nothing on record so far." if run.state in LIVE_RUNS else "It put nothing on record."


def _run_advice(ctx: Context, run: Run) -> list[str]:
    """What a person may type next."""
    lines = []
    if run.state is RunState.RUNNING:
        lines.append(f"To watch it: fleet agent attach {run.agent}. To end it: fleet agent stop {run.agent}.")
    elif run.epoch:
        lines.append(f"Its last screen: fleet agent output {run.agent}.")
    if run.escrow_sha and verified(ctx.paths.bare, run.escrow_ref, run.escrow_sha):
        lines.append(
            f"Its unfinished work is saved: git fetch {ctx.paths.bare} {run.escrow_ref} ({run.escrow_sha[:12]})."
        )
    elif run.escrow_sha:
        lines.append("Its unfinished work was saved, and its time is over: fleet log --type gc.done says when.")
    return lines


# -- a pull request --------------------------------------------------------------------------------


def _of_pull(ctx: Context, principal: Principal, pull: Pull) -> _Story:
    live = live_pull(ctx, pull.number)

    def read(tx: Tx) -> tuple[list[Entry], list[Entry], dict[str, str], list[Delivery], list[Run]]:
        said = reviews_of(tx, live.subject)
        return (
            journal.select(tx, journal.Filter(subject=live.subject), limit=_ENTRIES, newest=True),
            said,
            {entry.id: lost_force(tx, entry) for entry in said},
            deliveries.for_work_item(tx, live.work_item),
            runs.for_work_item(tx, live.work_item),
        )

    entries, reviews, void, work, its_runs = ctx.db.read(read)
    held: list[Waiting] = []
    ticket = f" for ticket/{pull.ticket}" if pull.ticket else ""
    lines = [f"It is {pull.state}, opened by {pull.author}{ticket}, from {pull.head_ref} into {pull.base_ref}."]
    for entry in reviews:
        where = "at this head" if entry.generation == pull.head_sha else f"at an older head {entry.generation[:12]}"
        where += f"; counts no more: {void[entry.id]}" if void[entry.id] else ""
        lines.append(f"{sentences.happened(entry)} ({where})")
    if pull.state == "merged":
        lines += _merged_lines(pull, entries)
    elif pull.state == "open":
        check, told = _judged(ctx, principal, live)
        lines += told
        lines += [f"Last refusal: {sentences.happened(entry)}" for entry in entries if entry.type == "merge.refused"][
            -1:
        ]
        lines += _waiting_lines(work, its_runs)
        lines += holding(ctx, [one for one in work if one.subject == live.subject])
        held = waiting(ctx, work)
        lines += [line for one in held for line in one.lines()]
        lines += _pull_advice(pull.number, check) if check else []
        lines += _asked_lines(ctx, live)
        lines += _collision_lines(ctx, live.subject)
    return _Story(f"pr/{pull.number}: {pull.title}", lines, entries, held)


def _collision_lines(ctx: Context, subject: str) -> list[str]:
    """Other open pull requests with which this one no longer merges."""
    heads = {f"pr/{one.number}": one.head_sha for one in ctx.forge.snapshot().pulls if one.state == "open"}
    return ctx.db.read(lambda tx: collision_lines(tx, subject, heads))


def _judged(ctx: Context, principal: Principal, pull: LivePull) -> tuple[dict[str, Any], list[str]]:
    """The gate's answer and the sentences about it; {} for a pull request that cannot be read now."""
    try:
        check = check_dict(gate(ctx, principal, pull), pull)
    except Unreadable as error:
        return {}, [f"It cannot be judged now, and waits: {error.message} [{error.code}] {error.hint}"]
    return check, sentences.gate_lines(check)


def _merged_lines(pull: Pull, entries: list[Entry]) -> list[str]:
    """By whom it was merged, and why that was allowed."""
    lines = [f"It was merged at {pull.merged_head[:12]} as {pull.merge_commit[:12]}."]
    for entry in entries:
        if entry.type == "merge.allowed" and entry.generation == pull.merged_head:
            lines += sentences.decided(entry)
    lines += [sentences.happened(entry) for entry in entries if entry.type == "pr_merged"]
    return lines


def _waiting_lines(open_work: list[Delivery], its_runs: list[Run]) -> list[str]:
    """Who is at work on it, and who would be but may not yet."""
    live = [run for run in its_runs if run.state in LIVE_RUNS]
    lines = [sentences.ended(f"At work: {sentences.run_line(run)}") for run in live]
    lines += [sentences.ended(sentences.delivery_line(one)) for one in open_work if one.state in _OPEN]
    return lines or ["Nobody is at work on it, and nothing waits."]


def _pull_advice(number: int, check: dict[str, Any]) -> list[str]:
    if check["mergeable"]:
        return [f"To merge it yourself: fleet pr merge {number}"]
    lines = [f"To review it yourself: fleet pr diff {number}, then fleet pr review {number} --approve"]
    missing = [reason for reason in check["reasons"] if reason["check"] == "reviewers_answered"]
    for reason in missing:
        names = reason["facts"].get("missing", [])
        lines += [f"To do without {name}: fleet pr waive {number} {name} --reason …" for name in names]
    return lines


def _asked_lines(ctx: Context, live: LivePull) -> list[str]:
    """Where a person's word is asked at this head: how to give it."""
    at_head = ctx.db.read(lambda tx: approvals.at_head(tx, live.subject, live.head_sha))
    if all(one.state is not ApprovalState.REQUESTED for one in at_head):
        return []
    return [f"A person is asked: fleet approvals show {live.subject}, then fleet approve {live.subject} or fleet deny"]


# -- a ticket --------------------------------------------------------------------------------------


def _of_ticket(ctx: Context, principal: Principal, ticket: Ticket) -> _Story:
    item = f"ticket/{ticket.number}"

    def read(tx: Tx) -> tuple[list[Entry], list[Delivery], list[Run]]:
        wanted = journal.Filter(subject=item, work_item=item)
        entries = journal.select(tx, wanted, limit=_ENTRIES, newest=True)
        return entries, deliveries.for_work_item(tx, item), runs.for_work_item(tx, item)

    entries, work, its_runs = ctx.db.read(read)
    labels = [mark.name for mark in ticket.labels]
    lines = [f"It is {ticket.state}, opened by {ticket.author}, with the labels: {sentences.listed(labels)}."]
    lines += _entry_lines(ctx, ticket, labels)
    routed = [entry for entry in entries if entry.type == "event.routed" and entry.subject == item]
    lines += [sentences.ended(entry.summary) for entry in routed]
    lines += [
        sentences.ended(sentences.delivery_line(one)) for one in work if one.state is not DeliveryState.DISPATCHED
    ]
    lines += holding(ctx, work)
    lines += [sentences.ended(sentences.run_line(run)) for run in its_runs]
    held = waiting(ctx, [one for one in work if one.subject == item])
    lines += [line for one in held for line in one.lines()]
    lines += ctx.db.read(lambda tx: around_work(tx, item))
    lines += [
        f"A person has to look (fleet deadletters explain {entry.id}): {entry.summary}"
        for entry in entries
        if entry.type == "delivery.dead_lettered"
    ]
    for pull in ctx.forge.snapshot().pulls:
        if pull.ticket == ticket.number:
            story = _of_pull(ctx, principal, pull)
            lines += [f"pr/{pull.number} ({pull.title}):", *(f"  {line}" for line in story.lines)]
            held += story.waiting
    return _Story(f"{item}: {ticket.title}", lines, entries, held)


def _entry_lines(ctx: Context, ticket: Ticket, labels: list[str]) -> list[str]:
    """What still keeps an open ticket out of the chain."""
    if HOLD_LABEL in labels:
        return [
            f"It carries {HOLD_LABEL}: nothing starts on it and nothing of it is merged.",
            f"To let it go on: fleet ticket label {ticket.number} --remove {HOLD_LABEL}",
        ]
    if ticket.state != "open" or "shipped" in labels:
        return []
    needed = ["ready", ctx.loaded.config.required_label]
    missing = [name for name in needed if name and name not in labels]
    if not missing:
        return []
    adds = " ".join(f"--add {name}" for name in missing)
    return [
        f"It does not enter the chain: it lacks {sentences.listed(missing)}.",
        f"To let it in: fleet ticket label {ticket.number} {adds}",
    ]


# -- an agent --------------------------------------------------------------------------------------


def _of_agent(ctx: Context, name: str) -> _Story:
    def read(tx: Tx) -> tuple[agent_rows.AgentRow, list[Entry], list[Delivery], list[Run], list[Limit]]:
        return (
            agent_rows.get(tx, name),
            journal.select(tx, journal.Filter(agent=name), limit=_ENTRIES, newest=True),
            deliveries.for_agent(tx, name, limit=50),
            runs.recent(tx, agent=name, limit=10),
            limits_around(tx, ctx, name, ""),
        )

    row, entries, work, its_runs, limits = ctx.db.read(read)
    reason = f": {row.reason}" if row.reason else ""
    lines = [f"It is {row.state}{reason}, in the role {row.role}."]
    member = ctx.loaded.config.agent(name)
    if member is None:
        lines.append("It is not in .fleet/config.yaml, so nothing starts it.")
    else:
        if not member.enabled:
            lines.append("It is switched off in .fleet/config.yaml (enabled: false), so nothing starts it.")
        lines.append(f"It starts on: {sentences.listed(member.subscribes_to)}.")
        lines += [budget_line(limit) for limit in limits]
    if row.state is AgentState.PAUSED:
        lines.append(f"A person has to release it before it starts again: fleet agent resume {name}")
    lines += ctx.db.read(lambda tx: risk_lines(tx, name))
    opened = [one for one in work if one.state in _OPEN]
    lines += [f"On {one.subject or one.event_type}: {sentences.ended(sentences.delivery_line(one))}" for one in opened]
    held = waiting(ctx, opened)
    lines += [line for one in held for line in one.lines()]
    lines += [f"On {run.subject}: {sentences.ended(sentences.run_line(run))}" for run in its_runs]
    lines += ctx.db.read(lambda tx: around_agent(tx, name))
    told = [entry for entry in entries if entry.type in _DECISIONS and entry.agent == name][-5:]
    lines += [sentences.happened(entry) for entry in told]
    if not opened and not any(run.state in LIVE_RUNS for run in its_runs):
        lines.append("Nothing waits for it and it is not at work.")
    return _Story(f"agent {name}", lines, entries, held)


HANDLERS: Handlers = {
    "why": why,
}
