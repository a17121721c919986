"""Messages: queued, delivered, consumed. Transactions, each with its journal entry; nothing is typed anywhere.

The entry that caused a message (a handoff, a question, a person's words) is written by the caller in the same
transaction; what happens to the message afterwards is recorded here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.core.board import PEOPLE, Mail, MailKind, MailState, mailbox
from fleet.core.errors import Refused
from fleet.core.journal import Draft, Entry, Stream
from fleet.core.principal import Principal, system
from fleet.store import inbox, journal
from fleet.store.db import Tx

MOST_PEOPLE = 1000  # unread messages that people can have


@dataclass(frozen=True, slots=True)
class Letter:
    """A message before it is queued."""

    recipient: str
    kind: MailKind
    body: str
    about: int = 0


def has_room(tx: Tx, recipient: str, *, most: int) -> bool:
    """Whether an inbox takes one more message."""
    return inbox.count_unread(tx, recipient) < (MOST_PEOPLE if recipient == PEOPLE else most)


def need_room(tx: Tx, recipient: str, *, most: int) -> int:
    """The number of the next message. Raises Refused FLT-FAB-112 when that inbox is full."""
    if not has_room(tx, recipient, most=most):
        number = inbox.count_unread(tx, recipient)
        raise Refused(
            "FLT-FAB-112",
            f"the inbox of {recipient} holds {number} unread messages and takes no more",
            where=recipient,
            hint="Its reader acknowledges some first: fleet fabric ack N.",
        )
    return inbox.next_number(tx)


def queue(tx: Tx, number: int, letter: Letter, cause: Entry) -> Mail:
    """Put a message into an inbox; ``cause`` is the entry that says so, by its sender."""
    inbox.put(
        tx,
        number,
        entry_id=cause.id,
        recipient=letter.recipient,
        kind=letter.kind,
        sender=cause.actor,
        sender_run=cause.run_id,
        subject=cause.subject,
        work_item=cause.work_item,
        body=letter.body,
        about=letter.about,
    )
    return inbox.get(tx, number)


def shown(tx: Tx, mails: Sequence[Mail], reader: Principal) -> int:
    """The reader looked: what was queued is delivered. How many that were."""
    fresh = inbox.deliver(tx, [mail.number for mail in mails], reader.run_id or str(reader))
    if fresh:
        text = f"{reader} was shown {_named(fresh)}"
        facts: dict[str, object] = {"messages": fresh, "run": reader.run_id}
        _note(tx, "message.delivered", str(reader), text, facts, str(reader), reader.run_id)
    return len(fresh)


def acknowledge(tx: Tx, numbers: Sequence[int], reader: Principal) -> list[Mail]:
    """The reader has dealt with these; acknowledging twice is harmless.

    Raises NotFound FLT-FAB-110, Refused FLT-FAB-113 for somebody else's message; nothing is changed then.
    """
    own = mailbox(str(reader))
    for number in numbers:
        mail = inbox.get(tx, number)
        if mail.recipient != own:
            raise Refused(
                "FLT-FAB-113", f"this message is for {mail.recipient}", where=f"message/{number}", hint="fleet inbox"
            )
    consume(tx, numbers, reader)
    found = [inbox.get(tx, number) for number in numbers]
    inbox.prune(tx, own)
    return found


def consume(tx: Tx, numbers: Sequence[int], reader: Principal) -> None:
    """Move messages to their end, with one entry for those that were not there."""
    fresh = [number for number in numbers if inbox.consume(tx, number, reader.run_id or str(reader))]
    if fresh:
        text = f"{reader} acknowledges {_named(fresh)}"
        _note(tx, "message.consumed", str(reader), text, {"messages": fresh}, str(reader), reader.run_id)


def return_to_people(tx: Tx, agent: str) -> int:
    """An agent left the fleet: what it did not read is for people now. How many messages."""
    numbers = inbox.give_to_people(tx, f"agent:{agent}")
    if numbers:
        text = f"{agent} left the fleet; {_named(numbers)} went to people"
        facts: dict[str, object] = {"agent": agent, "messages": numbers}
        _note(tx, "message.returned", str(system("daemon")), text, facts, f"agent:{agent}", "")
    return len(numbers)


def as_dict(mail: Mail) -> dict[str, object]:
    """A message as doors and briefs show it."""
    return {
        "number": mail.number,
        "kind": str(mail.kind),
        "to": mail.recipient,
        "from": mail.sender,
        "trusted": mail.trusted,
        "subject": mail.subject,
        "work_item": mail.work_item,
        "about": mail.about,
        "text": mail.body,
        "state": str(mail.state),
        "returned_from": mail.returned_from,
        "shown_to": mail.shown_to if mail.state is not MailState.QUEUED else "",
        "queued_at": mail.queued_at,
        "delivered_at": mail.delivered_at,
        "consumed_at": mail.consumed_at,
    }


def _named(numbers: Sequence[int]) -> str:
    shown_ones = ", ".join(f"message/{number}" for number in numbers[:10])
    return shown_ones + (f" and {len(numbers) - 10} more" if len(numbers) > 10 else "")


def _note(tx: Tx, kind: str, actor: str, text: str, facts: dict[str, object], reader: str, run_id: str) -> None:
    agent = reader.removeprefix("agent:") if reader.startswith("agent:") else ""
    draft = Draft(
        Stream.ACTIVITY,
        kind,
        actor,
        subject=f"agent/{agent}" if agent else "",
        summary=text,
        payload=facts,
        agent=agent,
        run_id=run_id,
    )
    journal.append(tx, draft)
