"""Verbs about tickets: open one, change labels, accept a text. The watcher turns what changed into events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from fleet.control.context import Context, Handlers, still_alive
from fleet.control.shapes import label_names, ticket_dict
from fleet.core.errors import Conflict, NotFound, UsageError
from fleet.core.event import subject_kind, subject_number
from fleet.core.journal import Draft, Stream
from fleet.core.label import LabelNames
from fleet.core.pin import text_digest
from fleet.core.principal import Principal
from fleet.dispatch.holds import accepted_pull_text, accepted_text
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


@dataclass(frozen=True, slots=True)
class _Text:
    """The text of a ticket or pull request: what it is called, how it begins, its digest, how one accepts it."""

    subject: str
    item: str
    title: str
    digest: str
    accepting: str
    before: Callable[[Tx], str]


def _text_of(ctx: Context, number: int) -> _Text:
    """The text of the ticket or pull request of this number. Raises NotFound FLT-FRG-001."""
    try:
        ticket = ctx.forge.ticket(number)
    except NotFound as no_ticket:
        pull = ctx.live.pull(number)
        if pull is None:
            raise no_ticket
        digest, before = text_digest(pull.title, pull.body), partial(accepted_pull_text, number=number)
        return _Text(pull.subject, pull.work_item, pull.title, digest, "pr.text_accepted", before)
    subject, digest = f"ticket/{number}", text_digest(ticket.title, ticket.body)
    return _Text(subject, subject, ticket.title, digest, "ticket.text_accepted", partial(accepted_text, number=number))


def accept(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Accept the text of a ticket or pull request as it is now, after it was changed; else nothing is recorded.

    Raises NotFound FLT-FRG-001, Conflict FLT-CTL-040 where no text of it holds anything up.
    """
    text = _text_of(ctx, args["number"])

    def record(tx: Tx) -> bool:
        before = text.before(tx)
        if not before:
            raise _holds_nothing(text)
        if before == text.digest:
            return False
        journal.append(
            tx,
            Draft(
                Stream.DECISION,
                text.accepting,
                str(principal),
                subject=text.subject,
                work_item=text.item,
                summary=f"{principal} accepts the text of {text.subject} as it is now: {text.title[:200]}",
                payload={"text": text.digest, "before": before, "reason": args["reason"]},
            ),
        )
        return True

    number = subject_number(text.item) if subject_kind(text.item) == "ticket" else 0
    return {"ticket": number, "subject": text.subject, "text": text.digest, "accepted": ctx.db.write(record)}


def _holds_nothing(text: _Text) -> Conflict:
    is_ticket, number = subject_kind(text.subject) == "ticket", subject_number(text.subject)
    return Conflict(
        "FLT-CTL-040",
        f"it was never {'marked ready' if is_ticket else 'up for review'}, so no text of it holds anything up",
        where=text.subject,
        hint=f"To hand it to the fleet: fleet ticket label {number} --add {'ready' if is_ticket else 'needs-review'}",
    )


HANDLERS: Handlers = {
    "ticket.accept": accept,
    "ticket.create": create,
    "ticket.label": label,
}
