"""``pr.merge`` and ``release.check``: the gate, and the one act that it guards.

The verdict with all its reasons is on record before the merge; the merge names the judged head, so a
push in between ends it; the outcome is on record once, whoever finds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fleet.control.approving import answer_open
from fleet.control.checkout import refresh_base, update_checkout
from fleet.control.context import Context, Handlers, live_pull, still_alive
from fleet.core.approval import ApprovalState
from fleet.core.decision import Decision, Verdict
from fleet.core.errors import Conflict, FleetError, Refused, TemporaryError
from fleet.core.journal import Draft, Entry, Stream
from fleet.core.live import LivePull, WantedCheck
from fleet.core.principal import Principal, PrincipalKind
from fleet.core.probe import probe
from fleet.dispatch.approvals import Waiting, ask, bound_content, not_asked_yet
from fleet.dispatch.facts import merge_facts
from fleet.dispatch.glance import reported
from fleet.dispatch.pullevents import author_of, conflict, pull_event
from fleet.dispatch.settle import finish_merge, is_settled
from fleet.dispatch.verdicts import approving_agents, without
from fleet.forge.gitrepo import Repo
from fleet.forge.port import Judged
from fleet.forge.refguard import look
from fleet.policy.approval import MERGE, bound_policy, question
from fleet.policy.decide import decide_merge
from fleet.policy.facts import MergeFacts
from fleet.policy.gates import approvers
from fleet.policy.record import recorded
from fleet.store import journal
from fleet.store.db import Tx

_DOES_NOT_MERGE = "FLT-FRG-006"


@dataclass(frozen=True, slots=True)
class Gate:
    """The merge gate's answer for one principal, and the facts it saw."""

    decision: Decision
    facts: MergeFacts


def gate(ctx: Context, principal: Principal, pull: LivePull) -> Gate:
    """Judge whether this principal may merge the live head now; records nothing."""
    commits, paths = ctx.live.commits(pull.number), ctx.live.changed_paths(pull.number)
    loaded = ctx.loaded
    content = bound_content(ctx.live, pull, bound_policy(MERGE, "", loaded.config, loaded.roles))
    said = reported(ctx.live, pull, fresh=True)
    facts = ctx.db.read(
        lambda tx: merge_facts(tx, pull, loaded.config, loaded.roles, principal, commits, paths, content, said)
    )
    return Gate(decide_merge(facts), facts)


