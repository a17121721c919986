"""A person's answer to a question, as one step of a transaction: by ``fleet approve``, a review, or a merge by hand."""

from __future__ import annotations

from fleet.config.loader import LoadedConfig
from fleet.core.approval import Approval, ApprovalState
from fleet.core.clock import SECOND
from fleet.core.journal import Draft, Stream
from fleet.core.live import LivePull
from fleet.core.principal import Principal
from fleet.policy.approval import MERGE, Content
from fleet.store import approvals, deliveries, journal
from fleet.store.db import Tx


def answer(
    tx: Tx, principal: Principal, question: Approval, state: ApprovalState, reason: str, loaded: LoadedConfig
) -> bool:
    """Grant or refuse, with its record; what waited for a grant is judged at once. False when somebody was first."""
    granted = state is ApprovalState.GRANTED
    expires_at = tx.now + loaded.config.approvals.expire_after_seconds * SECOND
    by = str(principal)
    if not approvals.decide(tx, question.id, state=state, by=by, reason=reason, expires_at=expires_at):
        return False
    released = deliveries.release(tx, question.subject, question.generation) if granted else 0
    if question.asked == MERGE:
        word = f"{question.subject} may be merged" if granted else f"{question.subject} is not merged"
    else:
        word = f"{question.agent} {'may' if granted else 'does not'} start on {question.subject}"
    why = f": {reason}" if reason else ""
    journal.append(
        tx,
        Draft(
            Stream.DECISION,
            "approval.granted" if granted else "approval.refused",
            by,
            subject=question.subject,
            generation=question.generation,
            work_item=question.work_item,
            agent=question.agent,
            cause_id=question.cause_id,
            summary=f"{by} says that {word} at {question.generation[:12]}{why}",
            payload={
                "approval": question.id,
                "asked": question.asked,
                "content": question.content,
                "bound": dict(question.bound),
                "reason": reason,
                "released": released,
            },
        ),
    )
    return True


def answer_open(
    tx: Tx,
    principal: Principal,
    pull: LivePull,
    content: Content,
    state: ApprovalState,
    reason: str,
    loaded: LoadedConfig,
) -> None:
    """What a person said about this content in another way answers what is asked about it."""
    for question in approvals.at_head(tx, pull.subject, content.head):
        if question.state is ApprovalState.REQUESTED and _about(question, content):
            answer(tx, principal, question, state, reason, loaded)


def _about(question: Approval, content: Content) -> bool:
    """Is a person's word about ``content``, as a merge binds it, one about what the question asks?"""
    if question.asked == MERGE:
        return question.content == content.seal
    return all(question.bound.get(name) == value for name, value in content.parts().items() if name != "policy")
