"""Reads about the whole: the fleet at a glance, the daemon and its services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fleet import __version__
from fleet.config.paths import FleetPaths
from fleet.control import shapes
from fleet.control.approvals import open_questions
from fleet.control.attention import held_dicts, needs
from fleet.control.context import Context, Handlers
from fleet.control.halting import halt_in_force
from fleet.control.queries import agent_dicts, reported
from fleet.core.board import PEOPLE
from fleet.core.clock import SECOND
from fleet.core.principal import Principal
from fleet.store import blockers, deliveries, inbox, journal, questions, runs
from fleet.store.db import Tx

DAY = 86_400 * SECOND
_SHOWN = 20  # dead letters


def ping(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Who answers. Touches neither store nor forge."""
    pid = ctx.host.pid if ctx.host else 0
    return {"version": __version__, "pid": pid, "fleet": ctx.paths.fleet_id, "principal": str(principal)}


def status(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """What needs a person, what waits and why, live runs, agents, and how the machinery does."""

    def read(tx: Tx) -> dict[str, Any]:
        seq, digest = journal.head(tx)
        return {
            "agents": agent_dicts(ctx, tx),
            "runs": [reported(tx, run) for run in runs.live(tx)],
            "deliveries": deliveries.counts(tx),
            "held": held_dicts(tx),
            "dead_letters": dead_letters(tx),
            "blockers": [shapes.blocker_dict(one) for one in blockers.open_ones(tx, limit=_SHOWN)],
            "questions": [shapes.question_dict(one) for one in questions.open_ones(tx, limit=_SHOWN)],
            "inbox": _unread(tx),
            "halt": halt_in_force(ctx, tx),
            "attention": needs(ctx, tx),
            "journal": {"entries": seq, "head": digest, "last_day": seq - journal.seq_before(tx, tx.now - DAY)},
            "now": tx.now,
        }

    return {
        "fleet": ctx.paths.fleet_id,
        "version": __version__,
        "mode": ctx.mode,
        "config": {"hash": ctx.loaded.digest, "warnings": list(ctx.loaded.warnings)},
        "daemon": _daemon(ctx),
        "forge": _forge(ctx),
        "disk": _disk(ctx),
        "approvals": open_questions(ctx, limit=_SHOWN),
        **ctx.db.read(read),
    }


def _disk(ctx: Context) -> dict[str, Any]:
    """The state folder's disk in bytes; ``low``: nothing new starts. All null when it cannot be asked."""
    found = ctx.disk.look()
    if found is None:
        return {"path": str(ctx.paths.state), "free": None, "total": None, "floor": None, "low": None, "store": None}
    sizes = {"free": found.free, "total": found.total, "floor": found.floor, "low": found.low}
    return {"path": found.path, **sizes, "store": _size(ctx.paths.database)}


def _size(path: Path) -> int | None:
    """Bytes of a file; None when it cannot be asked."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def _forge(ctx: Context) -> dict[str, Any]:
    """Where tickets live, when it was looked at last and will be next, what is left of its limit, what went wrong.

    Nulls without a daemon; ``quota`` is null where the forge has none, or has not said it yet.
    """
    services = ctx.host.services() if ctx.host is not None else ()
    watcher = next((one for one in services if one["name"] == "watcher"), None)
    now = ctx.forge.condition()
    quota = {
        "limit": now.limit,
        "remaining": now.remaining,
        "reset_at": now.reset_at,
        "requests": now.requests,
        "counted": now.counted,
    }
    return {
        "kind": ctx.forge.name,
        "repo": now.repo or None,
        "last_look_at": watcher["last_tick_at"] if watcher else None,
        "next_look_at": (now.next_look_at or watcher["next_at"]) if watcher else None,
        "failures": watcher["failures"] if watcher else None,
        "last_error": watcher["last_error"] if watcher else None,
        "quota": quota if watcher and now.limit >= 0 else None,
    }


def _unread(tx: Tx) -> dict[str, Any]:
    """Unread messages: those of people, and of every agent that has any."""
    found = inbox.counts(tx)
    agents = {name.removeprefix("agent:"): counts for name, counts in found.items() if name != PEOPLE}
    return {"people": found[PEOPLE], "agents": agents}


def dead_letters(tx: Tx) -> list[dict[str, Any]]:
    """The newest work that used up its attempts and that no person has dealt with."""
    found = journal.dead_letters(tx, limit=_SHOWN)
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
        return {"pid": None, "supervised": False, "paused": False, "started_at": None, "version": None, "services": []}
    return {
        "pid": ctx.host.pid,
        "started_at": ctx.host.started_at,
        "version": __version__,
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
