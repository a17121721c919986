"""``task.assign``: work in words, handed to named agents: a ticket for each, and a start by hand on it.

The ticket does not get the label that wakes agents, so nobody else starts. All agents get their work, or none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.control.agents import may_be_started
from fleet.control.context import Context, Handlers
from fleet.control.members import department_of, known, team_members
from fleet.control.operations import perform
from fleet.core.errors import Conflict, NotFound, UsageError
from fleet.core.live import LiveTicket
from fleet.core.principal import Principal
from fleet.dispatch.foresee import verdict_on
from fleet.store import agents as agent_rows
from fleet.store import journal
from fleet.store.db import Tx

_TITLE = 120  # characters of the text that become a title


def assign(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Hand work to one agent, a team, a department or all that are enabled; with ``dry_run`` only say what would be.

    Raises UsageError FLT-AGT-106 unless exactly one way names the agents, FLT-AGT-107 without words and
    ticket; NotFound FLT-AGT-001, -103, -108 for unknown ones, FLT-FRG-001; Conflict FLT-FRG-104 for a closed
    ticket; Refused FLT-CTL-009 when one of them cannot be started.
    """
    names = ctx.db.read(lambda tx: _chosen(ctx, tx, args))
    ticket = _ticket(ctx, args["ticket"])
    title = args["title"] or _title_of(args["text"]) or (ticket.title if ticket is not None else "")
    if not title:
        raise UsageError("FLT-AGT-107", "there is nothing to assign", hint="Say what to do, or name a --ticket.")
    if args["dry_run"]:
        return {"dry_run": True, "title": title, "assigned": _foreseen(ctx, names, ticket)}
    plan = {"agents": names, "ticket": args["ticket"], "title": title, "body": args["text"]}

    def decide(tx: Tx) -> Mapping[str, Any]:
        for name in names:
            may_be_started(ctx, tx, name)
        return plan

    operation, over = perform(ctx, principal, "task.assign", "", reason="", said="task.assign_requested", decide=decide)
    found = ctx.db.read(lambda tx: _tickets(tx, operation.id)) if over else {}
    return {
        "dry_run": False,
        "title": title,
        "assigned": [{"agent": name, "ticket": found.get(name, 0), "verdict": "", "reasons": []} for name in names],
    }


def _tickets(tx: Tx, operation_id: str) -> Mapping[str, Any]:
    """Which ticket each agent got, from the operation's last entry."""
    done = journal.find_dedup(tx, f"operation:{operation_id}")
    found = (journal.get(tx, done.id).payload or {}).get("tickets") if done is not None else None
    return found if isinstance(found, dict) else {}


def _chosen(ctx: Context, tx: Tx, args: dict[str, Any]) -> list[str]:
    """The agents that are named, by name."""
    ways = [bool(args["name"]), bool(args["team"]), bool(args["department"]), args["all"]]
    if sum(ways) != 1:
        raise UsageError("FLT-AGT-106", "exactly one of an agent's name, --team, --department and --all is needed")
    members = ctx.loaded.config.agents
    if args["name"]:
        return [known(agent_rows.every(tx), args["name"]).name]
    if args["team"]:
        return team_members(ctx, args["team"])
    if args["all"]:
        return sorted(member.name for member in members if member.enabled)
    places = {member.name: department_of(ctx, member) for member in members if member.enabled}
    found = sorted(name for name, place in places.items() if place == args["department"])
    if not found:
        there = ", ".join(sorted(set(places.values()) - {""}))
        raise NotFound("FLT-AGT-108", "no enabled agent is in this department", where=args["department"], hint=there)
    return found


def _ticket(ctx: Context, number: int) -> LiveTicket | None:
    """The ticket that the work is about, None when one is to be opened."""
    if not number:
        return None
    ticket = ctx.live.ticket(number)
    if ticket is None:
        raise NotFound("FLT-FRG-001", "no such ticket", where=f"ticket/{number}", hint="fleet ticket list shows them")
    if ticket.state != "open":
        hint = f"Open it again: fleet ticket reopen {number}"
        raise Conflict("FLT-FRG-104", "the ticket is closed", where=f"ticket/{number}", hint=hint)
    return ticket


def _title_of(text: str) -> str:
    """The first line that says something, cut at a word."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = "".join(char if char.isprintable() else " " for char in line)
    if len(line) <= _TITLE:
        return line
    return line[:_TITLE].rsplit(" ", 1)[0] + "…"


def _foreseen(ctx: Context, names: list[str], ticket: LiveTicket | None) -> list[dict[str, Any]]:
    """What policy would say to each start now."""
    disk = ctx.disk.look()

    def read(tx: Tx) -> list[dict[str, Any]]:
        found = []
        for name in names:
            decision = verdict_on(tx, name, ticket, ctx.loaded, disk)
            reasons = [reason.as_dict() for reason in decision.binding]
            number = ticket.number if ticket is not None else 0
            found.append({"agent": name, "ticket": number, "verdict": str(decision.verdict), "reasons": reasons})
        return found

    return ctx.db.read(read)


HANDLERS: Handlers = {
    "task.assign": assign,
}
