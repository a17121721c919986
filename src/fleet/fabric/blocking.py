"""Blockers opened and resolved, and who hears of it. Transactions; the blocker's own entry is its caller's."""

from __future__ import annotations

from fleet.core.board import PEOPLE, Blocker, BlockerState, MailKind, mailbox
from fleet.core.errors import Conflict, Refused
from fleet.core.journal import Draft, Entry, Stream
from fleet.core.principal import Principal
from fleet.fabric import mail
from fleet.store import agents, blockers, inbox, journal
from fleet.store.db import Tx

MOST_OPEN = 50  # of one principal


def same_open(tx: Tx, who: str, work_item: str, text: str) -> Blocker | None:
    """The open blocker that says the same already: work that is tried again meets it again."""
    open_ones = blockers.open_ones(tx, opened_by=who, limit=MOST_OPEN)
    return next((one for one in open_ones if (one.work_item, one.body) == (work_item, text)), None)


def number_for(tx: Tx, who: str) -> int:
    """The number of the next blocker. Raises Refused FLT-FAB-121 when ``who`` has too many open ones."""
    if len(blockers.open_ones(tx, opened_by=who, limit=MOST_OPEN)) >= MOST_OPEN:
        raise Refused(
            "FLT-FAB-121",
            f"{who} has {MOST_OPEN} open blockers",
            where=who,
            hint="Resolve some: fleet fabric resolve N",
        )
    return blockers.next_number(tx)


def open_one(tx: Tx, number: int, cause: Entry, text: str, *, told: str, most: int) -> Blocker:
    """Record a blocker and tell ``told``; people are told where that inbox is full.

    Raises Refused FLT-FAB-112 when the inbox of people is full too.
    """
    reader = told if mail.has_room(tx, told, most=most) else PEOPLE
    blockers.create(
        tx,
        number,
        entry_id=cause.id,
        opened_by=cause.actor,
        run_id=cause.run_id,
        subject=cause.subject,
        work_item=cause.work_item,
        body=text,
        told=reader,
    )
    letter = mail.Letter(reader, MailKind.BLOCKER, text, about=number)
    mail.queue(tx, mail.need_room(tx, reader, most=most), letter, cause)
    return blockers.get(tx, number)


def resolve(tx: Tx, number: int, who: Principal, text: str) -> Blocker:
    """Close a blocker and tell whoever opened it. People may, who opened it may, and who was told.

    Raises NotFound FLT-FAB-120, Refused FLT-FAB-122, Conflict FLT-FAB-123 when it is closed already.
    """
    found = blockers.get(tx, number)
    if not who.is_human and mailbox(str(who)) not in (found.told, found.opened_by):
        raise Refused(
            "FLT-FAB-122",
            f"{who} neither opened this blocker nor was told of it",
            where=f"blocker/{number}",
            hint=f"{found.opened_by}, {found.told} or a person resolves it.",
        )
    if found.state is BlockerState.RESOLVED or not blockers.resolve(tx, number, by=str(who), text=text):
        raise Conflict(
            "FLT-FAB-123", f"resolved already by {found.resolved_by}: {found.resolution}", where=f"blocker/{number}"
        )
    made = journal.append(
        tx,
        Draft(
            Stream.EVENT,
            "blocker_resolved",
            str(who),
            subject=found.subject,
            summary=f"blocker/{number} is resolved: {text}",
            payload={"blocker": number, "resolution": text, "opened_by": found.opened_by},
            kind="blocker",
            work_item=found.work_item,
            run_id=who.run_id,
            cause_id=found.entry_id,
        ),
    )
    mail.consume(tx, [one.number for one in inbox.about(tx, MailKind.BLOCKER, number)], who)
    if found.opened_by.startswith("agent:") and found.opened_by != str(who) and is_member(tx, found.opened_by):
        letter = mail.Letter(found.opened_by, MailKind.RESOLUTION, text, about=number)
        mail.queue(tx, inbox.next_number(tx), letter, journal.get(tx, made.id))
    return blockers.get(tx, number)


def is_member(tx: Tx, mailbox_of: str) -> bool:
    """Whether the agent of an inbox is still in the fleet."""
    name = mailbox_of.removeprefix("agent:")
    return any(row.name == name and row.state != "retired" for row in agents.every(tx))
