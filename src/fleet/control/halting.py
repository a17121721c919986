"""``fleet halt`` and ``fleet resume``: all runs end, their work comes back once a person resumes.

The truth is in two places, and either halts: a file in the state folder, which can be written while no daemon
runs and is seen by shims, and a row of the store with its journal entry. Taking up the file is repeatable.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from fleet.control.context import Context, Handlers, Switch
from fleet.core.clock import SECOND
from fleet.core.errors import Conflict
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal, system
from fleet.dispatch.plan import FLEET_HALTED
from fleet.runtime import halting, records
from fleet.store import cursors, deliveries, journal, runs
from fleet.store.db import Database, Tx

HALT_KEY = "fleet.halt"  # of a stored value: the halt in force, as JSON
_PERSON = re.compile(r"human:[A-Za-z0-9._-]{1,64}")


def halt(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """End every run and start nothing until somebody resumes. Halting a halted fleet asks what lives once more."""
    present = ctx.db.read(in_force)
    halt_id = present["id"] if present else ctx.db.clock.entropy(8).hex()
    halting.write_halt(ctx.paths.state, halt_id, str(principal), args["reason"], ctx.db.clock.now())
    asked = take_up(ctx.db, ctx.paths.state, ctx.switch)
    found = ctx.db.read(in_force)
    assert found is not None
    return {"halt": found, "again": present is not None, "stopping": asked}


def resume(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Let starts happen again; what was halted comes back, once. Raises Conflict FLT-CTL-120 when nothing is halted."""
    take_up(ctx.db, ctx.paths.state, ctx.switch)

    def transaction(tx: Tx) -> dict[str, Any]:
        found = in_force(tx)
        if found is None:
            raise Conflict("FLT-CTL-120", "the fleet is not halted", hint="fleet status says what it waits for")
        cursors.set_value(tx, HALT_KEY, "")
        why = args["reason"]
        seconds = max(0.0, (tx.now - int(found["at"])) / SECOND)
        draft = Draft(
            Stream.DECISION,
            "fleet.resumed",
            str(principal),
            dedup_key=_resumed_key(str(found["id"])),
            summary=f"{principal} resumed the fleet after {seconds:.0f} s" + (f": {why}" if why else ""),
            payload={"halt": found["id"], "halted_by": found["by"], "halted_at": found["at"], "reason": why},
        )
        journal.append(tx, draft)
        counts = deliveries.counts(tx)
        waiting = sum(counts.get(state, 0) for state in ("pending", "claimed", "held"))
        return {"halt": found, "waiting": waiting}

    done = ctx.db.write(transaction)
    # a kill here leaves a file whose halt is on record as over: taking it up removes it
    (ctx.paths.state / records.HALT).unlink(missing_ok=True)
    ctx.switch.halted = False
    return done


def in_force(tx: Tx) -> dict[str, Any] | None:
    """The halt that nobody has ended yet: its id, by whom, why, and when (microseconds)."""
    text = cursors.value(tx, HALT_KEY)
    found: dict[str, Any] | None = json.loads(text) if text else None
    return found


def halt_in_force(ctx: Context, tx: Tx) -> dict[str, Any] | None:
    """The same, or the one that was written while no daemon ran and nobody has taken up yet."""
    return in_force(tx) or halting.read_halt(ctx.paths.state)


def take_up(db: Database, state: Path, switch: Switch) -> list[str]:
    """Bring switch, store and journal in line with the file; the runs that are asked to end by it.

    Called before anything is started or judged to have ended, so that a halt made without the daemon counts
    before the daemon does anything. Cheap while there is no file.
    """
    written = halting.read_halt(state)
    if written is None:
        switch.halted = switch.halted and db.read(in_force) is not None
        return []
    known = db.read(in_force)
    if known is not None and known["id"] == written["id"]:
        switch.halted = True
        return []
    if known is None and db.read(lambda tx: journal.find_dedup(tx, _resumed_key(str(written["id"])))) is not None:
        (state / records.HALT).unlink(missing_ok=True)
        switch.halted = False
        return []
    switch.halted = True
    return db.write(lambda tx: _record(tx, written))


def _record(tx: Tx, written: records.Record) -> list[str]:
    """The halt in force, on record, and every live run asked to end."""
    by = str(written.get("by", ""))
    actor = by if _PERSON.fullmatch(by) else str(system("daemon"))
    reason, at = str(written.get("reason", "")), written.get("at")
    found = {
        "id": str(written["id"]),
        "by": by or "somebody",
        "reason": reason,
        "at": at if isinstance(at, int) and at else tx.now,
    }
    cursors.set_value(tx, HALT_KEY, json.dumps(found))
    asked = [
        run.id for run in runs.live(tx) if runs.ask_cancel(tx, run.id, f"{FLEET_HALTED} by {found['by']}: {reason}")
    ]
    draft = Draft(
        Stream.DECISION,
        "fleet.halted",
        actor,
        dedup_key=f"fleet.halted:{found['id']}",
        summary=f"{found['by']} halted the fleet: {reason}",
        payload={"halt": found["id"], "reason": reason, "halted_at": found["at"], "runs": asked},
    )
    journal.append(tx, draft)
    return asked


def _resumed_key(halt_id: str) -> str:
    return f"fleet.resumed:{halt_id}"


HANDLERS: Handlers = {
    "fleet.halt": halt,
    "fleet.resume": resume,
}
