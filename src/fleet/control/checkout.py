"""The base branch between the fleet and where people work on it: both ways, harmlessly, and on record."""

from __future__ import annotations

from collections.abc import Callable

from fleet.config.inforce import InForce
from fleet.core.errors import FleetError
from fleet.core.journal import Draft, Stream
from fleet.core.live import LivePull
from fleet.core.principal import system
from fleet.forge.port import BaseReport, Forge
from fleet.store import journal, refheads
from fleet.store.db import Database


def announcing(db: Database, base: str) -> Callable[[str, str], None]:
    """What puts on record that the base is about to move forward, so that no movement is without its entry."""

    def announce(old: str, new: str) -> None:
        draft = Draft(
            Stream.ACTIVITY,
            "base.fetch_intended",
            str(system("forge")),
            summary=f"{base} is about to move from {old[:12]} to {new[:12]}, as people have it",
            payload={"old": old, "new": new, "base": base},
            generation=new,
        )
        db.write(lambda tx: journal.append(tx, draft))

    return announce


def refresh_base(db: Database, forge: Forge, base: str, *, fresh: bool = True) -> BaseReport:
    """Bring the fleet's base to where people have it (their checkout, or GitHub); on record before it moves.

    A movement that is not forward is announced by nobody, so that the guard holds merges until a person has
    explained it. Not ``fresh``: where it was a little while ago will do. Raises TemporaryError when the forge cannot
    be asked now.
    """
    report = forge.refresh(announcing(db, base), fresh=fresh)
    if report.kind in ("fetched", "diverged"):
        draft = Draft(
            Stream.ACTIVITY,
            "base.fetched" if report.kind == "fetched" else "base.diverged",
            str(system("forge")),
            summary=report.detail,
            payload={"old": report.old, "new": report.new, "base": base},
            generation=report.new,
            dedup_key=f"base.{report.kind}:{report.old}:{report.new}",
        )
        db.write(lambda tx: journal.append(tx, draft))
    return report


def follow_base(db: Database, forge: Forge, config: InForce) -> Callable[[], object] | None:
    """What keeps the fleet's base where it is at the forge; None where it is nowhere else than here."""
    if forge.name == "local":
        return None
    return lambda: refresh_base(db, forge, config().config.base, fresh=False)


def update_checkout(db: Database, forge: Forge, pull: LivePull, *, run_id: str = "") -> list[str]:
    """Fast-forward the checkout to what ``pull`` was merged into; what was left undone, in words.

    While an unexplained movement of the base waits for a person's word, their checkout does not follow it. Repeatable:
    with nothing to do nothing is recorded. It raises nothing, because none of it can undo the merge. ``run_id`` is the
    run that merged, "" when recovery does this in nobody's name.
    """
    alarm = db.read(lambda tx: next((one.text for one in refheads.open_alarms(tx, holding=True)), ""))
    if alarm:
        return [f"the checkout was not updated: {alarm}"]
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
