"""Reads about the whole: the fleet at a glance, the daemon and its services."""

from __future__ import annotations

from typing import Any

from fleet import __version__
from fleet.config.paths import FleetPaths
from fleet.control import shapes
from fleet.control.context import Context, Handlers
from fleet.control.queries import agent_dicts
from fleet.core.board import PEOPLE
from fleet.core.principal import Principal
from fleet.core.work import DeliveryState
from fleet.store import blockers, deliveries, inbox, journal, questions, runs
from fleet.store.db import Tx

_SHOWN = 20  # held deliveries and dead letters


def ping(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Who answers. Touches neither store nor forge."""
    pid = ctx.host.pid if ctx.host else 0
    return {"version": __version__, "pid": pid, "fleet": ctx.paths.fleet_id, "principal": str(principal)}


def status(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Agents, live runs, what waits and why, what needs a person."""

    def read(tx: Tx) -> dict[str, Any]:
        seq, digest = journal.head(tx)
        return {
            "agents": agent_dicts(ctx, tx),
            "runs": [shapes.run_dict(run, tx.now) for run in runs.live(tx)],
            "deliveries": deliveries.counts(tx),
            "held": [shapes.delivery_dict(one) for one in deliveries.in_state(tx, DeliveryState.HELD, limit=_SHOWN)],
            "dead_letters": dead_letters(tx),
            "blockers": [shapes.blocker_dict(one) for one in blockers.open_ones(tx, limit=_SHOWN)],
            "questions": [shapes.question_dict(one) for one in questions.open_ones(tx, limit=_SHOWN)],
            "inbox": _unread(tx),
            "journal": {"entries": seq, "head": digest},
        }

    return {
        "fleet": ctx.paths.fleet_id,
        "version": __version__,
        "mode": ctx.mode,
        "config": {"hash": ctx.loaded.digest, "warnings": list(ctx.loaded.warnings)},
        "daemon": _daemon(ctx),
        "disk": _disk(ctx),
        **ctx.db.read(read),
    }


def _disk(ctx: Context) -> dict[str, Any]:
    """The state folder's disk in bytes; ``low``: nothing new starts. All null when it cannot be asked."""
    found = ctx.disk.look()
    if found is None:
        return {"path": str(ctx.paths.state), "free": None, "total": None, "floor": None, "low": None}
    return {"path": found.path, "free": found.free, "total": found.total, "floor": found.floor, "low": found.low}


def _unread(tx: Tx) -> dict[str, Any]:
    """Unread messages: those of people, and of every agent that has any."""
    found = inbox.counts(tx)
    agents = {name.removeprefix("agent:"): counts for name, counts in found.items() if name != PEOPLE}
    return {"people": found[PEOPLE], "agents": agents}


def dead_letters(tx: Tx) -> list[dict[str, Any]]:
    """The newest work that used up its attempts; a person has to look."""
    found = journal.select(tx, journal.Filter(type="delivery.dead_lettered"), limit=_SHOWN, newest=True)
    return [
        {
            "entry": entry.id,
            "agent": entry.agent,
            "subject": entry.subject,
            "work_item": entry.work_item,
            "run": entry.run_id,
            "summary": entry.summary,
            "at": entry.at,
        }
        for entry in found
    ]


def watcher_status(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Whether the daemon runs, and how each of its services does."""
    return {"running": ctx.host is not None, **_daemon(ctx), "paths": _places(ctx.paths)}


def _daemon(ctx: Context) -> dict[str, Any]:
    if ctx.host is None:
        return {"pid": None, "supervised": False, "paused": False, "services": []}
    return {
        "pid": ctx.host.pid,
        "supervised": ctx.host.supervised,
        "paused": ctx.switch.paused,
        "services": [dict(state) for state in ctx.host.services()],
    }


def _places(paths: FleetPaths) -> dict[str, str]:
    return {
        "checkout": str(paths.checkout),
        "state": str(paths.state),
        "socket": str(paths.socket),
        "log": str(paths.log),
    }


HANDLERS: Handlers = {
    "ping": ping,
    "status": status,
    "watcher.status": watcher_status,
}
