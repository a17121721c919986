"""Keeping an assessment: the row, and an entry where the level is another than before. Plain functions of a Tx."""

from __future__ import annotations

from fleet.assess.recorded import recorded
from fleet.assess.risk import WORTH
from fleet.assess.standing import Standing
from fleet.core.journal import Draft, Stream
from fleet.core.risk import RiskLevel
from fleet.store import journal, risk
from fleet.store.db import Tx


def keep(tx: Tx, found: Standing, actor: str) -> int:
    """Store an assessment and record a changed level; the number of the row."""
    number = risk.put_score(
        tx,
        found.agent,
        model=found.score.model,
        probability=found.score.probability,
        level=found.level,
        since=found.since,
        readings=found.records(),
    )
    before = found.last.level if found.last is not None else RiskLevel.LOW
    if found.level is not before:
        word = "rose" if found.level.rank > before.rank else "fell"
        text = f"the risk of {found.agent} {word} from {before} to {found.level}: {why(found)}"
        payload = {"agent": found.agent, "level": str(found.level), "before": str(before), **evidence(found, number)}
        journal.append(
            tx,
            Draft(
                Stream.DECISION,
                "risk.level_changed",
                actor,
                subject=f"agent/{found.agent}",
                agent=found.agent,
                summary=text,
                payload=payload,
            ),
        )
    return number


def evidence(found: Standing, number: int) -> dict[str, object]:
    """What a decision rests on: the probability, the model, and the whole vector of signals."""
    return {
        "probability": round(found.score.probability, 4),
        "model": found.score.model,
        "readings": found.records(),
        "score": number,
        "facts": recorded(found),
    }


def why(found: Standing) -> str:
    """The three signals that add most, in words."""
    heavy = [part for part in found.score.parts if part.contribution >= WORTH][:3]
    return ", ".join(f"{part.key.replace('_', ' ')} {round(part.used, 2):g}" for part in heavy) or "no signal"
