"""Verbs about work that moves or stands still: handoffs to an agent, blockers and what resolved them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from fleet.control import shapes
from fleet.control.context import Context, Handlers, still_alive
from fleet.control.entries import Wanted, put
from fleet.control.publish import may_publish
from fleet.core.board import Blocker, MailKind
from fleet.core.errors import NotFound
from fleet.core.principal import Principal
from fleet.fabric import blocking, mail
from fleet.fabric.mail import Letter
from fleet.store import agents, blockers, inbox, journal
from fleet.store.db import Tx


def handoff(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Pass work on: an event that reaches one agent, if it subscribes to ``handoff``, and a message in its inbox.

    Raises NotFound FLT-AGT-001 or FLT-FAB-117, Refused FLT-AUT-015 for a role that hands nothing over and
    FLT-FAB-112 for a full inbox.
    """
    may_publish(ctx, principal, "handoff")
    name = args["to"]

    def pass_on(tx: Tx) -> dict[str, Any]:
        agents.get(tx, name)
        reader = f"agent:{name}"
        if not blocking.is_member(tx, reader):
            raise NotFound("FLT-FAB-117", "the agent has left the fleet", where=name, hint="fleet agent list")
        number = mail.need_room(tx, reader, most=ctx.loaded.config.fabric.inbox_limit)
        payload = {**args["payload"], "to": name, "message": number}
        wanted = Wanted(
            "handoff",
            "handoff",
            args["summary"],
            payload,
            subject=args["subject"],
            agent=name,
            dedup_key=_once(principal, args),
        )
        made, _ = put(ctx, tx, principal, wanted)
        letter = Letter(reader, MailKind.HANDOFF, args["summary"])
        known = None if made.fresh else inbox.caused_by(tx, made.id)
        message = known or mail.queue(tx, number, letter, journal.get(tx, made.id))
        return {"id": made.id, "seq": made.seq, "repeated": not made.fresh, "message": mail.as_dict(message)}

    answer = ctx.db.write(pass_on)
    member = ctx.loaded.config.agent(name)
    wakes = member is not None and member.enabled and "handoff" in member.subscribes_to
    return {**answer, "wakes": wakes}


def _once(principal: Principal, args: dict[str, Any]) -> str | None:
    """A run that repeats a call, because its answer was lost, hands the work over once; a person means it again."""
    if not principal.run_id:
        return None
    said = json.dumps([args["to"], args["subject"], args["summary"], args["payload"]], sort_keys=True)
    return f"handoff:{principal.run_id}:{hashlib.sha256(said.encode()).hexdigest()}"


def listed(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Open blockers, or with ``all`` the newest of any state."""
    read = blockers.newest if args["all"] else blockers.open_ones
    found = ctx.db.read(lambda tx: read(tx, limit=args["limit"]))
    return {"blockers": [shapes.blocker_dict(one) for one in found]}


def resolve(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Say what resolved a blocker. Raises NotFound FLT-FAB-120, Refused FLT-FAB-122, Conflict FLT-FAB-123."""

    def close(tx: Tx) -> Blocker:
        still_alive(tx, principal)
        return blocking.resolve(tx, args["blocker"], principal, args["text"])

    return {"blocker": shapes.blocker_dict(ctx.db.write(close))}


HANDLERS: Handlers = {
    "fabric.handoff": handoff,
    "fabric.blockers": listed,
    "fabric.resolve": resolve,
}
