"""Verbs about agents: start one by hand, stop its runs, look at its terminal, and drain the fleet."""

from __future__ import annotations

from typing import Any

from fleet.config.model import AgentConfig
from fleet.control.context import Context, Handlers, generation_of, still_alive, work_item_of
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
    """Ask an agent's live runs to end; their work is saved and not offered again. Raises NotFound FLT-AGT-001."""
    name, why = args["name"], args["reason"]

    def ask(tx: Tx) -> list[str]:
        agent_rows.get(tx, name)
        reason = f"stopped by {principal}" + (f": {why}" if why else "")
        asked = [run.id for run in runs.live(tx) if run.agent == name and runs.ask_cancel(tx, run.id, reason)]
        journal.append(
            tx,
            Draft(
                Stream.DECISION,
                "agent.stop_requested",
                str(principal),
                subject=f"agent/{name}",
                agent=name,
                summary=reason,
                payload={"agent": name, "reason": why, "runs": asked},
                run_id=principal.run_id,
            ),
        )
        return asked

    return {"agent": name, "stopping": ctx.db.write(ask)}


def start(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Ask for a run of an agent on a ticket or pull request; policy decides as for any other event.

    Raises NotFound FLT-AGT-001, FLT-FRG-001/002 for the subject, Refused FLT-CTL-009 for an agent that is
    switched off or retired.
    """
    name, subject = args["name"], args["subject"]
    member = _member(ctx, name)
    head, payload = _about(ctx, subject)
    ticket = payload["ticket"]

    def publish(tx: Tx) -> journal.Appended:
        run = still_alive(tx, principal)
        state = agent_rows.get(tx, name).state
        if not member.enabled or state is AgentState.RETIRED:
            raise Refused(
                "FLT-CTL-009", f"{name} is switched off", where=name, hint="Set `enabled: true` and fleet up."
            )
        return journal.append(
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
                work_item=f"ticket/{ticket}" if ticket else work_item_of(tx, run, subject),
                agent=name,
                run_id=principal.run_id,
            ),
        )

    made = ctx.db.write(publish)
    return {"agent": name, "subject": subject, "id": made.id, "seq": made.seq}


def output(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """What the terminal of an agent's newest run shows, or showed at its end. Raises NotFound FLT-CTL-010."""
    run = _newest_run(ctx, args["name"])
    text = ctx.runtime.output(ctx.session_ref(run), lines=args["lines"])
    return {"agent": args["name"], "run": run.id, "state": str(run.state), "output": text}


def attach(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """The command that attaches to an agent's session. Raises NotFound FLT-CTL-010 or FLT-RTM-002."""
    run = _newest_run(ctx, args["name"])
    return {"agent": args["name"], "run": run.id, "argv": list(ctx.runtime.attach_argv(ctx.session_ref(run)))}


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


def _member(ctx: Context, name: str) -> AgentConfig:
    member = ctx.loaded.config.agent(name)
    if member is None:
        raise NotFound("FLT-AGT-001", "no such agent", where=name, hint="fleet agent list shows the names")
    return member


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


def _newest_run(ctx: Context, name: str) -> Run:
    """The live run of an agent, else its last one."""

    def find(tx: Tx) -> Run | None:
        agent_rows.get(tx, name)
        live = [run for run in runs.live(tx) if run.agent == name and run.epoch]
        return live[-1] if live else next(iter(runs.recent(tx, agent=name, limit=1)), None)

    run = ctx.db.read(find)
    if run is None or not run.epoch:
        raise NotFound("FLT-CTL-010", f"{name} has not run yet", where=name)
    return run


HANDLERS: Handlers = {
    "agent.stop": stop,
    "agent.start": start,
    "agent.output": output,
    "agent.attach": attach,
    "fleet.drain": drain,
}
