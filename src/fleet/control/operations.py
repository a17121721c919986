"""Verbs that take several steps: cancel, retry, close, reopen and remark upon tickets, close pull requests.

The decision is one transaction with everything that the store alone can do: runs asked to end, waiting
starts denied. What the forge has to do follows at once, and after a crash by the reconciler.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleet.control.context import Context, Handlers, live_pull
from fleet.core.errors import Conflict, NotFound, TemporaryError, UsageError
from fleet.core.journal import Draft, Stream
from fleet.core.live import LivePull, LiveTicket
from fleet.core.principal import Principal
from fleet.core.probe import probe
from fleet.dispatch.operations import Places, carry_on, deny_open, interrupted
from fleet.dispatch.retries import Again, failed_work
from fleet.store import journal, operations, runs
from fleet.store.db import Tx
from fleet.store.journal import Filter
from fleet.store.operations import Operation

# Takes the transaction; gives what the operation's plan needs to know. Raises what stands in the way.
Decide = Callable[[Tx], Mapping[str, Any]]


def perform(
    ctx: Context, principal: Principal, kind: str, subject: str, *, reason: str, said: str, decide: Decide
) -> tuple[Operation, bool]:
    """Put the decision on record, then act; the operation, and whether its last step is on record already.

    ``said`` is the decision's type, such as ``ticket.cancel_requested``. Raises Conflict FLT-FRG-102 while
    another operation on this subject is not done. A forge that cannot be asked now is asked again later.
    """

    def begin(tx: Tx) -> Operation:
        other = interrupted(tx, subject) if subject and kind != "ticket.comment" else None
        if other is not None:
            what = f"{other.kind} by {other.actor} is still being done"
            raise Conflict("FLT-FRG-102", what, where=subject, hint=f"Look again in a moment: fleet why {subject}")
        plan = decide(tx)
        why = f": {reason}" if reason else ""
        words = said.partition(".")[2].partition("_")[0]
        draft = Draft(
            Stream.DECISION,
            said,
            str(principal),
            subject=subject,
            work_item=str(plan.get("work_item", "")),
            summary=f"{principal} asks to {words} {subject or ', '.join(plan.get('agents', ()))}{why}",
            payload={"reason": reason, **plan},
        )
        made = journal.append(tx, draft)
        return operations.create(
            tx, kind=kind, subject=subject, actor=str(principal), reason=reason, entry_id=made.id, plan=plan
        )

    operation = ctx.db.write(begin)
    probe("operation.intended")
    try:
        return operation, carry_on(Places(ctx.db, ctx.live, ctx.effects), operation)
    except TemporaryError:
        return operation, False  # it is on record; the reconciler goes on


# -- cancel ----------------------------------------------------------------------------------------


def cancel(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """End all work on a ticket: runs stopped (their work is saved), starts denied, pull request and ticket closed.

    Raises NotFound FLT-FRG-001, Conflict FLT-FRG-101 when there is nothing to end, FLT-FRG-102.
    """
    number, why = args["number"], args["reason"]
    subject = f"ticket/{number}"
    ticket = ctx.forge.ticket(number)
    pulls = [pull.number for pull in ctx.live.pulls() if pull.ticket == number and pull.state == "open"]
    words = f"{subject} was cancelled by {principal}: {why}"
    done: dict[str, Any] = {}

    def decide(tx: Tx) -> Mapping[str, Any]:
        live = [run for run in runs.live(tx) if run.work_item == subject]
        done["stopping"] = [run.id for run in live]
        for run in live:
            runs.ask_cancel(tx, run.id, words)
        done["denied"] = deny_open(tx, subject, actor=str(principal), why=words)
        if ticket.state != "open" and not (live or done["denied"] or pulls):
            raise Conflict(
                "FLT-FRG-101",
                "the ticket is closed and nothing of it is under way",
                where=subject,
                hint=f"fleet why {subject}",
            )
        return {"work_item": subject, "runs": done["stopping"], "denied": done["denied"], "pulls": pulls}

    _, over = perform(
        ctx, principal, "ticket.cancel", subject, reason=why, said="ticket.cancel_requested", decide=decide
    )
    return {"ticket": number, "closed_pulls": pulls, "done": over, **done}


# -- retry -----------------------------------------------------------------------------------------


def retry(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Offer the work of a ticket that failed, was denied or cancelled once more, as it stands now.

    Attempts are counted anew; a closed ticket is opened again. Raises NotFound FLT-FRG-001, Conflict
    FLT-FRG-103 when nothing could start again, FLT-FRG-102.
    """
    number = args["number"]
    subject = f"ticket/{number}"
    ticket = ctx.live.ticket(number)
    if ticket is None:
        ctx.forge.ticket(number)  # raises with the hint
        raise NotFound("FLT-FRG-001", "no such ticket", where=subject)
    pull = ctx.live.pull_for_ticket(number)
    found: dict[str, Any] = {}

    def decide(tx: Tx) -> Mapping[str, Any]:
        work, left = _retriable(ctx, tx, ticket, pull)
        found["retried"] = [one.as_dict() for one in work]
        found["left"] = left
        return {"work_item": subject, "work": found["retried"]}

    _, over = perform(
        ctx,
        principal,
        "ticket.retry",
        subject,
        reason=args["reason"],
        said="ticket.retry_requested",
        decide=decide,
    )
    return {"ticket": number, "reopened": ticket.state == "closed", "done": over, **found}


