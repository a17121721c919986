"""Calls about tickets."""

from __future__ import annotations

from fleet.control.verbs.words import NUMBER, Access, Arg, Verb, need

VERBS = (
    Verb("tickets", Access.READ, (), "tickets[]"),
    Verb("ticket.show", Access.READ, (NUMBER,), "ticket, comments[], pulls[]"),
    Verb(
        "ticket.create",
        Access.ROLE,
        (need("title", "title"), Arg("body", "body", ""), Arg("labels", "labels", ())),
        "ticket",
    ),
    Verb("ticket.label", Access.ROLE, (NUMBER, Arg("add", "labels", ()), Arg("remove", "labels", ())), "labels[]"),
)