def release_check(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """The gate as data. Changes nothing."""
    pull = live_pull(ctx, args["number"])
    return check_dict(gate(ctx, principal, pull), pull)


def check_dict(found: Gate, pull: LivePull) -> dict[str, Any]:
    """The gate's answer in the words that users of the public product know, with every reason."""
    mergeable = found.decision.verdict is Verdict.ALLOW
    return {
        "schema_version": 1,
        "pr_number": pull.number,
        "mergeable": mergeable,
        "verdict": str(found.decision.verdict),
        "reason": "approved" if mergeable else found.decision.binding[0].check,
        "detail": found.decision.text,
        "approved_by": list(approvers(found.facts)),
        "head": pull.head_sha,
        "events_considered": len(found.facts.verdicts),
        "reasons": [reason.as_dict() for reason in found.decision.reasons],
    }


def merge(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Merge exactly the live head (which is ``head``, where the caller names it), if the gate lets it through.

    Repeating a merge finds the first one. Raises Refused with policy's code (HOLD and DENY alike), Conflict
    FLT-FRG-005 when the head moved meanwhile, FLT-FRG-006 when it does not merge (its author hears of it).
    """
    with ctx.locks.held("merge"):  # the base moves by one merge at a time
        if ctx.forge.name != "local":  # the base branch is elsewhere, and may have moved
            refresh_base(ctx.db, ctx.forge, ctx.loaded.config.base)
        pull = live_pull(ctx, args["number"])
        if pull.state == "merged":
            return _found_merged(ctx, pull)
        if args.get("head", pull.head_sha) != pull.head_sha:
            raise Conflict("FLT-FRG-005", f"the head is {pull.head_sha} by now", where=pull.subject)
        look(ctx.db, Repo(ctx.paths.bare, bare=True), ctx.loaded.config.base)
        merge_commit = _judge_and_act(ctx, principal, pull)
        notes = _finish(ctx, principal, pull)
    return {"pr": pull.number, "merge_commit": merge_commit, "head": pull.head_sha, "notes": notes}


def _judge_and_act(ctx: Context, principal: Principal, pull: LivePull) -> str:
    """From the verdict to its outcome on record; gives the merge commit.

    A quarantine of an agent whose approval this rests on waits for it, or comes first and voids the approval: no
    review of this pull request is given meanwhile, so nobody approves past the doorway.
    """
    with ctx.locks.held(pull.subject):
        approving = ctx.db.read(lambda tx: approving_agents(tx, pull))
        with ctx.doorway.resting_on(approving, f"merge of {pull.subject}") as shut:
            judged = _allow(ctx, principal, pull, shut)
            probe("merge.intended")
            merge_commit = _act(ctx, principal, pull, judged)
            probe("merge.acted")
            ctx.db.write(lambda tx: _record(tx, principal, pull, pull.head_sha, merge_commit))
            probe("merge.recorded")
    return merge_commit


def _allow(ctx: Context, principal: Principal, pull: LivePull, shut: frozenset[str] = frozenset()) -> Judged:
    """One transaction judges and records; anything but ALLOW ends here. Returns what it was allowed on.

    ``shut`` names agents that are about to be quarantined: their approvals count no more.
    """
    commits, paths = ctx.live.commits(pull.number), ctx.live.changed_paths(pull.number)
    loaded = ctx.loaded
    content = bound_content(ctx.live, pull, bound_policy(MERGE, "", loaded.config, loaded.roles))
    said = reported(ctx.live, pull, fresh=True)

    wanted: tuple[WantedCheck, ...] = ()

    def decide(tx: Tx) -> Decision:
        nonlocal wanted
        still_alive(tx, principal)
        facts = without(
            merge_facts(tx, pull, loaded.config, loaded.roles, principal, commits, paths, content, said), shut
        )
        decision, wanted = decide_merge(facts), facts.wanted_checks
        allowed = decision.verdict is Verdict.ALLOW
        summary = f"{pull.subject} may be merged at {pull.head_sha[:12]}" if allowed else decision.text
        payload: dict[str, object] = {
            "decision": decision.as_dict(),
            "facts": recorded(facts),
            "head": pull.head_sha,
            "base": pull.base_sha,
        }
        journal.append(tx, _draft(principal, "merge.allowed" if allowed else "merge.refused", pull, summary, payload))
        if allowed and principal.is_human:
            answer_open(tx, principal, pull, content, ApprovalState.GRANTED, "merges it", loaded)
        why = question(MERGE, decision) if not allowed else ()
        if why and not_asked_yet(tx, pull, MERGE, content, tx.now):
            waiting = Waiting(str(principal), principal.name if principal.is_agent else "", principal.run_id, tx.now)
            ask(tx, pull, MERGE, content, why, waiting, loaded)
        return decision

    decision = ctx.db.write(decide)
    if decision.verdict is not Verdict.ALLOW:
        asked = question(MERGE, decision)
        raise Refused(
            decision.binding[0].code,
            f"{pull.subject} is not merged: {decision.text}",
            where=pull.subject,
            hint="A person answers it: fleet approvals."
            if asked
            else f"fleet why pr/{pull.number} tells what it waits for.",
        )
    return Judged(content.diff, wanted)


def _act(ctx: Context, principal: Principal, pull: LivePull, judged: Judged) -> str:
    """The merge itself. What ends it for good is put on record, so that the intent does not stay open."""
    try:
        made = ctx.forge.merge(pull.number, head_sha=pull.head_sha, actor=str(principal), judged=judged)
        return made.merge_commit
    except TemporaryError:
        raise  # nobody knows yet what became of it; the reconciler looks
    except FleetError as failure:
        error = failure
        ctx.db.write(lambda tx: _record_failure(tx, ctx, principal, pull, error))
        raise


def _record_failure(tx: Tx, ctx: Context, principal: Principal, pull: LivePull, error: FleetError) -> None:
    """An allowed merge that git would not do; where the branch no longer merges, its author hears of it."""
    text = f"{pull.subject} did not merge: {error.message}"
    payload: dict[str, object] = {"code": error.code, "head": pull.head_sha, "base": pull.base_sha}
    journal.append(tx, _draft(principal, "merge.refused", pull, text, payload))
    if isinstance(error, Conflict) and error.code == _DOES_NOT_MERGE:
        author = author_of(pull, ctx.loaded.config)
        journal.append(tx, conflict(pull, error.message, author=author, run_id=principal.run_id))


def _record(tx: Tx, principal: Principal, pull: LivePull, head: str, merge_commit: str) -> None:
    """The event, once for each pull request."""
    text = f"{principal} merged {pull.subject} at {head[:12]} as {merge_commit[:12]}"
    draft = pull_event(
        pull,
        "pr_merged",
        "status",
        str(principal),
        text,
        f"pr_merged:{pull.subject}",
        head=head,
        run_id=principal.run_id,
        more={"merge_commit": merge_commit},
    )
    journal.append(tx, draft)


def _found_merged(ctx: Context, pull: LivePull) -> dict[str, Any]:
    """A merge that was done before. What a crash left undone of one of ours is done now, in its name."""

    def complete(tx: Tx) -> Entry | None:
        intents = journal.select(tx, journal.Filter(type="merge.allowed", subject=pull.subject), limit=1000)
        meant = [entry for entry in intents if entry.generation == pull.merged_head]
        if not meant or is_settled(tx, pull.number):
            return None
        _record(tx, _as_recorded(meant[-1]), pull, pull.merged_head, pull.merge_commit)
        return meant[-1]

    intent = ctx.db.write(complete)
    notes = _finish(ctx, _as_recorded(intent), pull) if intent is not None else []
    return {"pr": pull.number, "merge_commit": pull.merge_commit, "head": pull.merged_head, "notes": notes}


def _as_recorded(entry: Entry) -> Principal:
    """Whoever made an entry, for further entries in the same name."""
    kind, _, name = entry.actor.partition(":")
    return Principal(PrincipalKind(kind), name, run_id=entry.run_id)


def _finish(ctx: Context, principal: Principal, pull: LivePull) -> list[str]:
    """Labels, the ticket and the person's checkout. None of it can undo the merge; returns what is left, in words."""
    notes: list[str] = []
    try:
        finish_merge(ctx.db, ctx.live, ctx.effects, pull, actor=str(principal))
        if ctx.forge.name != "local":
            refresh_base(ctx.db, ctx.forge, ctx.loaded.config.base)
    except TemporaryError as error:
        notes.append(f"labels follow later: {error.message}")
    return [*notes, *update_checkout(ctx.db, ctx.forge, pull, run_id=principal.run_id)]


def _draft(principal: Principal, kind: str, pull: LivePull, summary: str, payload: dict[str, object]) -> Draft:
    """An entry of the gate."""
    return Draft(
        Stream.DECISION,
        kind,
        str(principal),
        subject=pull.subject,
        summary=summary,
        payload=payload,
        generation=pull.head_sha,
        work_item=pull.work_item,
        run_id=principal.run_id,
    )


HANDLERS: Handlers = {
    "pr.merge": merge,
    "release.check": release_check,
}
