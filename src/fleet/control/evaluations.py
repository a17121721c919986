"""``eval``: scorecards made from the journal whenever somebody asks; only ``eval run`` keeps one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleet.assess.evidence import TYPES, Cast, Evidence, Key, Start, gather
from fleet.assess.scorecard import VERSION, Score, Scorecard, scorecard
from fleet.control.context import Context, Handlers
from fleet.core.errors import UsageError
from fleet.core.journal import Draft, Entry, Stream
from fleet.core.principal import Principal
from fleet.store import agents as agent_rows
from fleet.store import evaluations, journal
from fleet.store.db import Tx

_REFERENCES = 50  # newest journal entries named for and against a score; all are counted
KEYS: dict[str, Key] = {
    "agent": lambda cast: cast.agent,
    "role": lambda cast: cast.role,
    "fleet": lambda _: "the whole fleet",
    "model": lambda cast: cast.model or "(the vendor's choice)",
}


@dataclass(frozen=True, slots=True)
class Window:
    """Microseconds; 0 = no bound."""

    since: int
    until: int


def show(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """One agent's scorecard for a window, with its evidence. Raises NotFound FLT-AGT-001."""
    name, window = args["agent"], _window(args)

    def read(tx: Tx) -> dict[str, Any]:
        agent_rows.get(tx, name)
        found = _evidence(tx, window, KEYS["agent"]).get(name, Evidence())
        return _card(name, window, scorecard(found))

    return ctx.db.read(read)


def compare(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Scorecards side by side, of named ones or of all, by agent, role or model. Raises NotFound FLT-AGT-001."""
    window, by, names = _window(args), args["by"], list(args["names"])

    def read(tx: Tx) -> list[dict[str, Any]]:
        if by == "agent":
            for name in names:
                agent_rows.get(tx, name)
        found = _evidence(tx, window, KEYS[by])
        wanted = names or sorted(found)
        return [_card(name, window, scorecard(found.get(name, Evidence()))) for name in wanted]

    return {"by": by, "since": window.since, "until": window.until, "cards": ctx.db.read(read)}


def run(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Score agents now and keep the scores in the journal: one agent, or everybody with runs in the window."""
    window, name = _window(args), args["agent"]

    def write(tx: Tx) -> list[dict[str, Any]]:
        if name:
            agent_rows.get(tx, name)
        found = _evidence(tx, window, KEYS["agent"])
        wanted = [name] if name else sorted(found)
        return [_keep(tx, principal, _card(one, window, scorecard(found.get(one, Evidence())))) for one in wanted]

    return {"cards": ctx.db.write(write)}


def listed(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Kept scorecards, newest first."""
    entries = ctx.db.read(lambda tx: evaluations.recorded(tx, agent=args["agent"], limit=args["limit"]))
    kept = [{"seq": entry.seq, "at": entry.at, "by": entry.actor, **(entry.payload or {})} for entry in entries]
    return {"evaluations": kept}


def _window(args: Mapping[str, Any]) -> Window:
    """The window asked for. Raises UsageError FLT-EVL-001 when it ends before it begins."""
    window = Window(args["since"], args["until"])
    if window.until and window.since >= window.until:
        raise UsageError(
            "FLT-EVL-001",
            "the window ends before it begins",
            where="--since, --until",
            hint="Give --since the earlier time: --since 14d --until 7d",
        )
    return window


def _evidence(tx: Tx, window: Window, key: Key) -> dict[str, Evidence]:
    """All evidence of a window, by key."""
    entries = evaluations.window(tx, TYPES, since=window.since, until=window.until)
    roles = {row.name: row.role for row in agent_rows.every(tx)}
    begun = evaluations.starts(tx, (entry.run_id for entry in entries if entry.run_id))
    return gather(entries, {entry.run_id: _start(entry, roles) for entry in begun}, key)


def _start(entry: Entry, roles: Mapping[str, str]) -> Start:
    """How a run began; entries of older versions do not name the role, and the member's present one stands for it."""
    payload = entry.payload or {}
    allowance = payload.get("allowance_seconds")
    return Start(
        Cast(entry.agent, str(payload.get("role") or roles.get(entry.agent, "")), str(payload.get("model") or "")),
        (entry.work_item, str(payload.get("event_type", "")), entry.generation),
        float(allowance) if isinstance(allowance, (int, float)) else 0.0,
    )


def _card(name: str, window: Window, card: Scorecard) -> dict[str, Any]:
    """A scorecard as doors print it; scores have one decimal, null is insufficient data."""
    return {
        "name": name,
        "since": window.since,
        "until": window.until,
        "version": VERSION,
        "runs": card.runs,
        "overall": _rounded(card.overall),
        "scores": [_score(score) for score in card.scores],
    }


def _score(score: Score) -> dict[str, Any]:
    return {
        "dimension": score.dimension,
        "score": _rounded(score.value),
        "facts": score.facts,
        "inputs": dict(score.inputs),
        "for": list(score.good[-_REFERENCES:]),
        "against": list(score.bad[-_REFERENCES:]),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _keep(tx: Tx, principal: Principal, card: dict[str, Any]) -> dict[str, Any]:
    """Put a scorecard into the journal; it says where."""
    overall = "insufficient data" if card["overall"] is None else f"overall {card['overall']:g}"
    made = journal.append(
        tx,
        Draft(
            Stream.ACTIVITY,
            evaluations.RECORDED,
            str(principal),
            subject=f"agent/{card['name']}",
            summary=f"scorecard of {card['name']} from {card['runs']} runs: {overall}",
            payload=card,
            agent=card["name"],
        ),
    )
    return {**card, "seq": made.seq}


HANDLERS: Handlers = {
    "eval.show": show,
    "eval.compare": compare,
    "eval.run": run,
    "eval.list": listed,
}
