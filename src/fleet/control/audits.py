"""Verbs about the record itself: is it whole, and remove one payload that must not be in it."""

from __future__ import annotations

import threading
from typing import Any

from fleet.audit.verify import verify_journal
from fleet.control.context import Context, Handlers
from fleet.core.principal import Principal
from fleet.store import journal

_EMPTY_TRIES = 20
_EMPTY_PAUSE_SECONDS = 0.05


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
    """Erase one entry's payload for good; the entry and its proof stay. Raises NotFound FLT-JRN-001.

    ``log_emptied`` says that the bytes are gone from the write-ahead log too; while a long read goes on they
    are not, and go with a later erasure or the daemon's end.
    """
    made = ctx.db.write(lambda tx: journal.erase_payload(tx, args["entry"], str(principal), args["reason"]))
    return {"id": made.id, "seq": made.seq, "entry": args["entry"], "log_emptied": _empty_log(ctx)}


def _empty_log(ctx: Context) -> bool:
    """Ask until no reader is in the way, for at most a second."""
    pause = threading.Event()
    for _ in range(_EMPTY_TRIES):
        if ctx.db.empty_log():
            return True
        pause.wait(_EMPTY_PAUSE_SECONDS)
    return False


HANDLERS: Handlers = {
    "audit.verify": verify,
    "audit.erase": erase,
}
