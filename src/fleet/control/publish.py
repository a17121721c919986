"""``fabric.publish``: one entry on the Fabric, in one transaction. The hot path: nothing here leaves the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleet.control.context import Context, Handlers
from fleet.control.entries import Wanted, put
from fleet.core.errors import Conflict, Refused, UsageError
from fleet.core.event import BUILTIN, FABRIC_KINDS
from fleet.core.journal import Entry, encode_payload
from fleet.core.principal import Principal
from fleet.core.probe import probe
from fleet.store import journal
from fleet.store.db import Tx

# Events that mean something happened come from whatever makes it happen, and from nowhere else.
SOURCES = {
    "ticket_created": "fleet ticket create",
    "ticket_ready": "the watcher, when a ticket carries the label `ready`: fleet ticket label N --add ready",
    "ticket_edited": "the watcher, when the text of a ticket changed after it was marked ready",
    "ticket_unready": "the watcher, when `ready` (or the required label) is taken off",
    "ticket_closed": "the watcher, when a ticket is closed: fleet ticket close N",
    "ticket_shipped": "the watcher, when a ticket carries the label `shipped`",
    "pr_created": "fleet pr create",
    "pr_updated": "fleet pr create on a branch that has a pull request",
    "pr_needs_review": "the watcher, when a pull request carries the label `needs-review`",
    "pr_approved": "fleet pr review N --approve",
    "pr_changes_requested": "fleet pr review N --request-changes",
    "pr_conflict": "fleet pr merge or the reconciler, when the branch no longer merges",
    "pr_edited": "the watcher, when the text of a pull request changed after it was opened or marked for review",
    "pr_head_moved": "the reconciler, when a head moves without a push through the fleet",
    "pr_branch_deleted": "the reconciler, when the branch of a pull request is gone",
    "pr_retargeted": "the reconciler, when a pull request is pointed at another base branch",
    "ci_fail": "the reconciler, when a check of a pull request fails",
    "ci_pass": "the reconciler, when every check of a pull request has passed",
    "pr_merged": "fleet pr merge N",
    "pr_closed": "the watcher, when a pull request is closed",
    "review_waived": "fleet pr waive N AGENT",
    "work_returned": "the reconciler after a run without result; fleet ticket retry; fleet deadletters replay",
    "agent_start_requested": "fleet agent start NAME",
    "agent_quarantined": "the assessor at critical risk; fleet agent quarantine NAME",
    "schedule_due": "the scheduler, when the time of an agent's `schedule:` has come",
    "task_returned": "fleet fabric release N, or the janitor when a lease runs out",
    "task_completed": "fleet fabric complete N",
    "task_withdrawn": "fleet fabric withdraw N",
    "blocker_resolved": "fleet fabric resolve N",
}


def plan(ctx: Context, principal: Principal, args: dict[str, Any]) -> Callable[[Tx], dict[str, Any]]:
    """Judge what needs no store and return the transaction.

    Raises UsageError FLT-CTL-004 without event and kind, FLT-CTL-006 for an event nobody declares, FLT-CTL-007
    for a kind that is not the event's; Refused FLT-CTL-005 for an event with another source, FLT-AUT-015 for
    one that this run may not emit. The transaction raises Conflict FLT-FAB-003 for a key used otherwise before,
    and Refused FLT-FAB-101, FLT-FAB-112 or FLT-FAB-121 where a list is full.
    """
    event, kind = _named(args["event"], args["kind"])
    may_publish(ctx, principal, event)
    payload: dict[str, object] = args["payload"]
    encode_payload(payload)  # refuses what is too large now, outside the writer's thread
    # A sender's keys are its own: a run's, so that work done anew says its things anew, or a person's.
    dedup_key = f"published:{principal.run_id or principal}:{args['key']}" if args["key"] else None
    wanted = Wanted(
        event, kind, args["summary"] or event, payload=payload, subject=args["subject"], dedup_key=dedup_key
    )

    def transaction(tx: Tx) -> dict[str, Any]:
        made, kept = put(ctx, tx, principal, wanted)
        if not made.fresh and not kept:
            _same(journal.get(tx, made.id), event, wanted.summary, payload)
        probe("publish.before_commit")
        return {"id": made.id, "seq": made.seq, "repeated": not made.fresh, "object": kept}

    return transaction


def _same(entry: Entry, event: str, summary: str, payload: dict[str, object]) -> None:
    """A repeated call says what the first one said; payloads that were erased since cannot be compared."""
    if (entry.type, entry.summary) == (event, journal.one_line(summary)) and entry.payload in (payload, None):
        return
    raise Conflict(
        "FLT-FAB-003",
        "this key was used for another event",
        where=entry.id,
        hint="A key repeats one call; take another key for another event.",
    )


def _named(event: str, kind: str) -> tuple[str, str]:
    """Type and kind of the entry; either may be left out where the other one fixes it."""
    if not event and not kind:
        raise UsageError("FLT-CTL-004", "nothing to publish", hint="Name an --event or a --kind.")
    name = event or kind
    known = BUILTIN.get(name)
    if known is None:
        return name, kind or "note"
    if kind and known.kind and kind != known.kind:
        raise UsageError("FLT-CTL-007", f"{name} is of kind {known.kind}, not {kind}", hint="Leave --kind out.")
    return name, known.kind


def may_publish(ctx: Context, principal: Principal, event: str) -> None:
    """Free-form kinds and declared events are published; the chain's own events come from their verbs."""
    if event in BUILTIN and event not in FABRIC_KINDS:
        source = SOURCES.get(event, "the component that records it")
        raise Refused("FLT-CTL-005", f"{event} cannot be published by hand; it comes from {source}", where=event)
    if principal.is_agent:
        member = ctx.loaded.config.agent(principal.name)
        declared = member.publishes if member is not None else ()
        if event not in principal.emits and event not in declared:
            raise Refused(
                "FLT-AUT-015",
                f"{principal.name} may not publish {event}",
                where=principal.run_id,
                hint="Its role does not emit it and its `publishes` does not declare it.",
            )
        return
    declared_events = {name for agent in ctx.loaded.config.agents for name in agent.publishes}
    if event not in BUILTIN and event not in declared_events:
        known = ", ".join(sorted(declared_events)) or "none"
        raise UsageError(
            "FLT-CTL-006",
            f"no agent declares the event {event}",
            where=event,
            hint=f"Declare it under an agent's `publishes:`. Declared so far: {known}.",
        )


def publish(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Publish and wait until it is durable."""
    return ctx.db.write(plan(ctx, principal, args))


HANDLERS: Handlers = {
    "fabric.publish": publish,
}