def _retriable(
    ctx: Context, tx: Tx, ticket: LiveTicket, pull: LivePull | None
) -> tuple[list[Again], list[dict[str, str]]]:
    """What could start again, and why the rest could not. Raises Conflict FLT-FRG-103 when it is nothing."""
    subject = f"ticket/{ticket.number}"
    merged = journal.select(tx, Filter(type="pr_merged", work_item=subject), limit=1, newest=True)
    if merged and pull is None:
        raise Conflict(
            "FLT-FRG-103",
            f"nothing is left to retry: {merged[0].subject} was merged for it",
            where=subject,
            hint="Write another ticket for further work.",
        )
    work, left = failed_work(tx, ticket, pull, ctx.loaded)
    if not work:
        first = f"fleet ticket reopen {ticket.number}, then " if ticket.state == "closed" else ""
        hint = "; ".join(one.why for one in left) or (
            f"No agent was told of it. To let it in: {first}fleet ticket label {ticket.number} --add ready"
        )
        raise Conflict("FLT-FRG-103", "nothing of this ticket could start again", where=subject, hint=hint)
    return work, [{"agent": one.agent, "why": one.why} for one in left]


# -- the simple ones -------------------------------------------------------------------------------


def close_pull(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Close a pull request without a merge. Raises NotFound FLT-FRG-002, Conflict FLT-FRG-104, FLT-FRG-102."""
    pull = live_pull(ctx, args["number"])
    if pull.state != "open":
        raise Conflict("FLT-FRG-104", f"the pull request is {pull.state}", where=pull.subject)
    perform(
        ctx,
        principal,
        "pr.close",
        pull.subject,
        reason=args["reason"],
        said="pr.close_requested",
        decide=lambda _tx: {"work_item": pull.work_item, "head": pull.head_sha},
    )
    return {"pr": pull.number, "state": ctx.forge.pull(pull.number).state, "ticket": pull.ticket}


def close_ticket(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Close a ticket and let its runs go on. Raises NotFound FLT-FRG-001, Conflict FLT-FRG-104, FLT-FRG-102."""
    return _to_state(ctx, principal, args, "close", "closed")


def reopen_ticket(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Open a closed ticket again. Raises NotFound FLT-FRG-001, Conflict FLT-FRG-104, FLT-FRG-102."""
    return _to_state(ctx, principal, args, "reopen", "open")


def _to_state(ctx: Context, principal: Principal, args: dict[str, Any], verb: str, state: str) -> dict[str, Any]:
    number = args["number"]
    subject = f"ticket/{number}"
    if ctx.forge.ticket(number).state == state:
        raise Conflict("FLT-FRG-104", f"the ticket is {state}", where=subject)
    perform(
        ctx,
        principal,
        f"ticket.{verb}",
        subject,
        reason=args["reason"],
        said=_REQUESTED[verb],
        decide=lambda _tx: {"work_item": subject},
    )
    return {"ticket": number, "state": ctx.forge.ticket(number).state}


_REQUESTED = {"close": "ticket.close_requested", "reopen": "ticket.reopen_requested"}


def comment(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Write a remark on a ticket or pull request. Raises NotFound FLT-FRG-007, UsageError FLT-FRG-012."""
    number = args["number"]
    ctx.forge.comments(number)  # refuses a number that is neither
    pull = ctx.live.pull(number)
    subject = pull.subject if pull is not None else f"ticket/{number}"
    item = pull.work_item if pull is not None else subject
    if not args["body"].strip():
        raise UsageError("FLT-FRG-012", "the remark is blank", where=subject)
    perform(
        ctx,
        principal,
        "ticket.comment",
        subject,
        reason="",
        said="comment.requested",
        decide=lambda _tx: {"work_item": item, "body": args["body"]},
    )
    return {"subject": subject, "comments": len(ctx.forge.comments(number))}


HANDLERS: Handlers = {
    "ticket.cancel": cancel,
    "ticket.retry": retry,
    "ticket.close": close_ticket,
    "ticket.reopen": reopen_ticket,
    "ticket.comment": comment,
    "pr.close": close_pull,
}
