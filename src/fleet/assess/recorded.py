"""What a level of risk was judged on, as the journal keeps it, and the same judgement made again. Pure.

All that ``risk.score`` and ``risk.level_of`` take, the coefficients too: a later fit changes nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleet.assess.risk import Model, Reading, level_of, score
from fleet.assess.standing import Standing
from fleet.core.risk import RiskLevel

VERSION = 1


@dataclass(frozen=True, slots=True)
class Judged:
    """A level, and the probability that it stands for."""

    level: RiskLevel
    probability: float


def recorded(found: Standing) -> dict[str, object]:
    """The facts for a journal entry."""
    model = found.model
    return {
        "v": VERSION,
        "kind": "risk",
        "facts": {
            "agent": found.agent,
            "values": {part.key: part.value for part in found.score.parts},
            "before": found.before,
            "level": str(found.last.level) if found.last is not None else str(RiskLevel.LOW),
            "probation": found.probation,
            "model": {
                "version": model.version,
                "intercept": model.intercept,
                "coefficients": dict(model.coefficients),
            },
        },
    }


def is_risk(record: object) -> bool:
    """Whether a record of a journal entry is one of these."""
    return isinstance(record, Mapping) and record.get("kind") == "risk"


def judge(record: Mapping[str, Any]) -> Judged:
    """The level that this program gives on recorded facts. Raises ValueError for a record that is none of its own."""
    if record.get("v") != VERSION or not isinstance(record.get("facts"), Mapping):
        raise ValueError("recorded by another version of the program")
    facts = record["facts"]
    try:
        model = Model(
            str(facts["model"]["version"]),
            float(facts["model"]["intercept"]),
            {str(key): float(value) for key, value in facts["model"]["coefficients"].items()},
        )
        values = {str(key): Reading(None if value is None else float(value)) for key, value in facts["values"].items()}
        before = {str(key): float(value) for key, value in facts["before"].items()}
        found = score(values, before, model)
        level = level_of(found.probability, RiskLevel(facts["level"]), probation=bool(facts["probation"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError("its record is not one that this program understands") from error
    return Judged(level, found.probability)
