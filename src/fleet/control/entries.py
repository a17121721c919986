"""An entry on the Fabric, and what the Fabric keeps of it: a task is on the list, a blocker is open and told."""

from __future__ import annotations

from dataclasses import dataclass, field

from fleet.control.context import Context, generation_of, still_alive, work_item_of
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal
from fleet.fabric import blocking, claims
from fleet.fabric.reporting import responsible
from fleet.store import journal, tasks
from fleet.store.db import Tx
from fleet.store.journal import Appended


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to put on the Fabric. ``agent`` addresses it to one member."""

    type: str
    kind: str
    summary: str
    payload: dict[str, object] = field(default_factory=dict)
    subject: str = ""
    agent: str = ""
    dedup_key: str | None = None


def put(ctx: Context, tx: Tx, who: Principal, wanted: Wanted) -> tuple[Appended, str]:
    """Write the entry; where it stands, and the name of what is kept of it (``task/3``), "" for most.

    Raises Refused FLT-AUT-001 for a run that has ended meanwhile, FLT-FAB-101, FLT-FAB-112 and FLT-FAB-121 for a
    list that is full. A blocker that is open already is not opened twice.
    """
    run = still_alive(tx, who)
    about = wanted.subject or (run.subject if run is not None else "")
    item = work_item_of(tx, run, about)
    if wanted.type == "blocker":
        known = blocking.same_open(tx, str(who), item, wanted.summary)
        if known is not None:
            return Appended(journal.get(tx, known.entry_id).seq, known.entry_id, fresh=False), f"blocker/{known.number}"
    made = journal.append(
        tx,
        Draft(
            Stream.EVENT,
            wanted.type,
            str(who),
            subject=about,
            summary=wanted.summary,
            payload=wanted.payload,
            kind=wanted.kind,
            generation=generation_of(tx, run, about),
            work_item=item,
            agent=wanted.agent,
            run_id=who.run_id,
            dedup_key=wanted.dedup_key,
        ),
    )
    return made, _keep(ctx, tx, who, wanted, made)


def _keep(ctx: Context, tx: Tx, who: Principal, wanted: Wanted, made: Appended) -> str:
    """List a task, open a blocker; nothing is kept of a repeated call or of other entries."""
    if not made.fresh or wanted.type not in ("task", "blocker"):
        return ""
    entry = journal.get(tx, made.id)
    if wanted.type == "task":
        body = wanted.payload.get("body", "")
        number = claims.room_for_one(tx, entry.actor)
        tasks.create(
            tx,
            number,
            entry_id=entry.id,
            title=entry.summary,
            body=body if isinstance(body, str) else "",
            subject=entry.subject,
            work_item=entry.work_item,
            offered_by=entry.actor,
        )
        return f"task/{number}"
    number = blocking.number_for(tx, str(who))
    told = responsible(ctx.loaded.config, str(who))
    blocking.open_one(tx, number, entry, wanted.summary, told=told, most=ctx.loaded.config.fabric.inbox_limit)
    return f"blocker/{number}"
