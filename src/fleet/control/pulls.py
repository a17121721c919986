"""``pr.push``: a commit becomes the head of a branch, and the branch has a pull request.

Intent on record, branch moved, outcome on record, pull request opened, labels set, event published. Every
step finds what an earlier attempt already did, so a push that a crash cut short is completed by the next.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet.control.context import Context, Handlers, own_ticket, still_alive
from fleet.core.errors import Conflict, NotFound, Refused, UsageError
from fleet.core.event import subject_kind, subject_number
from fleet.core.journal import Draft, Stream
from fleet.core.pin import text_digest
from fleet.core.principal import Principal
from fleet.core.probe import probe
from fleet.core.work import Run
from fleet.forge.gitrepo import Repo, git, head_of
from fleet.forge.port import Pull
from fleet.store import capabilities, journal, runs
from fleet.store.db import Tx

_BRANCHES = "fleet/"
_ON_PUSH = ("needs-review",)
_OFF_ON_PUSH = ("changes-requested", "approved")


@dataclass(frozen=True, slots=True)
class _Push:
    """What is pushed where: commit, the repository it comes from, branch, ticket (0 = none)."""

    sha: str
    source: Path
    branch: str
    ticket: int
    item: str


def push(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Push and open or update the pull request.

    A run pushes the head of its own clone to the branch of its own ticket; a person names a ``ref`` of the
    checkout and a ``ticket``. Raises UsageError FLT-CTL-012 when a run names either, FLT-CTL-013 when there is
    nothing to push, Conflict FLT-CTL-014 when the ticket is closed, and what the forge raises.
    """
    plan = _of_run(ctx, principal, args) if principal.is_agent else _of_person(ctx, args)
    title = args["title"] or _default_title(ctx, plan)
    with ctx.locks.held(plan.branch):
        old = ctx.forge.branch_head(plan.branch)
        ctx.db.write(lambda tx: _record(tx, principal, "push.intended", plan, old))
        ctx.forge.push(plan.source, plan.sha, plan.branch, expected_old=old)
        probe("push.acted")
        ctx.db.write(lambda tx: _record(tx, principal, "push.done", plan, old))
        pull = ctx.forge.open_pull(
            branch=plan.branch, title=title, body=args["body"], author=str(principal), ticket=plan.ticket
        )
        ctx.forge.set_labels(pull.number, add=_ON_PUSH, remove=_OFF_ON_PUSH, actor=str(principal))
        created = ctx.db.write(lambda tx: _announce(tx, principal, plan, pull))
    return {"pr": pull.number, "head": plan.sha, "created": created, "branch": plan.branch, "ticket": plan.ticket}


def _of_run(ctx: Context, principal: Principal, args: dict[str, Any]) -> _Push:
    """The head of the run's clone, to the branch of its ticket, of its lone pull request, or of its own.

    A run that was started by the clock has neither ticket nor pull request; it opens one from its own branch.
    """
    if args["ref"] or args["ticket"]:
        raise UsageError(
            "FLT-CTL-012", "a run pushes the head of its own clone for its own ticket", hint="Leave them out."
        )
    run = ctx.db.read(lambda tx: runs.get(tx, principal.run_id))
    clone = ctx.paths.clones / run.session
    ticket = own_ticket(principal)
    item = "" if subject_kind(run.work_item) == "agent" else run.work_item
    if ticket:
        _open_ticket(ctx, ticket)
        branch = f"{_BRANCHES}{ticket}"
    elif run.event_type == "schedule_due" and not _own_pulls(principal):
        branch = f"{_BRANCHES}{run.id}"
    else:
        pulls = _own_pulls(principal)
        if not pulls and run.subject.startswith("repo/"):
            raise _elsewhere(run)
        if not pulls:
            raise UsageError("FLT-CTL-013", "this run works on neither a ticket nor a pull request", where=run.id)
        branch = ctx.forge.pull(pulls[0]).head_ref
    sha = head_of(Repo(clone))
    if not sha:
        raise UsageError("FLT-CTL-013", "the clone has no commit to push", where=run.session, hint="Commit first.")
    return _Push(sha, clone, branch, ticket, item)


def _elsewhere(run: Run) -> Refused:
    """The error for an agent of an org that would change a repository that it only hears."""
    repo = "/".join(run.subject.split("/")[1:3])
    return Refused(
        "FLT-ORG-006",
        f"this run heard of {run.subject.removeprefix('repo/')}, and from an org nothing is pushed to a repository",
        where=run.id,
        hint=f"Let an agent of {repo} do it: one in that repository's own configuration, which works in its clone.",
    )


