"""Calls about how well agents work: scorecards from the journal, and what a lead should look at."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Arg, Verb, need

_CARD = "name, since, until, version, runs, overall, scores[]"
_WINDOW = (Arg("since", "instant", 0), Arg("until", "instant", 0))

VERBS = (
    Verb("eval.show", Access.HUMAN, (need("agent", "name"), *_WINDOW), _CARD),
    Verb(
        "eval.compare",
        Access.HUMAN,
        (Arg("names", "words", ()), Arg("by", "eval_key", "agent"), *_WINDOW),
        "by, since, until, cards[]",
    ),
    Verb("eval.run", Access.HUMAN, (Arg("agent", "name", ""), *_WINDOW), "cards[]"),
    Verb("insights", Access.HUMAN, (Arg("since", "instant", 0),), "insights[], since"),
    Verb("eval.list", Access.HUMAN, (Arg("agent", "name", ""), Arg("limit", "count", 20)), "evaluations[]"),
)
