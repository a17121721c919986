"""``pr.review`` and ``pr.waive``: what somebody said about exactly one head. Labels follow, they decide nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleet.control.approving import answer_open
from fleet.control.context import Context, Handlers, live_pull, still_alive
from fleet.control.merges import gate
from fleet.core.approval import ApprovalState
from fleet.core.decision import Decision, Verdict
from fleet.core.errors import NotFound, Refused
from fleet.core.journal import Draft, Stream
from fleet.core.live import LivePull
from fleet.core.principal import Principal
from fleet.dispatch.approvals import bound_content
from fleet.dispatch.facts import review_facts
from fleet.dispatch.pullevents import pull_event
from fleet.policy.approval import MERGE, Content, bound_policy
from fleet.policy.decide import decide_review
from fleet.policy.facts import ReviewFacts
from fleet.policy.record import recorded
from fleet.store import journal
from fleet.store.db import Tx

_SHOWN = 60_000  # characters of a review in its comment; the event holds all of it
_EVENTS = {"approve": "pr_approved", "request_changes": "pr_changes_requested"}


def review(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Approve a head, or ask for changes to it. Raises Refused with policy's code and reasons.

    Said twice it is on record once; a later word of the same principal at the same head replaces the earlier.
    """
    pull = live_pull(ctx, args["number"])
    policy = bound_policy(MERGE, "", ctx.loaded.config, ctx.loaded.roles)
    content = bound_content(ctx.live, pull, policy)

    def say_it(tx: Tx) -> None:
        say(tx, principal, pull, args, content)
        if principal.is_human:
            state = ApprovalState.GRANTED if args["verdict"] == "approve" else ApprovalState.REFUSED
            answer_open(tx, principal, pull, content, state, "by a review", ctx.loaded)

    with ctx.locks.held(pull.subject):
        judged(ctx, principal, pull, args["head"], args["verdict"], say_it)
        follow(ctx, principal, pull, args)
    return {"pr": pull.number, "head": pull.head_sha, "verdict": args["verdict"]}


def judged(
    ctx: Context, principal: Principal, pull: LivePull, head: str, verdict: str, then: Callable[[Tx], None]
) -> None:
    """Ask policy whether this principal may speak about this head, and do ``then`` in the same transaction.

    Raises Refused with policy's code; either way it is on record.
    """
    commits = ctx.live.commits(pull.number)

    def decide(tx: Tx) -> Decision:
        still_alive(tx, principal)
        facts = review_facts(tx, pull, ctx.loaded.roles, principal, head, commits)
        decision, before = decide_review(facts), journal.head(tx)
        if decision.verdict is Verdict.ALLOW:
            then(tx)
        if decision.verdict is not Verdict.ALLOW or journal.head(tx) != before:  # said twice it is on record once
            _record(tx, principal, pull, verdict, decision, facts)
        return decision

    decision = ctx.db.write(decide)
    if decision.verdict is not Verdict.ALLOW:
        raise Refused(decision.binding[0].code, decision.text, where=pull.subject)


def _who(principal: Principal) -> str:
    """A review's author in keys and markers: the run of an agent, else the person."""
    return principal.run_id or str(principal)


def say(tx: Tx, principal: Principal, pull: LivePull, args: Mapping[str, Any], content: Content | None = None) -> None:
    """The event, unless this principal's latest word on this content is the same already.

    ``args`` are verdict and body; ``content`` is what was there to see. A person's word is bound to all of it, an
    agent's to head and diff.
    """
    seal = content.seal if content is not None and principal.is_human else ""
    diff = content.diff if content is not None else ""
    kind = _EVENTS[args["verdict"]]
    said = [
        entry
        for name in _EVENTS.values()
        for entry in journal.select(tx, journal.Filter(type=name, subject=pull.subject), limit=10_000)
        if entry.generation == pull.head_sha and (entry.actor, entry.run_id) == (str(principal), principal.run_id)
    ]
    latest = max(said, key=lambda entry: entry.seq, default=None)
    bound = latest.payload or {} if latest is not None else {}
    if latest is not None and latest.type == kind and (bound.get("content", ""), bound.get("diff", "")) == (seal, diff):
        return
    again = f":{len(said) + 1}" if said else ""
    word = "approves" if kind == "pr_approved" else "wants changes to"
    draft = pull_event(
        pull,
        kind,
        "decision",
        str(principal),
        f"{principal} {word} {pull.subject} at {pull.head_sha[:12]}",
        f"review:{_who(principal)}:{pull.number}:{pull.head_sha}:{args['verdict']}{again}",
        run_id=principal.run_id,
        more={
            "verdict": args["verdict"],
            "body": args["body"],
            "run": principal.run_id,
            **({"content": seal} if seal else {}),
            **({"diff": diff} if diff else {}),
        },
    )
    journal.append(tx, draft)


