"""Calls about agents."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Arg, Verb, need

# One agent by name, the members of a team, or all.
WHO = (Arg("name", "name", ""), Arg("team", "name", ""), Arg("all", "flag", False))

VERBS = (
    Verb("agents", Access.READ, (), "agents[]"),
    Verb("agent.show", Access.READ, (need("name", "name"),), "agent, budget, runs[], waiting[], idle[]"),
    Verb("agent.budget", Access.READ, (Arg("name", "name", ""),), "agents[]"),
    Verb("agent.stop", Access.HUMAN, (*WHO, Arg("reason", "line", "")), "agent, agents[], stopping[]"),
    Verb("agent.start", Access.START, (*WHO, need("subject", "subject")), "agent, subject, id, seq, asked[]"),
    Verb(
        "agent.pause",
        Access.HUMAN,
        (*WHO, need("reason", "line"), Arg("stop", "flag", False)),
        "agents[], state, unchanged[], stopping[]",
    ),
    Verb("agent.resume", Access.HUMAN, (*WHO, Arg("reason", "line", "")), "agents[], state, unchanged[], stopping[]"),
    Verb("agent.output", Access.HUMAN, (need("name", "name"), Arg("lines", "count", 200)), "agent, run, output"),
    Verb(
        "agent.logs",
        Access.HUMAN,
        (need("name", "name"), Arg("run", "line", ""), Arg("lines", "count", 200)),
        "agent, runs[], more",
    ),
    Verb(
        "task.assign",
        Access.HUMAN,
        (
            *WHO,
            Arg("department", "short", ""),
            Arg("title", "short", ""),
            Arg("text", "body", ""),
            Arg("ticket", "ticket", 0),
            Arg("dry_run", "flag", False),
        ),
        "dry_run, title, assigned[]",
    ),
    Verb("teams", Access.READ, (), "teams[], unassigned[]"),
    Verb("team.show", Access.READ, (need("name", "name"),), "team, agents[]"),
    Verb("agent.attach", Access.HUMAN, (need("name", "name"),), "agent, run, argv[]"),
)
