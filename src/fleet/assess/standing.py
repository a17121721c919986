"""How an agent stands, from one snapshot of the store: readings, score, level, and whether it is watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fleet.assess.reading import HOUR, read, unknown_where_short
from fleet.assess.risk import PRIOR, Model, Score, level_of, score
from fleet.assess.signals import WINDOW_HOURS
from fleet.core.risk import Facts, RiskLevel
from fleet.store import risk, riskfacts
from fleet.store.db import Tx
from fleet.store.risk import Probation, ScoreRow


@dataclass(frozen=True, slots=True)
class Standing:
    """An agent at one moment. ``before`` are the values that counted last, ``last`` the stored assessment."""

    agent: str
    now: int
    since: int
    facts: Facts
    before: dict[str, float]
    last: ScoreRow | None
    score: Score
    level: RiskLevel
    watched: Probation | None
    model: Model

    @property
    def probation(self) -> bool:
        """Whether the agent is watched at present."""
        return self.watched is not None and self.watched.ended is None

    @property
    def changed(self) -> bool:
        """Whether this differs from what is stored: another level, model or value."""
        last = self.last
        if last is None:
            return True
        stored = {key: round(float(record["used"]), 2) for key, record in last.readings.items()}
        same = (last.level, last.model) == (self.level, self.score.model)
        return not same or stored != {part.key: round(part.used, 2) for part in self.score.parts}

    def records(self) -> dict[str, dict[str, Any]]:
        """The readings as they are stored and journaled."""
        return {
            part.key: {
                "value": None if part.value is None else round(part.value, 4),
                "used": round(part.used, 4),
                "coefficient": part.coefficient,
                "contribution": round(part.contribution, 4),
                "carried": part.carried,
                "evidence": [one.seq for one in part.evidence if one.seq],
            }
            for part in self.score.parts
        }


def model_in_force(tx: Tx) -> Model:
    """The newest applied fit, else the shipped coefficients."""
    found = risk.newest_model(tx)
    if found is None:
        return PRIOR
    version, weights = found
    return Model(f"fitted-{version}", weights["intercept"], {key: weights.get(key, 0.0) for key in PRIOR.coefficients})


def stand(tx: Tx, agent: str, model: Model | None = None) -> Standing:
    """Judge an agent as it stands now; ``model`` by default the one in force."""
    now = tx.now
    used = model or model_in_force(tx)
    watched = risk.probation_of(tx, agent)
    since = max(now - WINDOW_HOURS * HOUR, watched.since if watched is not None else 0)
    last = risk.last_score(tx, agent)
    if last is not None and watched is not None and last.at <= watched.since:
        last = None  # what was before its release is dealt with
    before = {key: float(record["used"]) for key, record in last.readings.items()} if last is not None else {}
    facts = riskfacts.facts(tx, agent, since, now)
    probation = watched is not None and watched.ended is None
    readings = read(facts, now)
    found = score(readings if facts.whole else unknown_where_short(readings, before), before, used)
    level = level_of(found.probability, last.level if last is not None else RiskLevel.LOW, probation=probation)
    return Standing(agent, now, since, facts, before, last, found, level, watched, used)
