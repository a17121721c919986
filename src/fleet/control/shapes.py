"""How things look at a door: plain dicts with the same fields everywhere. Pure."""

from __future__ import annotations

from typing import Any

from fleet.core.approval import Approval
from fleet.core.board import Artifact, Blocker, Question, Task
from fleet.core.clock import SECOND
from fleet.core.journal import Entry
from fleet.core.work import LIVE_RUNS, Delivery, Run
from fleet.forge.port import Comment, LabelMark, Pull, Ticket
from fleet.policy.approval import Standing


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
        "restarts": run.restarts,
        "restart_at": run.restart_at if live else None,
        "restart_why": run.restart_why,
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


def approval_dict(found: Approval, now: Standing) -> dict[str, Any]:
    """A question to a person: ``state`` is on record, ``status`` is derived from what is live (``void``: see why)."""
    return {
        "id": found.id,
        "asked": found.asked,
        "subject": found.subject,
        "head": found.generation,
        "base": found.base,
        "work_item": found.work_item,
        "agent": found.agent,
        "state": str(found.state),
        "status": now.word,
        "changed": list(now.why),
        "content": found.content,
        "bound": dict(found.bound),
        "reasons": [dict(reason) for reason in found.reasons],
        "requested_at": found.requested_at,
        "expires_at": found.expires_at,
        "decided_at": found.decided_at,
        "decided_by": found.decided_by,
        "reason": found.reason,
    }


def review_dict(entry: Entry, head: str, void: str = "") -> dict[str, Any]:
    """A verdict or a waiver; ``current`` says whether it speaks of the live head, ``void`` why it counts no more."""
    payload = entry.payload or {}
    verdicts = {"pr_approved": "approve", "pr_changes_requested": "request_changes", "review_waived": "waived"}
    return {
        "verdict": verdicts[entry.type],
        "by": entry.actor,
        "run": entry.run_id,
        "head": entry.generation,
        "current": bool(head) and entry.generation == head,
        "void": void,
        "body": payload.get("body") or payload.get("reason") or "",
        "waived_agent": payload.get("agent", "") if entry.type == "review_waived" else "",
        "at": entry.at,
        "entry": entry.id,
    }


def task_dict(task: Task, now: int) -> dict[str, Any]:
    """A task; ``lease_left`` is seconds, null without a claim. The token's hash stays in the store."""
    return {
        "number": task.number,
        "title": task.title,
        "body": task.body,
        "state": str(task.state),
        "subject": task.subject,
        "work_item": task.work_item,
        "offered_by": task.offered_by,
        "holder": task.holder,
        "holder_run": task.holder_run,
        "claim": task.claims,
        "lease_until": task.lease_until or None,
        "lease_left": round(max(0, task.lease_until - now) / SECOND, 3) if task.lease_until else None,
        "outcome": task.outcome,
        "created_at": task.created_at,
        "updated_at": task.updated_at,
    }


def question_dict(question: Question) -> dict[str, Any]:
    """A question to people; ``answer`` is "" while it is open."""
    return {
        "number": question.number,
        "text": question.body,
        "state": str(question.state),
        "asker": question.asker,
        "run": question.run_id,
        "subject": question.subject,
        "work_item": question.work_item,
        "answer": question.answer,
        "answered_by": question.answered_by,
        "asked_at": question.asked_at,
        "answered_at": question.answered_at,
    }


def blocker_dict(blocker: Blocker) -> dict[str, Any]:
    """What stands in the way; ``told`` is the inbox that heard of it."""
    return {
        "number": blocker.number,
        "text": blocker.body,
        "state": str(blocker.state),
        "opened_by": blocker.opened_by,
        "run": blocker.run_id,
        "subject": blocker.subject,
        "work_item": blocker.work_item,
        "told": blocker.told,
        "resolution": blocker.resolution,
        "resolved_by": blocker.resolved_by,
        "opened_at": blocker.opened_at,
        "resolved_at": blocker.resolved_at,
    }


def artifact_dict(artifact: Artifact) -> dict[str, Any]:
    """What is known of an artifact; its content is asked for by its number."""
    return {
        "number": artifact.number,
        "name": artifact.name,
        "size": artifact.size,
        "sha256": artifact.sha256,
        "subject": artifact.subject,
        "work_item": artifact.work_item,
        "put_by": artifact.put_by,
        "run": artifact.run_id,
        "entry": artifact.entry_id,
        "at": artifact.at,
    }
