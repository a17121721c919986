"""Limits on loops and storms: what they hold, and a person's word that lets it go on."""

from __future__ import annotations

from typing import Any

from fleet.control import shapes
from fleet.control.attention import HELD_SHOWN, held_codes
from fleet.control.context import Context, Handlers, work_item_of
from fleet.core.errors import Conflict
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal
from fleet.core.work import Delivery, DeliveryState
from fleet.dispatch.loops import HOUR
from fleet.store import deliveries, journal, runs
from fleet.store.db import Tx

_OF_WORK = frozenset({"FLT-POL-141", "FLT-POL-143"})
_OF_AGENT = frozenset({"FLT-POL-147"})
_ALL = _OF_WORK | _OF_AGENT | {"FLT-POL-145"}


def listed(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """The limits, how many runs started within the last hour, and what is held now, with the codes that hold it."""

    def read(tx: Tx) -> dict[str, Any]:
        held = [{**shapes.delivery_dict(one), "codes": codes} for one, codes in _held(tx)]
        return {"starts_last_hour": runs.started_between(tx, tx.now - HOUR, tx.now), "held": held}

    return {"limits": ctx.loaded.config.limits.model_dump(), **ctx.db.read(read)}


def _held(tx: Tx) -> list[tuple[Delivery, list[str]]]:
    """Deliveries that wait for a limit, each with its codes."""
    waiting = deliveries.in_state(tx, DeliveryState.HELD, limit=HELD_SHOWN)
    found = [(one, [code for code in held_codes(tx, one) if code in _ALL]) for one in waiting]
    return [(one, codes) for one, codes in found if codes]


def release(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Begin to count anew for a piece of work, or for an agent. Raises Conflict FLT-CTL-121 when nothing is held."""
    target, reason = args["target"], args["reason"]

    def transaction(tx: Tx) -> dict[str, Any]:
        name = target.removeprefix("agent/")
        of_agent = "/" not in target or target.startswith("agent/")
        item = "" if of_agent else _item(tx, target)
        let_go = [
            one
            for one, codes in _held(tx)
            if (_OF_AGENT.intersection(codes) and one.agent == name)
            or (item and _OF_WORK.intersection(codes) and one.work_item == item)
        ]
        if not let_go:
            hint = "fleet limits list shows what is held"
            raise Conflict("FLT-CTL-121", "nothing of it is held by a limit", where=target, hint=hint)
        subject = f"agent/{name}" if of_agent else item
        draft = Draft(
            Stream.DECISION,
            "limit.released",
            str(principal),
            subject=subject,
            work_item=item,
            agent=name if of_agent else "",
            summary=f"{principal} let {subject} go on: {reason}",
            payload={
                "reason": reason,
                "hops": max(one.hops for one in let_go),
                "deliveries": [one.id for one in let_go],
            },
        )
        journal.append(tx, draft)
        return {"released": subject, "reason": reason, "deliveries": [one.id for one in let_go]}

    return ctx.db.write(transaction)


def _item(tx: Tx, target: str) -> str:
    """The piece of work that a subject belongs to; remarks about nothing in particular are one by themselves."""
    return target if target.startswith("event/") else work_item_of(tx, None, target)


HANDLERS: Handlers = {
    "limits": listed,
    "limit.release": release,
}
