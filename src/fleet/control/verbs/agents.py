"""Calls about agents."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Arg, Verb, need

# One agent by name, the members of a team, or all.
WHO = (Arg("name", "name", ""), Arg("team", "name", ""), Arg("all", "flag", False))

_CHANGED = "changed, revision, hash, before, changes{}, warnings[]"

VERBS = (
    Verb("agents", Access.READ, (), "agents[]"),
    Verb("agent.show", Access.READ, (need("name", "name"),), "agent, budget, runs[], waiting[], idle[]"),
    Verb("agent.budget", Access.READ, (Arg("name", "name", ""),), "agents[]"),
    Verb(
        "agent.stop",
        Access.HUMAN,
        (*WHO, Arg("reason", "line", ""), Arg("even_unsaved", "flag", False)),
        "agent, agents[], stopping[]",
    ),
    Verb(
        "agent.quarantine",
        Access.HUMAN,
        (need("name", "name"), need("reason", "line")),
        "agent, state, stopping[], still_inside[], entry",
    ),
    Verb(
        "agent.release",
        Access.HUMAN,
        (need("name", "name"), need("reason", "line"), Arg("verdict", "hindsight", "")),
        "agent, state, probation{}, labelled",
    ),
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
    Verb(
        "agent.create",
        Access.HUMAN,
        (
            need("name", "name"),
            need("role", "name"),
            Arg("template", "flag", False),
            Arg("vendor", "vendor", "scripted"),
            Arg("command", "words", ()),
            Arg("stdin", "stdin", "terminal"),
            Arg("model", "short", ""),
            Arg("department", "short", ""),
            Arg("reports_to", "short", ""),
            Arg("subscribes_to", "words", ()),
            Arg("publishes", "words", ()),
            Arg("may_start", "words", ()),
            Arg("budget_seconds", "count0", 0),
            Arg("timeout_seconds", "count0", 0),
            Arg("max_concurrent", "count0", 0),
            Arg("disabled", "flag", False),
            Arg("reason", "line", ""),
        ),
        f"agent, role, files[], {_CHANGED}",
    ),
    Verb(
        "agent.set_budget",
        Access.HUMAN,
        (
            need("name", "name"),
            Arg("seconds", "ceiling", None),
            Arg("tokens", "ceiling", None),
            Arg("micros", "ceiling", None),
            Arg("reason", "line", ""),
        ),
        "agents[]",
    ),
    Verb("agent.revisions", Access.READ, (need("name", "name"),), "agent, revisions[]"),
    Verb(
        "agent.rollback",
        Access.HUMAN,
        (need("name", "name"), Arg("revision", "count0", 0), Arg("reason", "line", "")),
        f"agent, from_revision, {_CHANGED}",
    ),
    Verb(
        "team.add",
        Access.HUMAN,
        (need("team", "name"), need("agents", "words"), Arg("reason", "line", "")),
        f"team, agents[], {_CHANGED}",
    ),
    Verb(
        "team.remove",
        Access.HUMAN,
        (need("team", "name"), Arg("agents", "words", ()), Arg("reason", "line", "")),
        f"team, agents[], {_CHANGED}",
    ),
    Verb("teams", Access.READ, (), "teams[], unassigned[]"),
    Verb("team.show", Access.READ, (need("name", "name"),), "team, agents[]"),
    Verb("agent.attach", Access.HUMAN, (need("name", "name"),), "agent, run, argv[]"),
)
