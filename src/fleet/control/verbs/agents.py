"""Calls about agents."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Arg, Verb, need

VERBS = (
    Verb("agents", Access.READ, (), "agents[]"),
    Verb("agent.stop", Access.HUMAN, (need("name", "name"), Arg("reason", "line", "")), "agent, stopping[]"),
    Verb("agent.start", Access.START, (need("name", "name"), need("subject", "subject")), "agent, subject, id, seq"),
    Verb("agent.output", Access.HUMAN, (need("name", "name"), Arg("lines", "count", 200)), "agent, run, output"),
    Verb("agent.attach", Access.HUMAN, (need("name", "name"),), "agent, run, argv[]"),
)
