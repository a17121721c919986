"""What people are asked: list it, show all that is needed to answer, grant, deny. An answer holds for one content."""

from __future__ import annotations

import re
from typing import Any

from fleet.control import shapes
from fleet.control.approving import answer
from fleet.control.context import Context, Handlers, live_pull
from fleet.control.merges import merge
from fleet.control.proofs import outcomes, risk_rows
from fleet.control.queries import review_dicts
from fleet.control.reviews import follow, judged, label_if_passed, say
from fleet.core.approval import Approval, ApprovalState
from fleet.core.errors import Conflict, NotFound, TemporaryError
from fleet.core.event import BUILTIN, subject_number
from fleet.core.journal import Entry, Stream
from fleet.core.live import LivePull
from fleet.core.principal import Principal
from fleet.core.probe import probe
from fleet.dispatch.approvals import bound_content
from fleet.dispatch.glance import NOTHING_REPORTED, reported
from fleet.dispatch.lineage import author_atoms
from fleet.forge.gitrepo import Repo
from fleet.forge.pullgit import diff_stat, diff_text
from fleet.policy.approval import Content, Standing, bound_policy, standing
from fleet.store import approvals as rows
from fleet.store import journal, runs
from fleet.store.db import Tx

_DIFF_LIMIT = 200_000  # characters
_EVENTS = 1000
_PULL = re.compile(r"(?:pr/|#)?([1-9][0-9]{0,14})")


