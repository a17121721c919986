"""Calls about tickets."""

from __future__ import annotations

from fleet.control.verbs.words import NUMBER, Access, Arg, Verb, need

VERBS = (
    Verb("tickets", Access.READ, (), "tickets[]", patient=True),
    Verb("ticket.show", Access.READ, (NUMBER,), "ticket, comments[], pulls[]", patient=True),
    Verb(
        "ticket.create",
        Access.ROLE,
        (need("title", "title"), Arg("body", "body", ""), Arg("labels", "labels", ())),
        "ticket",
    ),
    Verb(
        "ticket.cancel",
        Access.HUMAN,
        (NUMBER, need("reason", "line")),
        "ticket, stopping[], denied[], closed_pulls[], done",
    ),
    Verb(
        "ticket.retry",
        Access.HUMAN,
        (NUMBER, Arg("reason", "line", "")),
        "ticket, reopened, retried[], left[], done",
    ),
    Verb("ticket.close", Access.HUMAN, (NUMBER, need("reason", "line")), "ticket, state"),
    Verb("ticket.reopen", Access.HUMAN, (NUMBER, Arg("reason", "line", "")), "ticket, state"),
    Verb("ticket.accept", Access.HUMAN, (NUMBER, Arg("reason", "line", "")), "ticket, subject, text, accepted"),
    Verb("ticket.comment", Access.HUMAN, (NUMBER, need("body", "body")), "subject, comments"),
    Verb(
        "ticket.label",
        Access.ROLE,
        (NUMBER, Arg("add", "labels", ()), Arg("remove", "labels", ())),
        "labels[]",
        patient=True,
    ),
)
