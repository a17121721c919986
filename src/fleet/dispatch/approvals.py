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
from fleet.dispatch.lineage import named_atoms
from fleet.policy.approval import MERGE, Content, may_ask, question, text_digest
from fleet.policy.decide import decide_merge
from fleet.policy.facts import GrantFact, MergeFacts
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

    ``policy`` is the digest of the configuration in force. The text is the ticket's; a pull request without one
    is its own issue.
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


def to_ask(tx: Tx, pull: LivePull, facts: MergeFacts | None, content: Content | None, since: int) -> tuple[Reason, ...]:
    """Why a person has to be asked now; nothing when something else is missing, or it was asked before."""
    if facts is None or content is None:
        return ()
    why = question(MERGE, decide_merge(facts))
    before = tuple(approvals.at_head(tx, pull.subject, content.head)) if why else ()
    return why if why and may_ask(before, MERGE, content.seal, since) else ()


def ask(
    tx: Tx, pull: LivePull, content: Content, why: tuple[Reason, ...], waiting: Waiting, loaded: LoadedConfig
) -> str | None:
    """Put the question on record; None when somebody did so before."""
    expires_at = tx.now + loaded.config.approvals.expire_after_seconds * SECOND
    reasons = [reason.as_dict() for reason in why]
    made = approvals.create(
        tx,
        asked=MERGE,
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
            summary=f"a person is asked whether {pull.subject} may be merged at {content.head[:12]}: {text}",
            payload={
                "approval": made,
                "asked": MERGE,
                "content": content.seal,
                "bound": content.parts(),
                "reasons": reasons,
                "expires_at": expires_at,
            },
        ),
    )
    return made
