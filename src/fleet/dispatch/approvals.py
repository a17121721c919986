"""Ask a person, once, where only a person's word is missing; and gather the grants that stand.

Used by the dispatcher when it holds a start, and by control when it refuses a merge.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.config.loader import LoadedConfig
from fleet.core.approval import ApprovalState
from fleet.core.clock import SECOND
from fleet.core.decision import Reason
from fleet.core.journal import Draft, Stream
from fleet.core.live import LivePull, LiveState
from fleet.core.pin import text_digest
from fleet.dispatch.lineage import named_atoms
from fleet.policy.approval import MERGE, Content, may_ask
from fleet.policy.facts import GrantFact
from fleet.store import approvals, journal
from fleet.store.db import Tx


@dataclass(frozen=True, slots=True)
class Waiting:
    """Who waits for the answer: an agent, what caused it, and since when (microseconds)."""

    actor: str
    agent: str
    cause_id: str
    since: int


def bound_content(live: LiveState, pull: LivePull, policy: str) -> Content:
    """What an answer about this pull request is bound to right now. Raises TemporaryError.

    ``policy`` is the digest of the settings that matter (``policy.approval.bound_policy``). The text is the ticket's;
    a pull request without one is its own issue.
    """
    ticket = live.ticket(pull.ticket) if pull.ticket else None
    title, body = (ticket.title, ticket.body) if ticket is not None else (pull.title, pull.body)
    return Content(pull.head_sha, text_digest(title, body), live.diff_digest(pull.number), policy)


def grants(tx: Tx, pull: LivePull, content: Content) -> tuple[GrantFact, ...]:
    """Grants for exactly this content that have not expired."""
    return tuple(
        GrantFact(one.decided_by, named_atoms(one.decided_by))
        for one in approvals.at_head(tx, pull.subject, content.head)
        if one.state is ApprovalState.GRANTED and one.content == content.seal and one.expires_at > tx.now
    )


def not_asked_yet(tx: Tx, pull: LivePull, asked: str, content: Content, since: int) -> bool:
    """True where this may be asked now: nobody was asked about this content, or it expired before ``since``."""
    return may_ask(tuple(approvals.at_head(tx, pull.subject, content.head)), asked, content.seal, since)


def ask(
    tx: Tx,
    pull: LivePull,
    asked: str,
    content: Content,
    why: tuple[Reason, ...],
    waiting: Waiting,
    loaded: LoadedConfig,
) -> str | None:
    """Put the question on record; None when somebody did so before."""
    expires_at = tx.now + loaded.config.approvals.expire_after_seconds * SECOND
    reasons = [reason.as_dict() for reason in why]
    made = approvals.create(
        tx,
        asked=asked,
        subject=pull.subject,
        generation=content.head,
        work_item=pull.work_item,
        agent=waiting.agent,
        cause_id=waiting.cause_id,
        base=pull.base_sha,
        content=content.seal,
        bound=content.parts(),
        reasons=reasons,
        expires_at=expires_at,
    )
    if made is None:
        return None
    text = "; ".join(reason.text for reason in why)
    what = f"{pull.subject} may be merged" if asked == MERGE else f"{waiting.agent} may start on {pull.subject}"
    journal.append(
        tx,
        Draft(
            Stream.DECISION,
            "approval.requested",
            waiting.actor,
            subject=pull.subject,
            generation=content.head,
            work_item=pull.work_item,
            agent=waiting.agent,
            cause_id=waiting.cause_id,
            summary=f"a person is asked whether {what} at {content.head[:12]}: {text}",
            payload={
                "approval": made,
                "asked": asked,
                "content": content.seal,
                "bound": content.parts(),
                "reasons": reasons,
                "expires_at": expires_at,
            },
        ),
    )
    return made
