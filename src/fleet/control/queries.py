"""Reads: runs, agents, tickets, pull requests, the Fabric's history and the log. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fleet.control import shapes, telling
from fleet.control.budgets import agent_budget
from fleet.control.context import Context, Handlers, live_pull
from fleet.control.merges import check_dict, gate
from fleet.core.errors import UsageError
from fleet.core.journal import Entry, Stream
from fleet.core.principal import Principal
from fleet.core.work import LIVE_RUNS, Run
from fleet.dispatch.holds import accepted_pull_text, accepted_text
from fleet.dispatch.verdicts import lost_force
from fleet.forge.port import Pull, Ticket
from fleet.store import agents as agent_rows
from fleet.store import audits, journal, risk, runs, sessions, usage
from fleet.store.db import Tx

_RECENT_RUNS = 200
_REVIEWS = ("pr_approved", "pr_changes_requested", "review_waived")
# One answer carries at most so much text; the caller pages on with `after`.
_ANSWER_BYTES = 16 * 1024 * 1024


def ps(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Live runs, oldest first; with ``all`` also the newest ended ones."""

    def read(tx: Tx) -> list[dict[str, Any]]:
        found = runs.live(tx)
        if args["all"]:
            known = {run.id for run in found}
            ended = [run for run in runs.recent(tx, limit=_RECENT_RUNS) if run.id not in known]
            found = sorted([*found, *ended], key=lambda run: (run.queued_at, run.id))
        return [reported(tx, run) for run in found]

    return {"runs": ctx.db.read(read)}


def reported(tx: Tx, run: Run) -> dict[str, Any]:
    """A run with what its session says of itself: ``turn``, ``tool`` and ``usage``; empty where it does not report."""
    session = sessions.get(tx, run.session) if run.epoch else None
    if session is None:
        return {**shapes.run_dict(run, tx.now), "turn": "", "tool": "", "usage": None}
    used = usage.of_run(tx, run.id)
    live = run.state in LIVE_RUNS
    return {
        **shapes.run_dict(run, tx.now),
        "turn": str(session.state) if live else "",
        "tool": session.tool if live else "",
        "usage": {
            "answers": used.answers,
            "input": used.input,
            "output": used.output,
            "cache_read": used.cache_read,
            "cache_write": used.cache_write,
            "cost_micros": used.cost_micros,
            "unpriced": used.unpriced,
        },
    }