def _own_pulls(principal: Principal) -> list[int]:
    """The pull requests that a run may touch."""
    return sorted(subject_number(name) for name in principal.subjects if subject_kind(name) == "pr")


def _of_person(ctx: Context, args: dict[str, Any]) -> _Push:
    """A ref of the checkout (HEAD by default), to the branch of a ticket or to one named after the ref."""
    checkout = Repo(ctx.paths.checkout)
    ref, ticket = args["ref"] or "HEAD", args["ticket"]
    done = git(
        checkout, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}", accept=(0, 1, 128)
    )
    if not done.ok:
        raise NotFound("FLT-CTL-015", "no such branch, tag or commit in the checkout", where=ref)
    if ticket:
        _open_ticket(ctx, ticket)
        branch, item = f"{_BRANCHES}{ticket}", f"ticket/{ticket}"
    else:
        branch, item = _branch_named(checkout, ref), ""
    return _Push(done.text.strip(), ctx.paths.checkout, branch, ticket, item)


def _branch_named(checkout: Repo, ref: str) -> str:
    """``fleet/<name>`` for a branch of the checkout. Raises UsageError FLT-CTL-016 when the ref names none."""
    done = git(
        checkout, "rev-parse", "--abbrev-ref", "--verify", "--quiet", "--end-of-options", ref, accept=(0, 1, 128)
    )
    name = done.text.strip().removeprefix(_BRANCHES).replace("/", "-")
    if not done.ok or not name or name == "HEAD" or name.isdigit() or not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise UsageError(
            "FLT-CTL-016",
            "this ref does not name a branch that a pull request could be called after",
            where=ref,
            hint="Name a branch, or the ticket it is for: --ticket N.",
        )
    return _BRANCHES + name


def _open_ticket(ctx: Context, number: int) -> None:
    if ctx.forge.ticket(number).state != "open":
        raise Conflict(
            "FLT-CTL-014",
            "the ticket is closed; nothing more is pushed for it",
            where=f"ticket/{number}",
            hint="Open another ticket for further work.",
        )


def _default_title(ctx: Context, plan: _Push) -> str:
    """The ticket's title, else the branch's name."""
    return ctx.forge.ticket(plan.ticket).title if plan.ticket else plan.branch.removeprefix(_BRANCHES)


def _record(tx: Tx, principal: Principal, kind: str, plan: _Push, old: str) -> None:
    """Intent and outcome of the branch's move. A pull request's number is not known yet: the branch names it."""
    still_alive(tx, principal)
    moved = f"{old[:12] or 'nothing'} to {plan.sha[:12]}"
    word = "is about to move" if kind == "push.intended" else "moved"
    draft = Draft(
        Stream.ACTIVITY,
        kind,
        str(principal),
        subject=f"ticket/{plan.ticket}" if plan.ticket else "",
        generation=plan.sha,
        work_item=plan.item,
        summary=f"{plan.branch} {word} from {moved}",
        payload={"branch": plan.branch, "from": old, "to": plan.sha, "ticket": plan.ticket},
        run_id=principal.run_id,
    )
    journal.append(tx, draft)


def _announce(tx: Tx, principal: Principal, plan: _Push, pull: Pull) -> bool:
    """The event, once for each head; and from now on the run may touch what it made. True for a new one."""
    still_alive(tx, principal)
    subject = f"pr/{pull.number}"
    first = not journal.select(tx, journal.Filter(type="pr_created", subject=subject), limit=1)
    known = {"text": text_digest(pull.title, pull.body)} if first else {}
    made = journal.append(
        tx,
        Draft(
            Stream.EVENT,
            "pr_created" if first else "pr_updated",
            str(principal),
            subject=subject,
            summary=f"{principal} {'opened' if first else 'updated'} {subject} at {plan.sha[:12]}: {pull.title}",
            payload={
                "pr": pull.number,
                "ticket": plan.ticket,
                "branch": plan.branch,
                "head": plan.sha,
                "title": pull.title,
                "author": pull.author,
                **known,
            },
            kind="handoff",
            generation=plan.sha,
            work_item=plan.item or subject,
            run_id=principal.run_id,
            dedup_key=f"pr_pushed:{pull.number}:{plan.sha}",
        ),
    )
    if principal.is_agent:
        capabilities.extend_subjects(tx, principal.run_id, frozenset({subject}))
    return first and made.fresh


HANDLERS: Handlers = {
    "pr.push": push,
}
