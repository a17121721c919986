"""``audit.archive``: the oldest part of the journal goes into a file. For people only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fleet.audit import archive as room
from fleet.audit.checkpoint import catch_up, make_checkpoint, plan_of
from fleet.audit.keys import in_use
from fleet.control.context import Context, Handlers
from fleet.core.clock import SECOND
from fleet.core.errors import Conflict, UsageError
from fleet.core.principal import Principal
from fleet.fabric.router import CURSOR
from fleet.store import audits, cursors, journal, pruning
from fleet.store.db import Tx

_DAY = 86_400 * SECOND


def archive(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Seal everything before an instant (or all but the newest ``keep``) in a new file.

    What open work needs stays in the store as well. ``dry_run`` only counts. Raises UsageError FLT-AUD-033,
    Conflict FLT-AUD-031/032/011, PermanentError FLT-AUD-012, IntegrityError FLT-AUD-007.
    """
    if bool(args["before"]) == bool(args["keep"]) or not (args["file"] or args["dry_run"]):
        raise UsageError("FLT-AUD-033", "say what to archive by --before or --keep, and where to by -o FILE")
    how = plan_of(ctx.paths, ctx.loaded.config.audit)
    with ctx.locks.held("audit"):
        if not args["dry_run"]:
            make_checkpoint(ctx.db, how)
            catch_up(ctx.db, how.anchor)
        prefix = ctx.db.read(lambda tx: room.plan(tx, _last(tx, ctx, args)))
        counts = {"first": prefix.first, "last": prefix.last, "entries": prefix.last - prefix.first + 1}
        if args["dry_run"]:
            return {"file": "", **counts, "removed": prefix.going, "kept": prefix.staying, "dry_run": True}
        active = ctx.db.read(audits.active_key)
        if active is None:
            raise Conflict("FLT-AUD-004", "there is no key to seal with yet")
        signer = in_use(active, how.keys)
        done = room.archive(ctx.db, prefix, Path(args["file"]), fleet=how.fleet, signer=signer, actor=str(principal))
        make_checkpoint(ctx.db, how)
        catch_up(ctx.db, how.anchor)
    return {
        "file": args["file"],
        **counts,
        "removed": done.removed,
        "kept": done.kept,
        "dry_run": False,
        "number": done.number,
        "seq": done.seq,
        "sha256": done.sha256,
    }


def _last(tx: Tx, ctx: Context, args: dict[str, Any]) -> int:
    """The last entry that may go into an archive: old enough, routed, and what was asked for."""
    floor = tx.now - ctx.loaded.config.audit.keep_days * _DAY
    wanted = pruning.last_before(tx, args["before"]) if args["before"] else journal.head(tx)[0] - args["keep"]
    return min(wanted, pruning.last_before(tx, floor), cursors.position(tx, CURSOR))


HANDLERS: Handlers = {
    "audit.archive": archive,
}
