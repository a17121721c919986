"""After a merge: the person's checkout follows the base branch where that is harmless, and it is on record."""

from __future__ import annotations

from fleet.core.errors import FleetError
from fleet.core.journal import Draft, Stream
from fleet.core.live import LivePull
from fleet.core.principal import system
from fleet.forge.port import Forge
from fleet.store import journal
from fleet.store.db import Database


def update_checkout(db: Database, forge: Forge, pull: LivePull, *, run_id: str = "") -> list[str]:
    """Fast-forward the checkout to what ``pull`` was merged into; what was left undone, in words.

    Repeatable: with nothing to do nothing is recorded. It raises nothing, because none of it can undo the
    merge. ``run_id`` is the run that merged, "" when recovery does this in nobody's name.
    """
    try:
        report = forge.publish_base()
    except FleetError as error:
        return [f"the checkout was not updated: {error.message}"]
    if report.kind not in ("updated", "left_alone"):
        return []
    draft = Draft(
        Stream.ACTIVITY,
        "checkout.updated" if report.kind == "updated" else "checkout.left_alone",
        str(system("control")),
        subject=pull.subject,
        work_item=pull.work_item,
        summary=report.detail,
        payload={"old": report.old, "new": report.new, "base": pull.base_ref},
        run_id=run_id,
    )
    db.write(lambda tx: journal.append(tx, draft))
    return [report.detail] if report.kind == "left_alone" else []
