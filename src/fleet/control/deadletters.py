"""Work that was given up: list it, explain what happened in each attempt, replay it, discard it with a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleet.control import shapes
from fleet.control.context import Context, Handlers
from fleet.core.errors import Conflict, FleetError, NotFound, Refused
from fleet.core.journal import Draft, Entry, Stream
from fleet.core.principal import Principal
from fleet.core.work import Run
from fleet.dispatch.deadletters import DeadLetter, attempts, read, resolution, settled_since, why_not
from fleet.dispatch.glance import Look, look
from fleet.dispatch.offering import offer_again
from fleet.store import journal
from fleet.store.db import Tx

_SHOWN = 200
_TAIL = 20  # lines of an attempt's terminal


def deadletters(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """What needs a person, newest last; with ``all`` also what was settled, replayed or discarded."""

    def gather(tx: Tx) -> list[dict[str, Any]]:
        return [_dict(tx, read(tx, entry)) for entry in journal.dead_letters(tx, limit=_SHOWN, resolved=args["all"])]

    found = ctx.db.read(gather)
    return {"dead_letters": [one for one in found if args["all"] or one["state"] == "open"]}


def explain(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """What happened in each attempt, whether it can be replayed, and what to type. Raises NotFound FLT-DLQ-001.

    The terminals' last lines are for people only.
    """
    dead = _named(ctx, args["id"])
    seen = look(ctx.live, dead.entry.subject)

    def gather(tx: Tx) -> tuple[dict[str, Any], list[Run], str, int]:
        return _dict(tx, dead), attempts(tx, dead), why_not(tx, dead, seen, ctx.loaded), tx.now

    shown, tried, moot, now = ctx.db.read(gather)
    is_open = shown["state"] in ("open", "settled")
    return {
        "dead_letter": shown,
        "attempts": [
            {**shapes.run_dict(run, now), "output": _tail(ctx, run) if principal.is_human else ""} for run in tried
        ],
        "replayable": is_open and not moot,
        "why_not": moot,
        "commands": _commands(ctx, dead, tried, is_open=is_open, moot=moot),
    }


def replay(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Offer the work to its agent once more, attempts counted anew, judged like any other start.

    Raises NotFound FLT-DLQ-001, Conflict FLT-DLQ-002 when it was dealt with, Refused FLT-DLQ-003 when it is moot.
    """
    dead = _named(ctx, args["id"])
    seen = look(ctx.live, dead.entry.subject)
    made: dict[str, str] = {}

    def publish(tx: Tx) -> None:
        made["event"] = _offer(tx, ctx, principal, dead, seen, args["reason"])

    _resolve(ctx, principal, dead, "dead_letter.replayed", "replays", args["reason"], publish)
    return {"dead_letter": ctx.db.read(lambda tx: _dict(tx, dead)), **made}


