"""The verb table: every call a door can make, who may make it, its arguments and what comes back. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Access(StrEnum):
    """Who may call a verb."""

    READ = "read"  # people, and every run with a live capability
    ROLE = "role"  # people; a run whose capability names the verb, on the subjects it names
    START = "start"  # people; a run whose agent may start the named one, on its own subjects
    HUMAN = "human"  # people only, whatever a capability says


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument. ``kind`` names a checker of ``control.arguments``; a missing optional one has its default."""

    name: str
    kind: str
    default: object = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Verb:
    """One row. ``quick`` verbs are a single transaction; the others may wait for git, tmux or a condition."""

    name: str
    access: Access
    args: tuple[Arg, ...]
    gives: str
    quick: bool = False


def _need(name: str, kind: str) -> Arg:
    return Arg(name, kind, required=True)


_NUMBER = _need("number", "number")
_ALL = (
    Verb("ping", Access.READ, (), "version, pid, fleet", quick=True),
    Verb("status", Access.READ, (), "agents[], runs[], deliveries{}, dead_letters[], held[], mode, journal{}"),
    Verb("ps", Access.READ, (Arg("all", "flag", False),), "runs[]"),
    Verb("agents", Access.READ, (), "agents[]"),
    Verb("agent.stop", Access.HUMAN, (_need("name", "name"), Arg("reason", "line", "")), "agent, stopping[]"),
    Verb("agent.start", Access.START, (_need("name", "name"), _need("subject", "subject")), "agent, subject, id, seq"),
    Verb("agent.output", Access.HUMAN, (_need("name", "name"), Arg("lines", "count", 200)), "agent, run, output"),
    Verb("agent.attach", Access.HUMAN, (_need("name", "name"),), "agent, run, argv[]"),
    Verb("tickets", Access.READ, (), "tickets[]"),
    Verb("ticket.show", Access.READ, (_NUMBER,), "ticket, comments[], pulls[]"),
    Verb(
        "ticket.create",
        Access.ROLE,
        (_need("title", "title"), Arg("body", "body", ""), Arg("labels", "labels", ())),
        "ticket",
    ),
    Verb("ticket.label", Access.ROLE, (_NUMBER, Arg("add", "labels", ()), Arg("remove", "labels", ())), "labels[]"),
    Verb("prs", Access.READ, (), "pulls[]"),
    Verb("pr.show", Access.READ, (_NUMBER,), "pr, reviews[], gate"),
    Verb("pr.diff", Access.READ, (_NUMBER,), "diff"),
    Verb(
        "pr.push",
        Access.ROLE,
        (Arg("title", "short", ""), Arg("body", "body", ""), Arg("ref", "ref", ""), Arg("ticket", "ticket", 0)),
        "pr, head, created, branch",
    ),
    Verb(
        "pr.review",
        Access.ROLE,
        (_NUMBER, _need("verdict", "verdict"), Arg("body", "body", ""), Arg("head", "sha", "")),
        "pr, head, verdict",
    ),
    Verb("pr.merge", Access.ROLE, (_NUMBER,), "pr, merge_commit, head"),
    Verb("pr.waive", Access.HUMAN, (_NUMBER, _need("agent", "name"), _need("reason", "line")), "pr, head, agent"),
    Verb(
        "release.check",
        Access.READ,
        (_NUMBER,),
        "schema_version, pr_number, mergeable, reason, detail, approved_by[], head, events_considered, reasons[]",
    ),
    Verb(
        "fabric.publish",
        Access.ROLE,
        (
            Arg("event", "event", ""),
            Arg("kind", "kind", ""),
            Arg("summary", "summary", ""),
            Arg("payload", "payload", ""),
            Arg("subject", "subject", ""),
        ),
        "id, seq",
        quick=True,
    ),
    Verb(
        "fabric.history",
        Access.READ,
        (
            Arg("event", "event", ""),
            Arg("subject", "subject", ""),
            Arg("since", "instant", 0),
            Arg("limit", "count", 100),
            Arg("after", "count0", 0),
        ),
        "entries[]",
    ),
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
    Verb("why", Access.READ, (_need("ref", "line"),), "title, lines[], entries[]"),
    Verb("audit.verify", Access.HUMAN, (), "ok, entries, head, first_bad"),
    Verb("audit.erase", Access.HUMAN, (_need("entry", "line"), _need("reason", "line")), "id, seq"),
    Verb("watcher.status", Access.READ, (), "running, pid, supervised, services[]"),
    Verb("fleet.drain", Access.HUMAN, (Arg("reason", "line", ""),), "stopping[], live"),
)

VERBS: dict[str, Verb] = {verb.name: verb for verb in _ALL}
