"""Verbs that begin and end runs: start agents by hand, stop their runs, drain the fleet."""

from __future__ import annotations

from typing import Any

from fleet.assess.doorway import quarantined
from fleet.config.model import AgentConfig
from fleet.control.budgets import require_seconds
from fleet.control.context import Context, Handlers, generation_of, still_alive, work_item_of
from fleet.control.members import chosen
from fleet.control.quarantines import end_unsaved
from fleet.core.agent import AgentState
from fleet.core.errors import NotFound, Refused
from fleet.core.event import subject_kind, subject_number
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal
from fleet.core.work import Run
from fleet.dispatch.plan import FLEET_DOWN
from fleet.store import agents as agent_rows
from fleet.store import journal, runs
from fleet.store.db import Tx


def stop(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Ask the live runs of agents to end; their work is saved and not offered again. Raises as ``chosen`` does."""
    why = args["reason"]
    reason = f"stopped by {principal}" + (f": {why}" if why else "")

    def ask(tx: Tx) -> tuple[list[str], list[str]]:
        names, stopping = chosen(ctx, tx, args), []
        for name in names:
            if args["even_unsaved"]:
                stopping += end_unsaved(tx, principal, name, why)
            asked = [run.id for run in runs.live(tx) if run.agent == name and runs.ask_cancel(tx, run.id, reason)]
            stopping += asked
            if asked or args["name"]:
                _record_stop(tx, principal, name, reason, why, asked)
        return names, stopping

    names, stopping = ctx.db.write(ask)
    return {"agent": args["name"], "agents": names, "stopping": stopping}


def _record_stop(tx: Tx, principal: Principal, name: str, reason: str, why: str, asked: list[str]) -> None:
    draft = Draft(
        Stream.DECISION,
        "agent.stop_requested",
        str(principal),
        subject=f"agent/{name}",
        agent=name,
        summary=reason,
        payload={"agent": name, "reason": why, "runs": asked},
        run_id=principal.run_id,
    )
    journal.append(tx, draft)


def start(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Ask for a run of an agent, or of several, on a ticket or pull request; policy decides as for any event.

    All are asked or none. Raises what ``chosen`` raises, NotFound FLT-FRG-001/002 for the subject, and what
    ``may_be_started`` raises.
    """
    subject = args["subject"]
    names = ctx.db.read(lambda tx: chosen(ctx, tx, args))
    if args["all"]:
        kept_out = {row.name for row in ctx.db.read(agent_rows.every) if row.state is AgentState.QUARANTINED}
        names = [member.name for member in ctx.loaded.config.agents if member.enabled and member.name not in kept_out]
    head, payload = _about(ctx, subject)

    def publish(tx: Tx) -> list[dict[str, Any]]:
        run = still_alive(tx, principal)
        return [_request(ctx, tx, principal, run, name, subject, head, payload) for name in names]

    asked = ctx.db.write(publish)
    return {"agent": args["name"], "subject": subject, "id": asked[0]["id"], "seq": asked[0]["seq"], "asked": asked}


def _request(
    ctx: Context,
    tx: Tx,
    principal: Principal,
    run: Run | None,
    name: str,
    subject: str,
    head: str,
    payload: dict[str, object],
) -> dict[str, Any]:
    """The event that asks one agent to start."""
    ticket = payload["ticket"]
    item = f"ticket/{ticket}" if ticket else work_item_of(tx, run, subject)
    may_be_started(ctx, tx, name, item)
    made = journal.append(
        tx,
        Draft(
            Stream.EVENT,
            "agent_start_requested",
            str(principal),
            subject=subject,
            summary=f"{principal} asks {name} to work on {subject}",
            payload={**payload, "agent": name},
            kind="task",
            generation=head or generation_of(tx, run, subject),
            work_item=item,
            agent=name,
            run_id=principal.run_id,
        ),
    )
    return {"agent": name, "id": made.id, "seq": made.seq}


def may_be_started(ctx: Context, tx: Tx, name: str, work_item: str = "") -> AgentConfig:
    """The member, if it can be started at all.

    Raises Refused FLT-CTL-009 for one switched off or retired, BudgetRefused FLT-RSK-001 for one that is quarantined,
    FLT-BUD-001 where a budget is used up.
    """
    member = ctx.loaded.config.agent(name)
    row = agent_rows.get(tx, name)
    if row.state is AgentState.QUARANTINED:
        raise quarantined(name, row.reason)
    if member is None or not member.enabled or row.state is AgentState.RETIRED:
        word = "switched off" if member is not None else "no longer in the configuration"
        raise Refused("FLT-CTL-009", f"{name} is {word}", where=name, hint="Set `enabled: true`, then: fleet reload")
    require_seconds(tx, ctx, name, work_item)
    return member


def drain(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Stop new starts and ask every live run to end. Starts stay off until the daemon is started again."""
    ctx.switch.pause()
    reason = FLEET_DOWN + (f": {args['reason']}" if args["reason"] else "")

    def ask(tx: Tx) -> tuple[list[str], int]:
        live = runs.live(tx)
        asked = [run.id for run in live if runs.ask_cancel(tx, run.id, reason)]
        for name in sorted({run.agent for run in live if run.id in asked}):
            journal.append(
                tx,
                Draft(
                    Stream.DECISION,
                    "agent.stop_requested",
                    str(principal),
                    subject=f"agent/{name}",
                    agent=name,
                    summary=reason,
                    payload={"agent": name, "runs": [run.id for run in live if run.agent == name]},
                ),
            )
        return asked, len(live)

    asked, live = ctx.db.write(ask)
    return {"stopping": asked, "live": live}


def _about(ctx: Context, subject: str) -> tuple[str, dict[str, object]]:
    """Head and event payload of a live subject; refuses one that does not exist."""
    number = subject_number(subject)
    if subject_kind(subject) == "pr":
        pull = ctx.forge.pull(number)
        payload: dict[str, object] = {
            "pr": number,
            "ticket": pull.ticket,
            "branch": pull.head_ref,
            "head": pull.head_sha,
            "title": pull.title,
            "author": pull.author,
        }
        return pull.head_sha, payload
    if subject_kind(subject) == "ticket":
        ticket = ctx.forge.ticket(number)
        return "", {"ticket": number, "title": ticket.title, "author": ticket.author}
    raise NotFound("FLT-CTL-011", "an agent is started on a ticket or a pull request", where=subject)


HANDLERS: Handlers = {
    "agent.stop": stop,
    "agent.start": start,
    "fleet.drain": drain,
}