def agents(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Every member with its state, its live runs and what it has used of its budget."""
    return {"agents": ctx.db.read(lambda tx: agent_dicts(ctx, tx))}


def agent_dicts(ctx: Context, tx: Tx) -> list[dict[str, Any]]:
    """The members, by name; a retired one keeps its row because the journal names it."""
    live = runs.live(tx)
    found = []
    for row in agent_rows.every(tx):
        member = ctx.loaded.config.agent(row.name)
        found.append(
            {
                "name": row.name,
                "role": row.role,
                "state": str(row.state),
                "reason": row.reason,
                "risk": str(risk.level_of_agent(tx, row.name) or ""),
                "enabled": member.enabled if member else False,
                "vendor": member.vendor if member else "",
                "subscribes_to": list(member.subscribes_to) if member else [],
                "max_concurrent": member.max_concurrent if member else 0,
                **agent_budget(tx, row.name, ctx.loaded.config),
                "live": [run.id for run in live if run.agent == row.name],
            }
        )
    return found


def tickets(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Open tickets, and those closed lately."""
    found = ctx.forge.snapshot().tickets
    return {"tickets": [shapes.ticket_dict(ticket) for ticket in _tickets_for(ctx, principal, found)]}


def ticket_show(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """One ticket with its remarks and its pull requests. Raises NotFound FLT-FRG-001."""
    number = args["number"]
    (ticket,) = _tickets_for(ctx, principal, [ctx.forge.ticket(number)])
    pulls = [pull for pull in ctx.forge.snapshot().pulls if pull.ticket == number]
    return {
        "ticket": shapes.ticket_dict(ticket),
        **telling.remarks(ctx.forge.comments(number), reads_untrusted=_reads_untrusted(ctx, principal)),
        "pulls": [shapes.pull_dict(pull) for pull in _pulls_for(ctx, principal, pulls)],
    }


def _reads_untrusted(ctx: Context, principal: Principal) -> bool:
    """People read everything; an agent what its configuration lets it."""
    member = ctx.loaded.config.agent(principal.name) if principal.is_agent else None
    return not principal.is_agent or (member is not None and member.read_untrusted)


def _tickets_for(ctx: Context, principal: Principal, found: Sequence[Ticket]) -> list[Ticket]:
    if not principal.is_agent:
        return list(found)
    reads = _reads_untrusted(ctx, principal)
    accepted = ctx.db.read(lambda tx: [accepted_text(tx, one.number) for one in found])
    return [
        telling.ticket_for_agent(one, text, reads_untrusted=reads) for one, text in zip(found, accepted, strict=True)
    ]


def _pulls_for(ctx: Context, principal: Principal, found: Sequence[Pull]) -> list[Pull]:
    if not principal.is_agent:
        return list(found)
    reads = _reads_untrusted(ctx, principal)
    accepted = ctx.db.read(lambda tx: [accepted_pull_text(tx, one.number) for one in found])
    return [telling.pull_for_agent(one, text, reads_untrusted=reads) for one, text in zip(found, accepted, strict=True)]


def prs(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Open pull requests, and those closed or merged lately."""
    return {"pulls": [shapes.pull_dict(pull) for pull in _pulls_for(ctx, principal, ctx.forge.snapshot().pulls)]}


def pr_show(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """One pull request, what was said about it, and the merge gate's answer for whoever asks."""
    number = args["number"]
    (pull,) = _pulls_for(ctx, principal, [ctx.forge.pull(number)])
    live = live_pull(ctx, number)
    return {
        "pr": shapes.pull_dict(pull),
        **telling.remarks(ctx.forge.comments(number), reads_untrusted=_reads_untrusted(ctx, principal)),
        "reviews": ctx.db.read(lambda tx: review_dicts(tx, live.subject, pull.head_sha)),
        "gate": check_dict(gate(ctx, principal, live), live),
    }


def reviews_of(tx: Tx, subject: str) -> list[Entry]:
    """Every verdict and waiver on a pull request, in journal order."""
    found = [
        entry
        for name in _REVIEWS
        for entry in journal.select(
            tx, journal.Filter(stream=Stream.EVENT, type=name, subject=subject), limit=1000, newest=True
        )
    ]
    return sorted(found, key=lambda entry: entry.seq)


def review_dicts(tx: Tx, subject: str, head: str) -> list[dict[str, Any]]:
    """The same as it looks at a door, with what lost its force."""
    return [shapes.review_dict(entry, head, lost_force(tx, entry)) for entry in reviews_of(tx, subject)]


def pr_diff(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """A pull request's changes as text."""
    return {"number": args["number"], "diff": ctx.forge.diff(args["number"])}


def history(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Fabric events: the newest ``limit`` of those that fit, or the first after ``after``."""
    wanted = journal.Filter(
        stream=Stream.EVENT,
        type=args["event"],
        subject=args["subject"],
        since=args["since"],
        after=args["after"],
    )
    entries = ctx.db.read(lambda tx: journal.select(tx, wanted, limit=args["limit"], newest=not args["after"]))
    return {"entries": entry_dicts(entries, newest=not args["after"])}


def log(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """All three streams in one: the newest entries that fit, or the first after ``after``.

    ``type`` is a journal type, or a stream (event, decision, activity). ``head`` is where to go on from: the
    journal's end at the moment of reading, or the last entry given when more may be left.
    """
    wanted = log_filter(args)
    newest = not args["after"]

    def read(tx: Tx) -> tuple[list[Entry], int, int]:
        entries = journal.select(tx, wanted, limit=args["limit"], newest=newest)
        return entries, journal.head(tx)[0], archived_to(tx)

    entries, end, archived = ctx.db.read(read)
    shown = entry_dicts(entries, newest=newest)
    more = not newest and (len(entries) == args["limit"] or len(shown) < len(entries))
    return {"entries": shown, "head": shown[-1]["seq"] if more else end, "archived_to": archived}


def archived_to(tx: Tx) -> int:
    """The last entry that lies in an archive; 0 when there is none. Older history may be only there."""
    last = audits.last_archive(tx)
    return last.last_seq if last is not None else 0


def log_filter(args: dict[str, Any]) -> journal.Filter:
    """The log's arguments as the journal's filter. Raises UsageError FLT-CTL-017 for ticket and pr together."""
    if args["ticket"] and args["pr"]:
        raise UsageError("FLT-CTL-017", "choose a ticket or a pull request, not both")
    is_stream = args["type"] in {str(stream) for stream in Stream}
    item = f"ticket/{args['ticket']}" if args["ticket"] else ""
    return journal.Filter(
        stream=args["type"] if is_stream else "",
        type="" if is_stream else args["type"],
        agent=args["agent"],
        subject=f"pr/{args['pr']}" if args["pr"] else item,
        work_item=item,
        since=args["since"],
        after=args["after"],
    )


def entry_dicts(entries: list[Entry], *, newest: bool) -> list[dict[str, Any]]:
    """Entries as doors print them, cut where one answer would grow too large: at the old end for the newest."""
    found: list[dict[str, Any]] = []
    size = 0
    for entry in reversed(entries) if newest else entries:
        size += 1000 + len(str(entry.payload))
        if found and size > _ANSWER_BYTES:
            break
        found.append(entry.as_dict())
    return found[::-1] if newest else found


HANDLERS: Handlers = {
    "ps": ps,
    "agents": agents,
    "tickets": tickets,
    "ticket.show": ticket_show,
    "prs": prs,
    "pr.show": pr_show,
    "pr.diff": pr_diff,
    "fabric.history": history,
    "log": log,
}
