"""How things look at a door: plain dicts with the same fields everywhere. Pure."""

from __future__ import annotations

from typing import Any

from fleet.core.clock import SECOND
from fleet.core.journal import Entry
from fleet.core.work import LIVE_RUNS, Delivery, Run
from fleet.forge.port import Comment, LabelMark, Pull, Ticket


def label_names(marks: tuple[LabelMark, ...]) -> list[str]:
    """The names of labels, sorted."""
    return sorted(mark.name for mark in marks)


def ticket_dict(ticket: Ticket) -> dict[str, Any]:
    """A ticket."""
    return {
        "number": ticket.number,
        "title": ticket.title,
        "body": ticket.body,
        "state": ticket.state,
        "author": ticket.author,
        "labels": label_names(ticket.labels),
        "created_at": ticket.created_at,
        "updated_at": ticket.updated_at,
    }


def pull_dict(pull: Pull) -> dict[str, Any]:
    """A pull request."""
    return {
        "number": pull.number,
        "title": pull.title,
        "body": pull.body,
        "state": pull.state,
        "author": pull.author,
        "ticket": pull.ticket,
        "branch": pull.head_ref,
        "base": pull.base_ref,
        "head": pull.head_sha,
        "base_head": pull.base_sha,
        "labels": label_names(pull.labels),
        "merged_head": pull.merged_head,
        "merge_commit": pull.merge_commit,
        "created_at": pull.created_at,
        "updated_at": pull.updated_at,
    }


def comment_dict(comment: Comment) -> dict[str, Any]:
    """A remark."""
    return {"author": comment.author, "body": comment.body, "at": comment.at}


def run_dict(run: Run, now: int) -> dict[str, Any]:
    """A run; ``seconds`` is the time it used, so far for a live one."""
    live = run.state in LIVE_RUNS
    seconds = (now - run.started_at) / SECOND if live and run.started_at else run.used_seconds
    return {
        "id": run.id,
        "agent": run.agent,
        "role": run.role,
        "state": str(run.state),
        "subject": run.subject,
        "work_item": run.work_item,
        "generation": run.generation,
        "event_type": run.event_type,
        "attempt": run.attempt,
        "epoch": run.epoch,
        "session": run.session if run.epoch else "",
        "parent_run": run.parent_run,
        "seconds": round(seconds, 3),
        "allowance_seconds": run.allowance_seconds,
        "allowance_kind": run.allowance_kind,
        "stopping": run.cancel_reason if live else "",
        "cancel_reason": run.cancel_reason,
        "exit_code": run.exit_code,
        "outcome": run.outcome,
        "escrow_ref": run.escrow_ref,
        "escrow_sha": run.escrow_sha,
        "queued_at": run.queued_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }


def delivery_dict(delivery: Delivery) -> dict[str, Any]:
    """One event for one agent, with why it stands where it stands."""
    return {
        "id": delivery.id,
        "agent": delivery.agent,
        "event_type": delivery.event_type,
        "subject": delivery.subject,
        "work_item": delivery.work_item,
        "generation": delivery.generation,
        "attempt": delivery.attempt,
        "state": str(delivery.state),
        "reason": delivery.reason,
        "not_before": delivery.not_before,
        "run": delivery.run_id,
        "updated_at": delivery.updated_at,
    }


def review_dict(entry: Entry, head: str) -> dict[str, Any]:
    """A verdict or a waiver; ``current`` says whether it speaks of the live head."""
    payload = entry.payload or {}
    verdicts = {"pr_approved": "approve", "pr_changes_requested": "request_changes", "review_waived": "waived"}
    return {
        "verdict": verdicts[entry.type],
        "by": entry.actor,
        "run": entry.run_id,
        "head": entry.generation,
        "current": bool(head) and entry.generation == head,
        "body": payload.get("body") or payload.get("reason") or "",
        "waived_agent": payload.get("agent", "") if entry.type == "review_waived" else "",
        "at": entry.at,
        "entry": entry.id,
    }
