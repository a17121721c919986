"""Verbs about the record itself: is it whole, and remove one payload that must not be in it."""

from __future__ import annotations

from typing import Any

from fleet.audit.verify import verify_journal
from fleet.control.context import Context, Handlers
from fleet.core.principal import Principal
from fleet.store import journal


def verify(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Walk the whole journal. ``first_bad`` is null when it is whole; ``head`` is worth noting elsewhere."""
    found = verify_journal(ctx.db)
    return {
        "ok": found.ok,
        "entries": found.entries,
        "head": {"seq": found.head_seq, "hash": found.head_hash},
        "erased": list(found.erased),
        "first_bad": found.fault.as_dict() if found.fault else None,
    }


def erase(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Erase one entry's payload for good; the entry and its proof stay. Raises NotFound FLT-JRN-001."""
    made = ctx.db.write(lambda tx: journal.erase_payload(tx, args["entry"], str(principal), args["reason"]))
    return {"id": made.id, "seq": made.seq, "entry": args["entry"]}


HANDLERS: Handlers = {
    "audit.verify": verify,
    "audit.erase": erase,
}
