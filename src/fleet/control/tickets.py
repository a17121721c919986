"""Verbs about tickets: open one, change labels. The watcher turns what changed into events."""

from __future__ import annotations

from typing import Any

from fleet.control.context import Context, Handlers, still_alive
from fleet.control.shapes import label_names, ticket_dict
from fleet.core.errors import Conflict, NotFound, UsageError
from fleet.core.journal import Draft, Stream
from fleet.core.label import LabelNames
from fleet.core.pin import text_digest
from fleet.core.principal import Principal
from fleet.dispatch.holds import accepted_text
from fleet.store import journal
from fleet.store.db import Tx


def create(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Open a ticket, with labels if wanted."""
    ctx.db.read(lambda tx: still_alive(tx, principal))
    labels = _meant(ctx, args["labels"])
    made = ctx.forge.create_ticket(args["title"], args["body"], author=str(principal), labels=labels)
    if labels:
        record_labels(
            ctx, principal, f"ticket/{made.number}", f"ticket/{made.number}", (), tuple(label_names(made.labels))
        )
    return {"ticket": ticket_dict(made)}


def label(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Put labels on a ticket or pull request and take others off, in one step.

    Raises NotFound FLT-FRG-001, UsageError FLT-CTL-008 when nothing is asked for or a label is named twice.
    """
    add, remove, number = _meant(ctx, args["add"]), _meant(ctx, args["remove"]), args["number"]
    if not add and not remove:
        raise UsageError("FLT-CTL-008", "no label to add or to remove", hint="Use --add NAME or --remove NAME.")
    both = sorted(set(add) & set(remove))
    if both:
        raise UsageError("FLT-CTL-008", f"{both[0]!r} is to be added and removed at once")
    subject, item, before = _labelled(ctx, number)
    ctx.db.read(lambda tx: still_alive(tx, principal))
    after = ctx.forge.set_labels(number, add=add, remove=remove, actor=str(principal))
    record_labels(ctx, principal, subject, item, before, after)
    return {"labels": sorted(after), "subject": subject}


def _meant(ctx: Context, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Labels by the fleet's own names, whether they were given with the prefix of the forge or without."""
    names = LabelNames(ctx.loaded.config.label_prefix)
    return tuple(dict.fromkeys(map(names.meant, labels)))


def _labelled(ctx: Context, number: int) -> tuple[str, str, tuple[str, ...]]:
    """Subject, work item and labels of the ticket or pull request of this number."""
    try:
        ticket = ctx.forge.ticket(number)
        return f"ticket/{number}", f"ticket/{number}", tuple(label_names(ticket.labels))
    except NotFound as no_ticket:
        pull = ctx.live.pull(number)
        if pull is None:
            raise no_ticket
        return pull.subject, pull.work_item, tuple(sorted(pull.labels))


def record_labels(
    ctx: Context, principal: Principal, subject: str, item: str, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    """Journal which labels changed, if any did."""
    added, removed = sorted(set(after) - set(before)), sorted(set(before) - set(after))
    if not added and not removed:
        return

    def append(tx: Tx) -> None:
        changes = [f"+{name}" for name in added] + [f"-{name}" for name in removed]
        journal.append(
            tx,
            Draft(
                Stream.ACTIVITY,
                "label.changed",
                str(principal),
                subject=subject,
                work_item=item,
                summary=f"{subject}: {', '.join(changes)}",
                payload={"added": added, "removed": removed},
                run_id=principal.run_id,
            ),
        )

    ctx.db.write(append)


def accept(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Accept a ticket's text as it is now, after it was changed; where it was not, nothing is recorded.

    Raises NotFound FLT-FRG-001, Conflict FLT-CTL-040 for a ticket that was never marked ready.
    """
    ticket = ctx.forge.ticket(args["number"])
    subject, text = f"ticket/{ticket.number}", text_digest(ticket.title, ticket.body)

    def record(tx: Tx) -> bool:
        before = accepted_text(tx, ticket.number)
        if not before:
            raise Conflict(
                "FLT-CTL-040",
                "this ticket was never marked ready, so no text of it holds anything up",
                where=subject,
                hint=f"To hand it to the fleet: fleet ticket label {ticket.number} --add ready",
            )
        if before == text:
            return False
        journal.append(
            tx,
            Draft(
                Stream.DECISION,
                "ticket.text_accepted",
                str(principal),
                subject=subject,
                work_item=subject,
                summary=f"{principal} accepts the text of {subject} as it is now: {ticket.title[:200]}",
                payload={"text": text, "before": before, "reason": args["reason"]},
            ),
        )
        return True

    return {"ticket": ticket.number, "text": text, "accepted": ctx.db.write(record)}


HANDLERS: Handlers = {
    "ticket.accept": accept,
    "ticket.create": create,
    "ticket.label": label,
}
