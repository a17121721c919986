"""Verbs about messages: the inbox and its acknowledgement, questions to people and their answers, words to agents."""

from __future__ import annotations

from typing import Any

from fleet.control import shapes
from fleet.control.context import Context, Handlers, still_alive, work_item_of
from fleet.core.board import Mail, MailKind, Question, QuestionState, mailbox
from fleet.core.errors import NotFound, Refused
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal
from fleet.fabric import asking, mail
from fleet.fabric.asking import Matter
from fleet.fabric.blocking import is_member
from fleet.fabric.mail import Letter
from fleet.store import agents, inbox, journal, questions
from fleet.store.db import Tx


def read_inbox(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """What is unread, oldest first, or with ``all`` the newest; what its own reader sees here is delivered.

    A person may look into any inbox by ``agent``; that delivers nothing. Raises NotFound FLT-AGT-001, Refused
    FLT-FAB-113 for an agent that looks into another's.
    """
    own = mailbox(str(principal))
    wanted = f"agent:{args['agent']}" if args["agent"] else own
    if principal.is_agent and wanted != own:
        raise Refused("FLT-FAB-113", f"{principal.name} reads its own inbox only", where=wanted)

    def read(tx: Tx) -> list[Mail]:
        if args["agent"]:
            agents.get(tx, args["agent"])
        return (inbox.newest if args["all"] else inbox.unread)(tx, wanted, limit=args["limit"])

    found = ctx.db.read(read)
    if wanted == own and any(one.delivered_at is None for one in found) and not ctx.db.read_only:

        def show(tx: Tx) -> list[Mail]:
            still_alive(tx, principal)
            mail.shown(tx, found, principal)
            return read(tx)

        found = ctx.db.write(show)
    return {"inbox": wanted, "items": [mail.as_dict(one) for one in found]}


def ack(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Say that messages were dealt with. Raises NotFound FLT-FAB-110, Refused FLT-FAB-113."""

    def consume(tx: Tx) -> list[Mail]:
        still_alive(tx, principal)
        return mail.acknowledge(tx, args["messages"], principal)

    return {"items": [mail.as_dict(one) for one in ctx.db.write(consume)]}


def ask(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Ask people. Raises Refused FLT-FAB-112 or FLT-FAB-114 where there is no room for it."""

    def put(tx: Tx) -> tuple[Question, bool]:
        run = still_alive(tx, principal)
        about = args["subject"] or (run.subject if run is not None else "")
        matter = Matter(args["text"], about, work_item_of(tx, run, about))
        return asking.ask(tx, principal, matter, most=ctx.loaded.config.fabric.inbox_limit)

    found, fresh = ctx.db.write(put)
    return {"question": shapes.question_dict(found), "repeated": not fresh}


def question(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """One question, with its answer if there is one; its asker is shown the answer here. Raises FLT-FAB-111."""
    found = ctx.db.read(lambda tx: questions.get(tx, args["question"]))
    if found.state is QuestionState.ANSWERED and found.asker == str(principal) and not ctx.db.read_only:

        def show(tx: Tx) -> None:
            still_alive(tx, principal)
            mail.shown(tx, inbox.about(tx, MailKind.ANSWER, found.number), principal)

        ctx.db.write(show)
    return {"question": shapes.question_dict(found)}


def listed(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Open questions, or with ``all`` the newest of any state."""
    read = questions.newest if args["all"] else questions.open_ones
    found = ctx.db.read(lambda tx: read(tx, limit=args["limit"]))
    return {"questions": [shapes.question_dict(one) for one in found]}


def answer(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Answer a question. Raises NotFound FLT-FAB-111, Conflict FLT-FAB-115 when it is answered already."""
    found, reached = ctx.db.write(lambda tx: asking.answer(tx, args["question"], principal, args["text"]))
    return {"question": shapes.question_dict(found), "delivered_to": reached}


def send(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Write to an agent. Raises NotFound FLT-AGT-001 or FLT-FAB-117, Refused FLT-FAB-112 for a full inbox."""
    name = args["name"]

    def put(tx: Tx) -> Mail:
        agents.get(tx, name)
        reader = f"agent:{name}"
        if not is_member(tx, reader):
            raise NotFound("FLT-FAB-117", "the agent has left the fleet", where=name, hint="fleet agent list")
        number = mail.need_room(tx, reader, most=ctx.loaded.config.fabric.inbox_limit)
        made = journal.append(
            tx,
            Draft(
                Stream.ACTIVITY,
                "message.sent",
                str(principal),
                subject=args["subject"] or f"agent/{name}",
                summary=f"{principal} writes message/{number} to {name}",
                payload={"message": number, "to": name, "text": args["text"]},
                work_item=work_item_of(tx, None, args["subject"]),
                agent=name,
            ),
        )
        return mail.queue(tx, number, Letter(reader, MailKind.MESSAGE, args["text"]), journal.get(tx, made.id))

    return {"message": mail.as_dict(ctx.db.write(put))}


HANDLERS: Handlers = {
    "inbox": read_inbox,
    "inbox.ack": ack,
    "ask": ask,
    "question": question,
    "questions": listed,
    "answer": answer,
    "agent.send": send,
}
