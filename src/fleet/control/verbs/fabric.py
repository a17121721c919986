"""Calls about the event bus."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Arg, Verb, need

_TASK = need("task", "number")
_TOKEN = need("token", "token")
_LEASE = Arg("seconds", "lease", 0)

VERBS = (
    Verb(
        "fabric.publish",
        Access.ROLE,
        (
            Arg("event", "event", ""),
            Arg("kind", "kind", ""),
            Arg("summary", "summary", ""),
            Arg("payload", "payload", ""),
            Arg("subject", "subject", ""),
            Arg("key", "summary", ""),
        ),
        "id, seq, repeated, object",
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
        "fabric.tasks",
        Access.READ,
        (Arg("state", "task_state", ""), Arg("mine", "flag", False), Arg("limit", "count", 100)),
        "tasks[]",
    ),
    Verb("fabric.claim", Access.ROLE, (_TASK, _LEASE), "task, token"),
    Verb("fabric.renew", Access.ROLE, (_TASK, _TOKEN, _LEASE), "task"),
    Verb("fabric.release", Access.ROLE, (_TASK, _TOKEN, Arg("reason", "line", "")), "task"),
    Verb("fabric.complete", Access.ROLE, (_TASK, _TOKEN, Arg("summary", "line", "")), "task"),
    Verb("fabric.withdraw", Access.ROLE, (_TASK, need("reason", "line")), "task"),
    Verb(
        "fabric.handoff",
        Access.ROLE,
        (need("to", "name"), need("summary", "summary"), Arg("payload", "payload", ""), Arg("subject", "subject", "")),
        "id, seq, repeated, message, wakes",
    ),
    Verb("fabric.blockers", Access.READ, (Arg("all", "flag", False), Arg("limit", "count", 100)), "blockers[]"),
    Verb("fabric.resolve", Access.ROLE, (need("blocker", "number"), need("text", "summary")), "blocker"),
)