def approvals(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Questions that wait for a person; with ``all`` also those answered, expired or void."""
    found = ctx.db.read(rows.recent if args["all"] else rows.requested)
    shown = [shapes.approval_dict(one, _standing(ctx, one)) for one in found]
    return {"approvals": [one for one in shown if args["all"] or one["status"] == ApprovalState.REQUESTED]}


def open_questions(ctx: Context, *, limit: int) -> list[dict[str, Any]]:
    """What waits for a person, for the status; where the forge cannot be asked, as it was asked."""
    found = ctx.db.read(lambda tx: rows.requested(tx, limit=limit))
    shown = []
    for one in found:
        try:
            shown.append(shapes.approval_dict(one, _standing(ctx, one)))
        except TemporaryError:
            shown.append(shapes.approval_dict(one, Standing(str(one.state))))
    return [one for one in shown if one["status"] == ApprovalState.REQUESTED]


def show(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """All that an approver needs, the diff at that commit included. Raises NotFound FLT-APR-001, FLT-APR-004."""
    found = _named(ctx, args["id"])
    number = subject_number(found.subject)
    live, commits = live_pull(ctx, number), ctx.live.commits(number)
    ticket = ctx.live.ticket(live.ticket) if live.ticket else None
    checks = reported(ctx.live, live) if live.head_sha == found.generation else NOTHING_REPORTED

    def read(tx: Tx) -> dict[str, Any]:
        authors, events = author_atoms(tx, live, commits), _other_events(tx, found)
        behind = [atom.removeprefix("agent:") for atom in authors if atom.startswith("agent:")]
        its_runs = runs.for_work_item(tx, found.work_item)
        said = review_dicts(tx, found.subject, live.head_sha)
        return {
            "authors": sorted(authors),
            "risk": risk_rows(tx, [*behind, found.agent] if found.agent else behind),
            "tests": outcomes(checks, events, ctx.loaded),
            "reviews": [one for one in said if one["head"] == found.generation],
            "events": [_event(one) for one in events],
            "runs": [shapes.run_dict(run, tx.now) for run in its_runs],
            "used_seconds": round(sum(run.used_seconds for run in its_runs), 3),
        }

    bare = Repo(ctx.paths.bare)
    return {
        "approval": shapes.approval_dict(found, _standing(ctx, found)),
        "pr": {
            "number": number,
            "title": live.title,
            "body": live.body,
            "author": live.author,
            "state": live.state,
            "head": live.head_sha,
        },
        "ticket": None
        if ticket is None
        else {"number": ticket.number, "title": ticket.title, "body": ticket.body, "author": ticket.author},
        **ctx.db.read(read),
        "diffstat": [
            {"path": path, "added": added, "removed": removed}
            for path, added, removed in diff_stat(bare, found.base, found.generation)
        ],
        "diff": diff_text(bare, found.base, found.generation, _DIFF_LIMIT),
    }


def grant(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Let it go on: what waits is judged again at once, and merges exactly this head.

    Where no agent waits, the merge is done now, in the person's name. Raises NotFound FLT-APR-001/004, Conflict
    FLT-APR-002 when it is answered already, FLT-APR-003 when the content is another one by now, Refused with
    policy's code (an author never approves), and what a merge raises.
    """
    found = _named(ctx, args["id"])
    live = live_pull(ctx, subject_number(found.subject))
    with ctx.locks.held(live.subject):
        content = _still_asked(ctx, found, live, args, granting=str(principal))
        if found.state is ApprovalState.REQUESTED:

            def record(tx: Tx) -> None:
                _answer(tx, ctx, principal, found, ApprovalState.GRANTED, args["reason"])

            judged(ctx, principal, live, content.head, "approve", record)
            probe("approve.after_commit")
    merged = None
    if found.agent:
        label_if_passed(ctx, principal, live)
    else:
        merged = merge(ctx, principal, {"number": live.number, "head": content.head})["merge_commit"]
    return {"approval": _now(ctx, found.id), "waiting": found.agent, "merged": merged}


def deny(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Refuse: the change goes back to its author with the reason, as after a review. Raises as ``grant``."""
    found = _named(ctx, args["id"])
    live = live_pull(ctx, subject_number(found.subject))
    words = {"verdict": "request_changes", "body": args["reason"]}
    with ctx.locks.held(live.subject):
        content = _still_asked(ctx, found, live, {})

        def record(tx: Tx) -> None:
            _answer(tx, ctx, principal, found, ApprovalState.REFUSED, args["reason"])
            say(tx, principal, live, words, content)

        judged(ctx, principal, live, content.head, "request_changes", record)
        follow(ctx, principal, live, words)
    return {"approval": _now(ctx, found.id), "author": live.author}


def _answer(tx: Tx, ctx: Context, principal: Principal, found: Approval, state: ApprovalState, reason: str) -> None:
    """Record the answer. Raises Conflict FLT-APR-002 when another one is on record: nothing is kept then."""
    if not answer(tx, principal, found, state, reason, ctx.loaded):
        raise _answered(rows.get(tx, found.id))


def _named(ctx: Context, name: str) -> Approval:
    """An approval by its id, or the open question about a pull request. Raises NotFound FLT-APR-001, FLT-APR-004."""
    number = _PULL.fullmatch(name)
    if number is None:
        return ctx.db.read(lambda tx: rows.get(tx, name))
    subject = f"pr/{number[1]}"
    head = live_pull(ctx, int(number[1])).head_sha
    at_head = ctx.db.read(lambda tx: rows.at_head(tx, subject, head))
    asked = [one for one in at_head if one.state is ApprovalState.REQUESTED]
    if not asked:
        raise NotFound(
            "FLT-APR-004", "nobody is asked about this pull request at its head", where=subject,
            hint=f"fleet why {subject} tells what it waits for.",
        )  # fmt: skip
    return asked[-1]


def _still_asked(ctx: Context, found: Approval, live: LivePull, seen: dict[str, Any], *, granting: str = "") -> Content:
    """The live content, if the question is open and about exactly this (and the caller saw exactly this).

    Granted by ``granting`` already is fine: a repeated call goes on where the first one ended.
    """
    content = _live_content(ctx, found, live)
    now = standing(found, live.state, content, ctx.db.clock.now())
    if now.word in (ApprovalState.REFUSED, ApprovalState.EXPIRED):
        raise _answered(found)
    if now.word == "void":
        raise Conflict(
            "FLT-APR-003",
            f"{'; '.join(now.why)}; this approval is void and nothing was decided",
            where=found.id,
            hint=f"The head is {live.head_sha or 'gone'}. What is asked now: fleet approvals.",
        )
    if now.word == ApprovalState.GRANTED and found.decided_by != granting:
        raise _answered(found)
    for name, mine in (("head", content.head), ("content", content.seal)):
        if seen.get(name) and seen[name] != mine:
            raise Conflict(
                "FLT-APR-003",
                f"the {name} is {mine} by now, not what you saw; nothing was decided",
                where=found.id,
                hint=f"Look at it again: fleet approvals show {found.id}",
            )
    return content


def _answered(found: Approval) -> Conflict:
    """Somebody was first, or nobody in time."""
    if found.state is ApprovalState.EXPIRED or found.state is ApprovalState.REQUESTED:
        text = "this approval expired"
        again = f"fleet agent start {found.agent or 'NAME'} --subject {found.subject}"
        hint = f"It is asked again when the work comes up again: {again}"
        return Conflict("FLT-APR-002", text, where=found.id, hint=hint)
    word = "granted" if found.state is ApprovalState.GRANTED else "refused"
    why = f": {found.reason}" if found.reason else ""
    return Conflict(
        "FLT-APR-002", f"{found.decided_by} {word} this approval already{why}", where=found.id,
        hint="fleet approvals --all shows every answer.",
    )  # fmt: skip


def _now(ctx: Context, approval_id: str) -> dict[str, Any]:
    found = ctx.db.read(lambda tx: rows.get(tx, approval_id))
    return shapes.approval_dict(found, Standing(str(found.state)))


def _standing(ctx: Context, found: Approval) -> Standing:
    """How it stands by the live state; settled ones are not compared with anything."""
    if found.state in (ApprovalState.REFUSED, ApprovalState.EXPIRED):
        return Standing(str(found.state))
    live = ctx.live.pull(subject_number(found.subject))
    if live is None:
        return Standing("void", (f"there is no {found.subject}",))
    return standing(found, live.state, _live_content(ctx, found, live), ctx.db.clock.now())


def _live_content(ctx: Context, found: Approval, live: LivePull) -> Content:
    """What an answer to this question would be bound to now."""
    return bound_content(ctx.live, live, bound_policy(found.asked, found.agent, ctx.loaded.config, ctx.loaded.roles))


def _other_events(tx: Tx, found: Approval) -> list[Entry]:
    """What agents put on record about this head beside reviews: their own events, such as qa_passed."""
    wanted = journal.Filter(stream=Stream.EVENT, subject=found.subject)
    entries = journal.select(tx, wanted, limit=_EVENTS, newest=True)
    return [one for one in entries if one.generation == found.generation and one.type not in BUILTIN]


def _event(entry: Entry) -> dict[str, Any]:
    return {"type": entry.type, "by": entry.actor, "summary": entry.summary, "at": entry.at, "entry": entry.id}


HANDLERS: Handlers = {
    "approvals": approvals,
    "approval.show": show,
    "approval.grant": grant,
    "approval.deny": deny,
}
