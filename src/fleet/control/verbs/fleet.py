"""Calls about the fleet as a whole: its state, its record, its end."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Arg, Verb, need

VERBS = (
    Verb("ping", Access.READ, (), "version, pid, fleet", quick=True),
    Verb(
        "status",
        Access.READ,
        (),
        "attention[], held[], runs[], agents[], deliveries{}, dead_letters[], approvals[], blockers[], questions[],"
        " inbox{}, mode, halt, daemon{}, forge{}, disk{}, journal{}, now",
    ),
    Verb("top", Access.READ, (), "runs[], deliveries{}, journal{}, writer{}, daemon{}, fleet, now"),
    Verb("ps", Access.READ, (Arg("all", "flag", False),), "runs[]"),
    Verb(
        "log",
        Access.READ,
        (
            Arg("since", "instant", 0),
            Arg("agent", "name", ""),
            Arg("type", "type", ""),
            Arg("ticket", "ticket", 0),
            Arg("pr", "ticket", 0),
            Arg("after", "count0", 0),
            Arg("limit", "count", 200),
            Arg("wait_seconds", "wait", 0.0),
        ),
        "entries[], head",
    ),
    Verb("why", Access.READ, (need("ref", "line"),), "title, lines[], waiting[], entries[]"),
    Verb("watcher.status", Access.READ, (), "running, pid, supervised, services[]"),
    Verb("forge.check", Access.HUMAN, (), "forge, hurdles[]", patient=True),
    Verb("fleet.halt", Access.HUMAN, (need("reason", "line"),), "halt{}, again, stopping[]"),
    Verb("fleet.resume", Access.HUMAN, (Arg("reason", "line", ""),), "halt{}, waiting"),
    Verb("fleet.drain", Access.HUMAN, (Arg("reason", "line", ""),), "stopping[], live"),
)
