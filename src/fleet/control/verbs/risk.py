"""Calls about risk."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Arg, Verb, need

_STANDS = "agent, state, level, probability, model, since, heaviest[], quarantine{}, probation{}, frozen[]"
_REPORT = "labels, bad, brier{}, calibration{}, coefficients[], intercept{}, changes[], in_force, applied, version"

VERBS = (
    Verb("risk.show", Access.HUMAN, (Arg("name", "name", ""),), "agents[]"),
    Verb(
        "risk.explain",
        Access.HUMAN,
        (need("name", "name"),),
        f"{_STANDS}, intercept, whole, signals[], thresholds[], ways_down[]",
    ),
    Verb("risk.history", Access.HUMAN, (need("name", "name"), Arg("limit", "count", 50)), "agent, scores[]"),
    Verb(
        "risk.label",
        Access.HUMAN,
        (need("ref", "line"), need("verdict", "label"), Arg("reason", "line", ""), Arg("at", "instant", 0)),
        "label, about, agent, bad, as_of, signals{}",
    ),
    Verb("risk.labels", Access.HUMAN, (), "labels[]"),
    Verb("risk.fit", Access.HUMAN, (), _REPORT),
    Verb("risk.apply", Access.HUMAN, (Arg("reason", "line", ""),), _REPORT),
)