def discard(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Say on record that nobody needs it. Raises NotFound FLT-DLQ-001, Conflict FLT-DLQ-002."""
    dead = _named(ctx, args["id"])
    _resolve(ctx, principal, dead, "dead_letter.discarded", "discards", args["reason"], lambda _: None)
    return {"dead_letter": ctx.db.read(lambda tx: _dict(tx, dead))}


def _offer(tx: Tx, ctx: Context, principal: Principal, dead: DeadLetter, seen: Look, reason: str) -> str:
    """The event; its id. Raises Refused FLT-DLQ-003 when the live state has overtaken the work."""
    moot = why_not(tx, dead, seen, ctx.loaded)
    if moot:
        raise Refused(
            "FLT-DLQ-003",
            f"this work is not taken up again: {moot}",
            where=dead.entry.id,
            hint=f"fleet deadletters discard {dead.entry.id} --reason TEXT, if nobody needs it any more.",
        )
    entry, why = dead.entry, f": {reason}" if reason else ""
    draft = offer_again(
        str(principal),
        entry.agent,
        dead.event_type,
        subject=entry.subject,
        generation=entry.generation,
        work_item=entry.work_item,
        run=entry.run_id,
        cause_id=entry.id,
        dedup_key=f"replayed:{entry.id}",
        summary=f"{principal} asks {entry.agent} to take up {dead.event_type} again{why}",
        reason=f"replayed by {principal}{why}",
        of=dead.root,
    )
    return journal.append(tx, draft).id


def _resolve(
    ctx: Context,
    principal: Principal,
    dead: DeadLetter,
    kind: str,
    word: str,
    reason: str,
    also: Callable[[Tx], None],
) -> None:
    """Put on record, once, what a person does about it, together with what follows from that."""

    def decide(tx: Tx) -> None:
        before = resolution(tx, dead)
        if before is not None:
            did = "replayed" if before.type == "dead_letter.replayed" else "discarded"
            text = f"{before.actor} {did} this already"
            raise Conflict("FLT-DLQ-002", text, where=dead.entry.id, hint="fleet deadletters list --all")
        also(tx)
        why = f": {reason}" if reason else ""
        about = dead.entry.subject or dead.event_type or "an event"
        draft = Draft(
            Stream.DECISION,
            kind,
            str(principal),
            subject=dead.entry.subject,
            generation=dead.entry.generation,
            work_item=dead.entry.work_item,
            agent=dead.entry.agent,
            cause_id=dead.entry.id,
            dedup_key=dead.key,
            summary=f"{principal} {word} the work of {dead.entry.agent or 'nobody'} on {about}{why}",
            payload={"dead_letter": dead.entry.id, "reason": reason},
        )
        journal.append(tx, draft)

    ctx.db.write(decide)


def _named(ctx: Context, name: str) -> DeadLetter:
    """A dead letter by the id of its entry. Raises NotFound FLT-DLQ-001."""

    def find(tx: Tx) -> Entry | None:
        try:
            entry = journal.get(tx, name)
        except NotFound:
            return None
        return entry if entry.type == "delivery.dead_lettered" else None

    entry = ctx.db.read(find)
    if entry is None:
        raise NotFound("FLT-DLQ-001", "no such dead letter", where=name, hint="fleet deadletters list --all shows them")
    return ctx.db.read(lambda tx: read(tx, entry))


def _dict(tx: Tx, dead: DeadLetter) -> dict[str, Any]:
    """A dead letter; ``state`` is open, settled (its work went on without a person), replayed or discarded."""
    entry, done = dead.entry, resolution(tx, dead)
    if done is not None:
        state = done.type.removeprefix("dead_letter.")
    else:
        state = "settled" if settled_since(tx, entry) else "open"
    payload = entry.payload or {}
    return {
        "id": entry.id,
        "state": state,
        "agent": entry.agent,
        "subject": entry.subject,
        "work_item": entry.work_item,
        "head": entry.generation,
        "event_type": dead.event_type,
        "event": dead.root,
        "run": entry.run_id,
        "attempts": payload.get("attempt", 0),
        "why": payload.get("reason") or entry.summary,
        "at": entry.at,
        "resolved_by": done.actor if done is not None else "",
        "resolved_at": done.at if done is not None else None,
        "reason": str((done.payload or {}).get("reason", "")) if done is not None else "",
    }


def _tail(ctx: Context, run: Run) -> str:
    """The last lines that a run's terminal showed; "" where nothing of it is left."""
    if not run.epoch:
        return ""
    try:
        return "\n".join(ctx.runtime.output(ctx.session_ref(run), lines=_TAIL).rstrip().split("\n")[-_TAIL:])
    except FleetError:
        return ""


def _commands(ctx: Context, dead: DeadLetter, tried: list[Run], *, is_open: bool, moot: str) -> list[dict[str, str]]:
    """What a person may type, each with what it does."""
    entry, found = dead.entry, []
    if is_open and not moot:
        found.append((f"fleet deadletters replay {entry.id}", "offer it to its agent again, attempts counted anew"))
    if is_open:
        found.append((f"fleet deadletters discard {entry.id} --reason TEXT", "nobody needs it any more"))
    if tried:
        found.append((f"fleet agent logs {entry.agent} --run {tried[-1].id}", "all that the last attempt printed"))
    saved = [run for run in tried if run.escrow_sha]
    if saved:
        found.append((f"git fetch {ctx.paths.bare} {saved[-1].escrow_ref}", "what the attempts left unfinished"))
    if entry.subject and not entry.subject.startswith("agent/"):
        found.append((f"fleet why {entry.subject}", "the whole story"))
    return [{"command": command, "does": does} for command, does in found]


HANDLERS: Handlers = {
    "deadletters": deadletters,
    "deadletter.explain": explain,
    "deadletter.replay": replay,
    "deadletter.discard": discard,
}
