"""Calls about what is passed on: inboxes, questions to people, words to agents, artifacts."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Arg, Verb, need

_ALL = Arg("all", "flag", False)
_LIMIT = Arg("limit", "count", 100)
_WAIT = Arg("wait_seconds", "wait", 0.0)
_SUBJECT = Arg("subject", "subject", "")

VERBS = (
    Verb("inbox", Access.READ, (Arg("agent", "name", ""), _ALL, _LIMIT, _WAIT), "inbox, items[]"),
    Verb("inbox.ack", Access.ROLE, (need("messages", "numbers"),), "items[]"),
    Verb("ask", Access.ROLE, (need("text", "said"), _SUBJECT), "question, repeated"),
    Verb("question", Access.READ, (need("question", "number"), _WAIT), "question"),
    Verb("questions", Access.READ, (_ALL, _LIMIT), "questions[]"),
    Verb("answer", Access.HUMAN, (need("question", "number"), need("text", "said")), "question, delivered_to"),
    Verb(
        "artifact.send",
        Access.ROLE,
        (Arg("upload", "upload", ""), Arg("offset", "count0", 0), Arg("data", "piece", ""), Arg("size", "count0", 0)),
        "upload, size",
    ),
    Verb(
        "artifact.put",
        Access.ROLE,
        (need("upload", "upload"), need("sha256", "hash"), need("name", "file_name"), _SUBJECT),
        "artifact, repeated",
    ),
    Verb("artifact.list", Access.READ, (_SUBJECT, _LIMIT), "artifacts[]"),
    Verb("artifact.read", Access.READ, (need("artifact", "artifact"), Arg("offset", "count0", 0)), "artifact, data"),
    Verb(
        "artifact.remove",
        Access.HUMAN,
        (need("artifact", "artifact"), need("reason", "line")),
        "artifact, content_removed",
    ),
    Verb("agent.send", Access.HUMAN, (need("name", "name"), need("text", "said"), _SUBJECT), "message"),
)
