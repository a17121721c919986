"""Agents ask, people answer, once; the answer goes to the asker's inbox. Transactions, each with its entry.

What was said is in the payloads, not in the summaries: an erased payload takes a pasted secret with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.core.board import PEOPLE, MailKind, Question
from fleet.core.errors import Conflict, Refused
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal
from fleet.fabric import mail
from fleet.fabric.blocking import is_member
from fleet.store import inbox, journal, questions
from fleet.store.db import Tx

MOST_OPEN = 20  # of one principal


@dataclass(frozen=True, slots=True)
class Matter:
    """What somebody asks about: the text, its subject and work item, "" when it has none."""

    text: str
    subject: str
    work_item: str


def ask(tx: Tx, who: Principal, matter: Matter, *, most: int) -> tuple[Question, bool]:
    """Ask people; the question, and whether it is new. An open one of the same words is not asked twice.

    Raises Refused FLT-FAB-114 when ``who`` has too many open questions, FLT-FAB-112 for a full inbox.
    """
    open_ones = questions.open_ones(tx, asker=str(who), limit=MOST_OPEN)
    for one in open_ones:
        if (one.work_item, one.body) == (matter.work_item, matter.text):
            return one, False
    if len(open_ones) >= MOST_OPEN:
        raise Refused(
            "FLT-FAB-114", f"{who} has {MOST_OPEN} open questions", where=str(who), hint="A person answers some first."
        )
    number = questions.next_number(tx)
    made = journal.append(
        tx,
        Draft(
            Stream.ACTIVITY,
            "question.asked",
            str(who),
            subject=matter.subject,
            summary=f"{who} asks question/{number}",
            payload={"question": number, "text": matter.text},
            work_item=matter.work_item,
            run_id=who.run_id,
        ),
    )
    questions.ask(
        tx,
        number,
        entry_id=made.id,
        asker=str(who),
        run_id=who.run_id,
        subject=matter.subject,
        work_item=matter.work_item,
        body=matter.text,
    )
    letter = mail.Letter(PEOPLE, MailKind.QUESTION, matter.text, about=number)
    mail.queue(tx, mail.need_room(tx, PEOPLE, most=most), letter, journal.get(tx, made.id))
    return questions.get(tx, number), True


def answer(tx: Tx, number: int, who: Principal, text: str) -> tuple[Question, str]:
    """Answer a question; it and the inbox that got the answer, "" when the asker has left the fleet.

    Raises NotFound FLT-FAB-111, Conflict FLT-FAB-115 when it is answered already.
    """
    found = questions.get(tx, number)
    if not questions.answer(tx, number, by=str(who), text=text):
        raise Conflict(
            "FLT-FAB-115",
            f"answered already by {found.answered_by}",
            where=f"question/{number}",
            hint="fleet questions --all shows the answer; write to the agent instead: fleet agent send NAME TEXT",
        )
    asker = found.asker.removeprefix("agent:") if found.asker.startswith("agent:") else ""
    made = journal.append(
        tx,
        Draft(
            Stream.DECISION,
            "question.answered",
            str(who),
            subject=found.subject,
            summary=f"{who} answers question/{number} of {found.asker}",
            payload={"question": number, "text": text, "asker": found.asker},
            work_item=found.work_item,
            agent=asker,
            run_id=who.run_id,
            cause_id=found.entry_id,
        ),
    )
    mail.consume(tx, [one.number for one in inbox.about(tx, MailKind.QUESTION, number)], who)
    reached = ""
    if not asker or is_member(tx, found.asker):
        reached = found.asker if asker else PEOPLE
        # Not refused for want of room: open questions are few, and an answer must not be lost.
        letter = mail.Letter(reached, MailKind.ANSWER, text, about=number)
        mail.queue(tx, inbox.next_number(tx), letter, journal.get(tx, made.id))
    return questions.get(tx, number), reached
