"""What an approver is shown beside the diff: how risky the agents behind it are, and what tests came to at this head.

Nothing here is anybody's prose: levels come from the assessor's rows, tests from checks of the forge and from the types
of events at the head.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fleet.assess.risk import WORTH
from fleet.config.loader import LoadedConfig
from fleet.core.journal import Entry
from fleet.core.live import WantedCheck, not_green
from fleet.dispatch.glance import Reported
from fleet.store import risk
from fleet.store.db import Tx
from fleet.store.risk import ScoreRow

_MOST = 3  # signals that are named


def risk_rows(tx: Tx, names: Iterable[str]) -> list[dict[str, Any]]:
    """The level of each agent with the signals that add most; "" before it was first assessed."""
    found = ((name, risk.last_score(tx, name)) for name in sorted(set(names)))
    return [
        {
            "agent": name,
            "level": str(row.level) if row is not None else "",
            "probability": round(row.probability, 4) if row is not None else None,
            "signals": _signals(row) if row is not None else [],
            "quarantined": risk.quarantine_of(tx, name) is not None,
        }
        for name, row in found
    ]


def _signals(row: ScoreRow) -> list[dict[str, Any]]:
    heavy = sorted(row.readings.items(), key=lambda item: (-float(item[1]["contribution"]), item[0]))
    return [
        {"signal": key, "value": round(float(record["used"]), 2)}
        for key, record in heavy[:_MOST]
        if float(record["contribution"]) >= WORTH
    ]


def outcomes(said: Reported, events: Iterable[Entry], loaded: LoadedConfig) -> list[dict[str, Any]]:
    """Checks at the head, those that are required and missing too, and events that agents declared for it."""
    wanted = (*(WantedCheck(one.name, one.app_id) for one in loaded.config.required_checks), *said.ruled)
    rows = [
        {
            "source": "check",
            "name": check.name,
            "by": f"app {check.app_id}" if check.app_id else "",
            "state": check.state,
            "required": any(one.name == check.name and one.app_id in (0, check.app_id) for one in wanted),
        }
        for check in said.seen
    ]
    rows += [
        {
            "source": "check",
            "name": one.name,
            "by": f"app {one.app_id}" if one.app_id else "",
            "state": word,
            "required": True,
        }
        for one, word in not_green(wanted, said.seen)
        if word == "missing"
    ]
    rows += [
        {"source": "event", "name": entry.type, "by": entry.actor, "state": "published", "required": False}
        for entry in events
    ]
    return sorted(rows, key=lambda row: (row["source"], not row["required"], row["name"], row["by"]))