def _record(tx: Tx, principal: Principal, pull: LivePull, verdict: str, decision: Decision, facts: ReviewFacts) -> None:
    allowed = decision.verdict is Verdict.ALLOW
    text = f"may review {pull.subject}" if allowed else f"may not review {pull.subject}: {decision.text}"
    journal.append(
        tx,
        Draft(
            Stream.DECISION,
            "review.allowed" if allowed else "review.refused",
            str(principal),
            subject=pull.subject,
            summary=f"{principal} {text}",
            payload={"verdict": verdict, "decision": decision.as_dict(), "facts": recorded(facts)},
            generation=pull.head_sha,
            work_item=pull.work_item,
            run_id=principal.run_id,
        ),
    )


def follow(ctx: Context, principal: Principal, pull: LivePull, args: Mapping[str, Any]) -> None:
    """The comment and the labels, for people who look at the forge; both repeatable."""
    word = "Approved" if args["verdict"] == "approve" else "Changes requested"
    ctx.forge.comment(
        pull.number,
        f"{word} at {pull.head_sha}.\n\n{args['body'][:_SHOWN]}".rstrip() + "\n",
        author=str(principal),
        marker=f"review:{_who(principal)}:{pull.number}:{pull.head_sha}:{args['verdict']}",
    )
    if args["verdict"] == "approve":
        label_if_passed(ctx, principal, pull)
    else:
        ctx.forge.set_labels(
            pull.number, add=("changes-requested",), remove=("needs-review", "approved"), actor=str(principal)
        )


def label_if_passed(ctx: Context, principal: Principal, pull: LivePull) -> None:
    """Put ``approved`` on once a person could merge this head as it stands."""
    now = live_pull(ctx, pull.number)
    if now.state != "open" or now.head_sha != pull.head_sha:
        return
    if gate(ctx, ctx.owner, now).decision.verdict is Verdict.ALLOW:
        ctx.forge.set_labels(
            now.number, add=("approved",), remove=("needs-review", "changes-requested"), actor=str(principal)
        )


def waive(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """A person does without one reviewer's answer at the live head. Raises NotFound FLT-AGT-001, FLT-FRG-002."""
    pull = live_pull(ctx, args["number"])
    if ctx.loaded.config.agent(args["agent"]) is None:
        raise NotFound("FLT-AGT-001", "no such agent", where=args["agent"], hint="fleet agent list shows the names")
    draft = Draft(
        Stream.EVENT,
        "review_waived",
        str(principal),
        subject=pull.subject,
        summary=f"{principal} does without {args['agent']}'s review of {pull.subject}: {args['reason']}",
        payload={
            "pr": pull.number,
            "ticket": pull.ticket,
            "head": pull.head_sha,
            "agent": args["agent"],
            "reason": args["reason"],
        },
        kind="decision",
        generation=pull.head_sha,
        work_item=pull.work_item,
        dedup_key=f"waived:{pull.number}:{pull.head_sha}:{args['agent']}",
    )
    ctx.db.write(lambda tx: journal.append(tx, draft))
    label_if_passed(ctx, principal, pull)
    return {"pr": pull.number, "head": pull.head_sha, "agent": args["agent"]}


HANDLERS: Handlers = {
    "pr.review": review,
    "pr.waive": waive,
}
