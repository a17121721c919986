"""The registry of journal types: every event and every recorded fact, with who may produce it.

``docs/reference/events.md`` is generated from this file; tests compare the two, and compare the table
with the types that the source really appends, in both directions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fleet.core.journal import Stream

FABRIC_KINDS = ("task", "claim", "handoff", "blocker", "artifact", "decision", "note", "status")

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class EventType:
    """One type: its stream, who produces it, what its subject is, and what it says."""

    name: str
    stream: Stream
    producers: tuple[str, ...]  # of: forge, agent, human, system
    subject: str  # ticket, pr, agent, run, fleet or any
    says: str
    kind: str = ""


def _event(name: str, producers: str, subject: str, says: str, kind: str = "status") -> EventType:
    return EventType(name, Stream.EVENT, tuple(producers.split()), subject, says, kind)


def _decision(name: str, producers: str, subject: str, says: str) -> EventType:
    return EventType(name, Stream.DECISION, tuple(producers.split()), subject, says)


def _activity(name: str, producers: str, subject: str, says: str) -> EventType:
    return EventType(name, Stream.ACTIVITY, tuple(producers.split()), subject, says)


_ALL = (
    # The chain. Names as users of the public product know them.
    _event("ticket_created", "forge", "ticket", "A ticket was opened."),
    _event("ticket_ready", "forge", "ticket", "A ticket carries the label `ready` (and `required_label`).", "task"),
    _event("ticket_edited", "forge", "ticket", "The text of a ticket changed after it was marked ready."),
    _event("ticket_unready", "forge", "ticket", "What made an open ticket ready was taken off; its author stops."),
    _event("ticket_closed", "forge", "ticket", "A ticket was closed, and no merge did it; its agents stop."),
    _event("ticket_shipped", "forge", "ticket", "A ticket carries the label `shipped`."),
    _event("pr_created", "agent human", "pr", "A branch was pushed and its pull request opened.", "handoff"),
    _event("pr_updated", "agent human", "pr", "New commits were pushed to an open pull request.", "handoff"),
    _event("pr_needs_review", "forge", "pr", "A pull request carries `needs-review` at this head.", "task"),
    _event("pr_approved", "agent human", "pr", "A reviewer approved exactly this head.", "decision"),
    _event("pr_changes_requested", "agent human", "pr", "A reviewer wants changes at this head.", "decision"),
    _event("pr_conflict", "system", "pr", "The pull request no longer merges; goes back to its author.", "blocker"),
    _event("pr_edited", "forge", "pr", "The text of a pull request is not the one that is known of it any more."),
    _event("pr_head_moved", "system", "pr", "The head moved, and no push through the fleet announced it."),
    _event("pr_branch_deleted", "system", "pr", "The branch of a pull request that was not merged is gone."),
    _event("pr_retargeted", "system", "pr", "The pull request is to go into another branch than the fleet's base."),
    _event("ci_fail", "system", "pr", "A check of this head failed; goes to the author.", "blocker"),
    _event("ci_pass", "system", "pr", "Every check of this head passed."),
    _event("pr_merged", "agent human system", "pr", "The approved head was merged."),
    _event("pr_closed", "forge", "pr", "A pull request was closed without a merge."),
    _event("review_waived", "human", "pr", "A person waived one reviewer's answer at this head.", "decision"),
    _event("work_returned", "system human", "any", "Work without its result is offered again.", "task"),
    _event("agent_start_requested", "agent human", "any", "Somebody started an agent by hand.", "task"),
    _event("schedule_due", "system", "agent", "An agent's schedule is due; the agent is to start.", "task"),
    _event("agent_quarantined", "system human", "agent", "An agent was taken out of service."),
    # Free-form Fabric entries.
    _event("task", "agent human", "any", "Work offered on the Fabric.", "task"),
    _event("claim", "agent human", "any", "Work taken on.", "claim"),
    _event("handoff", "agent human", "any", "Work passed on.", "handoff"),
    _event("blocker", "agent human", "any", "Something stands in the way.", "blocker"),
    _event("artifact", "agent human", "any", "A result worth keeping.", "artifact"),
    _event("decision", "agent human", "any", "A choice and its reason.", "decision"),
    _event("note", "agent human", "any", "A remark for whoever comes next.", "note"),
    _event("status", "agent human", "any", "Where the sender stands.", "status"),
    # What becomes of tasks and blockers on the Fabric.
    _event(
        "task_returned", "agent human system", "any", "A claim ended without its work done; the task is open.", "task"
    ),
    _event("task_completed", "agent human", "any", "A claimed task is done.", "task"),
    _event("task_withdrawn", "agent human", "any", "A task was taken off the list.", "task"),
    _event("blocker_resolved", "agent human", "any", "What stood in the way is gone.", "blocker"),
    # Decisions.
    _decision("delivery.dispatched", "system", "any", "Policy allowed a start; a run was queued."),
    _decision("delivery.held", "system", "any", "Policy said not yet, and why."),
    _decision("delivery.denied", "system human", "any", "Policy said no, or the event went stale, and why."),
    _decision("delivery.dead_lettered", "system", "any", "Every attempt failed; a person has to look."),
    _decision("dead_letter.replayed", "human", "any", "A person had given-up work offered to its agent again."),
    _decision("dead_letter.discarded", "human", "any", "A person said why given-up work is not needed any more."),
    _decision("schedule.skipped", "system", "agent", "Scheduled starts were missed and are not made up for."),
    _decision("approval.requested", "agent human system", "pr", "A person is asked, and what the answer is bound to."),
    _decision("approval.granted", "human", "pr", "A person approved exactly this content."),
    _decision("approval.refused", "human", "pr", "A person refused, and why."),
    _decision("approval.expired", "system", "pr", "Nobody answered in time, or a grant was not used in time."),
    _decision("merge.allowed", "agent human", "pr", "The merge gate passed at this head; the merge was intended."),
    _decision("merge.refused", "agent human", "pr", "The merge gate refused, and on which fact."),
    _decision("review.allowed", "agent human", "pr", "A word about this head counts, and on which facts."),
    _decision("review.refused", "agent human", "pr", "A review was refused, and on which fact."),
    _decision("request.refused", "agent human system", "any", "A caller was not who or what it would have to be."),
    _decision("agent.stop_requested", "agent human", "agent", "Somebody asked an agent's runs to end."),
    _decision("ticket.cancel_requested", "human", "ticket", "A person cancelled the work on a ticket, and why."),
    _decision("ticket.retry_requested", "human", "ticket", "A person asked for lost work of a ticket again."),
    _decision("ticket.close_requested", "human", "ticket", "A person closes a ticket without ending its runs."),
    _decision("ticket.reopen_requested", "human", "ticket", "A person opens a closed ticket again."),
    _decision("comment.requested", "human", "any", "A person remarks upon a ticket or pull request."),
    _decision("pr.close_requested", "human", "pr", "A person closes a pull request without a merge, and why."),
    _decision("task.assign_requested", "human", "any", "A person gave work to named agents."),
    _decision(
        "agent.state_changed", "human system", "agent", "An agent was activated, paused, quarantined or retired."
    ),
    _decision("agent.quarantined", "system human", "agent", "An agent was taken out of service, and on which facts."),
    _decision("agent.released", "human", "agent", "A person let an agent back into service, on probation."),
    _decision("agent.probation_ended", "system", "agent", "A released agent showed enough runs that went well."),
    _decision("agent.end_unsaved", "human", "agent", "A person ends frozen sessions whose work cannot be saved."),
    _decision("risk.level_changed", "system", "agent", "The level of an agent's risk, and what made it so."),
    _decision("risk.labelled", "human", "any", "A person said whether an agent was to be held back at that moment."),
    _decision("risk.model_applied", "human", "fleet", "Coefficients fitted on labels hold from now on."),
    _decision("config.change_intended", "human system", "fleet", "The configuration file is about to be replaced."),
    _decision("config.change_abandoned", "human system", "fleet", "A meant change never reached the file."),
    _decision("config.accepted", "human system", "fleet", "A configuration came into force, by its hash."),
    _decision("config.refused", "human system", "fleet", "A file was not taken into force, and for which faults."),
    _decision("budget.warned", "system", "any", "A budget is nearly used up; said once in each window."),
    _decision("budget.exhausted", "system", "any", "A budget was used up; the run was frozen, saved and stopped."),
    _decision(
        "budget.granted", "human", "any", "A person gave seconds, tokens or dollars on top of a budget, and why."
    ),
    _decision("limit.released", "human", "any", "A person let go on what a limit on loops held, and why."),
    _decision("fleet.halted", "human system", "fleet", "A person ended every run; nothing starts until one resumes."),
    _decision("fleet.resumed", "human", "fleet", "A person let starts happen again; what was halted comes back."),
    _decision("payload.erased", "human", "any", "A payload was erased from an entry; its proof stays."),
    _decision("question.answered", "human", "any", "A person answered what an agent asked."),
    _decision("audit.key_introduced", "system", "fleet", "The first key that signs for this fleet."),
    _decision("audit.key_rotated", "human", "fleet", "Another key signs from now on; the old one signed for it."),
    _decision("journal.archived", "human", "fleet", "A part of the journal was sealed in a file; its entries left."),
    _decision("checkpoint.refused", "system", "fleet", "No checkpoint was signed, because something does not fit."),
    _decision("tool.refused", "system", "run", "A session may not use a tool, and why."),
    _decision("provider.parked", "system", "fleet", "A model provider refused; nothing starts there for a while."),
    _decision("provider.released", "human", "fleet", "A person let sessions start at a parked provider again."),
    _decision("permission.answered", "human", "run", "A person answered whether a session may use a tool."),
    _decision(
        "store.restored", "human", "fleet", "A backup took the place of the fleet's state; what lived was ended."
    ),
    _decision("artifact.removed", "human", "any", "A person removed an artifact."),
    _decision("base.unexplained", "system", "fleet", "The base branch moved past the fleet; merges wait for a person."),
    _decision("base.moved_by_person", "system", "fleet", "The base branch moved past the fleet, by known people."),
    _decision("base.accepted", "human", "fleet", "A person said what an unexplained movement was."),
    _decision("branch.unexplained", "system", "fleet", "A branch of the fleet moved without an announced push."),
    # Activity.
    _activity("daemon.started", "system", "fleet", "The daemon came up on this store."),
    _activity("daemon.stopped", "system", "fleet", "The daemon went down in order."),
    _activity("event.routed", "system", "any", "An event was matched with its subscribers."),
    _activity("delivery.returned", "system", "any", "An expired claim on a delivery was given back."),
    _activity("run.stop_requested", "system", "run", "A run is to end, because the forge says that its work is off."),
    _activity("run.starting", "system", "run", "A runner took the run and will launch its session."),
    _activity("handbook.compiled", "system", "run", "What a session reads about itself, by hash, and its sources."),
    _activity("run.started", "system", "run", "The session of a run is alive."),
    _activity(
        "run.restarting", "system", "run", "A run's agent died and is to be resumed in its session; why and when."
    ),
    _activity("run.restarted", "system", "run", "A run's agent was resumed in its own session and clone."),
    _activity("run.frozen", "system", "run", "A run's processes stand still: its work could not be saved."),
    _activity("run.left_alone", "system", "run", "A run's shim is of a newer program; the daemon does nothing to it."),
    _activity("run.succeeded", "system", "run", "A run ended with its expected event on record."),
    _activity("run.failed", "system", "run", "A run ended without its expected event, or with an error."),
    _activity("run.timed_out", "system", "run", "A run passed its time limit and was stopped."),
    _activity("run.over_budget", "system", "run", "A run reached its agent's budget and was stopped."),
    _activity("run.cancelled", "system", "run", "A run was stopped on request."),
    _activity("run.lost", "system", "run", "A run's processes vanished without a record."),
    _activity("session.told", "system", "run", "A session stopped too early and was told what is missing."),
    _activity("session.failed", "system", "run", "A session cannot bring its run to its end, and why."),
    _activity("permission.asked", "system", "run", "A session asks whether it may use a tool."),
    _activity("permission.expired", "system", "run", "Nobody answered in time whether a tool may be used: no."),
    _activity("conversation.said", "system", "run", "Something was said in a session, or a tool was used."),
    _activity("push.intended", "agent human", "ticket", "A branch is about to move from one commit to another."),
    _activity("push.done", "agent human", "ticket", "A branch moved."),
    _activity("ticket.cancelled", "human", "ticket", "A cancelled ticket and its pull request are closed."),
    _activity("ticket.retried", "human", "ticket", "Lost work of a ticket was offered again."),
    _activity("ticket.closed", "human", "ticket", "A ticket was closed by a person."),
    _activity("ticket.reopened", "human", "ticket", "A ticket was opened again by a person."),
    _activity("comment.written", "human", "any", "A remark stands on a ticket or pull request."),
    _activity("pr.closed", "human", "pr", "A pull request was closed by a person."),
    _activity("task.assigned", "human", "any", "Agents were asked to start on their tickets."),
    _activity("operation.given_up", "human", "any", "What a person asked cannot be done at the forge."),
    _activity("base.first_seen", "system", "fleet", "Where the base branch was when checking its movements began."),
    _activity("base.fetch_intended", "system", "fleet", "The base branch is about to move to what the checkout has."),
    _activity("base.fetched", "system", "fleet", "New commits of the base branch came in from the checkout."),
    _activity("base.diverged", "system", "fleet", "The checkout and the fleet disagree about the base branch."),
    _activity("pull.read_failed", "system", "pr", "The commits of a pull request cannot be read; it alone waits."),
    _activity("pull.read_recovered", "system", "pr", "What could not be read of a pull request holds it up no more."),
    _activity("checkout.updated", "system", "fleet", "The person's checkout was fast-forwarded."),
    _activity("checkout.left_alone", "system", "fleet", "The person's checkout was not touched, and why."),
    _activity("question.asked", "agent human", "any", "An agent asked a person."),
    _activity("message.sent", "human", "agent", "A person wrote to an agent."),
    _activity("remarks.passed_on", "system", "any", "An agent at work was told of words that came after its start."),
    _activity("message.delivered", "agent human system", "any", "Messages were shown to their reader."),
    _activity("message.consumed", "agent human", "any", "Their reader acknowledged messages."),
    _activity("message.returned", "system", "agent", "Messages of an agent that left the fleet went to people."),
    _activity("gc.planned", "human system", "fleet", "What is about to be cleared away, each thing with its reason."),
    _activity("gc.done", "human system", "fleet", "What was cleared away, with its bytes, and what stayed after all."),
    _activity("collision.found", "system", "pr", "Two open branches no longer merge with each other; both were told."),
    _activity("evaluation.recorded", "human", "agent", "A person had a scorecard of an agent kept."),
    _decision("ticket.text_accepted", "human", "ticket", "A person accepted the changed text of a ticket."),
    _decision("pr.text_accepted", "human", "pr", "A person accepted the changed text of a pull request."),
    _activity("labels.synced", "human", "any", "The fleet's labels were made, or coloured, in the repository."),
    _activity("label.changed", "agent human system", "any", "Labels were set."),
)

BUILTIN: dict[str, EventType] = {item.name: item for item in _ALL}


def is_event_name(name: str) -> bool:
    """True for a lower-case snake_case name of at most 64 characters, the form of custom events."""
    return len(name) <= 64 and _NAME.fullmatch(name) is not None


def subject_kind(subject: str) -> str:
    """The part before the slash: ``ticket``, ``pr``, ``agent``, ``run``; empty for an empty subject."""
    return subject.partition("/")[0]


def subject_number(subject: str) -> int:
    """The number of ``ticket/7`` or ``pr/8``; 0 when there is none."""
    tail = subject.partition("/")[2]
    return int(tail) if tail.isascii() and tail.isdigit() else 0
