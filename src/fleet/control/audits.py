"""Verbs about the record itself: is it whole, is it signed, by which key; remove a payload that must not be in it."""

from __future__ import annotations

import threading
from typing import Any

from fleet.audit.anchor import read_anchor
from fleet.audit.checkpoint import catch_up, make_checkpoint, plan_of
from fleet.audit.keys import read_key, rotate
from fleet.audit.proofs import Expected, Proofs, check_proofs
from fleet.audit.verify import verify_journal
from fleet.control.context import Context, Handlers
from fleet.core.errors import FleetError
from fleet.core.journal import GENESIS
from fleet.core.principal import Principal
from fleet.fabric.forgetting import forget
from fleet.store import audits, journal
from fleet.store.db import Tx

_EMPTY_TRIES = 20
_EMPTY_PAUSE_SECONDS = 0.05


def verify(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Walk the journal, then compare it with what was signed. ``first_bad`` is null when all fits.

    ``limit`` ends the walk after so many entries; the answer is then not ``done``, and ``head`` is where to go on
    from (``after``, ``hash``). ``quick`` starts at the last checkpoint. ``key`` must be one that signed here.
    """
    start, digest = args["after"], args["hash"] or GENESIS
    last = ctx.db.read(audits.last_checkpoint) if args["quick"] and not start else None
    if last is not None:
        start, digest = last.seq, last.hash
    found = verify_journal(ctx.db, after=start, prev_hash=digest, limit=args["limit"] or None)
    done = not found.ok or not args["limit"] or found.entries < args["limit"]
    proofs = _proofs(ctx, args["key"]) if done and found.ok else None
    fault = found.fault or (proofs.fault if proofs is not None else None)
    return {
        "ok": fault is None,
        "done": done,
        "entries": found.entries,
        "head": {"seq": found.head_seq, "hash": found.head_hash},
        "erased": list(found.erased),
        "first_bad": fault.as_dict() if fault else None,
        "checkpoints": _signed(proofs, found.head_seq) if proofs is not None else None,
        "remarks": list(proofs.remarks) if proofs is not None else [],
    }


def _proofs(ctx: Context, pinned: str) -> Proofs:
    plan = plan_of(ctx.paths, ctx.loaded.config.audit)
    try:
        key_file = read_key(plan.keys.current).public
    except FleetError:
        key_file = ""  # nothing to compare with; the checkpointer says that it is missing
    anchored = read_anchor(plan.anchor)
    return ctx.db.read(lambda tx: check_proofs(tx, anchored, Expected(key_file, pinned)))


def _signed(proofs: Proofs, height: int) -> dict[str, object]:
    return {
        "count": proofs.checkpoints,
        "seq": proofs.signed_seq,
        "at": proofs.signed_at,
        "unsigned": max(0, height - proofs.signed_seq),
        "key": proofs.key,
        "public": proofs.public,
        "anchored": proofs.anchored,
        "archives": proofs.archives,
    }


def erase(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Erase one entry's payload for good; the entry and its proof stay. Raises NotFound FLT-JRN-001.

    What a message, a question or a task still says of it goes too.

    ``log_emptied`` says that the bytes are gone from the write-ahead log too; while a long read goes on they
    are not, and go with a later erasure or the daemon's end.
    """

    def gone(tx: Tx) -> journal.Appended:
        forget(tx, args["entry"])
        return journal.erase_payload(tx, args["entry"], str(principal), args["reason"])

    made = ctx.db.write(gone)
    return {"id": made.id, "seq": made.seq, "entry": args["entry"], "log_emptied": _empty_log(ctx)}


def _empty_log(ctx: Context) -> bool:
    """Ask until no reader is in the way, for at most a second."""
    pause = threading.Event()
    for _ in range(_EMPTY_TRIES):
        if ctx.db.empty_log():
            return True
        pause.wait(_EMPTY_PAUSE_SECONDS)
    return False


def checkpoints(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """The newest checkpoints, oldest first, and how far the anchor has come."""
    total = ctx.db.read(audits.count_checkpoints)
    last = ctx.db.read(audits.last_checkpoint)
    after = max(0, (last.number if last is not None else 0) - args["limit"])
    rows = ctx.db.read(lambda tx: audits.checkpoints(tx, after=after))
    place = plan_of(ctx.paths, ctx.loaded.config.audit).anchor
    anchored = read_anchor(place)
    return {
        "checkpoints": [
            {"number": row.number, "seq": row.seq, "hash": row.hash, "key": row.key_id, "at": row.at} for row in rows
        ],
        "total": total,
        "archives": [
            {"number": seal.number, "first": seal.first_seq, "last": seal.last_seq, "file": seal.file, "at": seal.at}
            for seal in ctx.db.read(audits.archives)
        ],
        "anchor": {"path": str(place), "lines": len(anchored.lines), "torn": anchored.torn},
    }


def checkpoint(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Sign the head now. Raises IntegrityError FLT-AUD-007 when what is stored does not fit together."""
    plan = plan_of(ctx.paths, ctx.loaded.config.audit)
    with ctx.locks.held("audit"):
        made = make_checkpoint(ctx.db, plan)
        catch_up(ctx.db, plan.anchor)
    row = made or ctx.db.read(audits.last_checkpoint)
    assert row is not None, "a fleet's journal is never empty"
    return {"made": made is not None, "number": row.number, "seq": row.seq, "hash": row.hash}


def key(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """The key in use and those before it. The public key is worth noting elsewhere."""
    rows = ctx.db.read(audits.keys)
    active = rows[-1] if rows else None
    files = plan_of(ctx.paths, ctx.loaded.config.audit).keys
    return {
        "key": active.key_id if active else "",
        "public": active.public if active else "",
        "file": str(files.current),
        "keys": [
            {"key": row.key_id, "public": row.public, "since": row.introduced_at, "entry": row.entry_seq}
            for row in rows
        ],
    }


def rotate_key(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Replace the signing key; the entry that says so is signed by the old key unless that is ``lost``."""
    plan = plan_of(ctx.paths, ctx.loaded.config.audit)
    with ctx.locks.held("audit"):
        new, seq = rotate(ctx.db, plan.keys, plan.fleet, actor=str(principal), reason=args["reason"], lost=args["lost"])
    return {"key": new.id, "public": new.public, "seq": seq}


HANDLERS: Handlers = {
    "audit.verify": verify,
    "audit.erase": erase,
    "audit.checkpoints": checkpoints,
    "audit.checkpoint": checkpoint,
    "audit.key": key,
    "audit.rotate_key": rotate_key,
}
