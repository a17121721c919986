"""Work offered once more, as an event addressed to one agent, with its attempts counted anew."""

from __future__ import annotations

from fleet.core.journal import Draft, Stream


def offer_again(
    actor: str,
    agent: str,
    event_type: str,
    *,
    subject: str,
    generation: str,
    work_item: str,
    run: str,
    cause_id: str,
    dedup_key: str,
    summary: str,
    reason: str,
    of: str = "",
) -> Draft:
    """``work_returned`` with attempts counted anew, due at once.

    ``of`` is the event that first asked for the work, where it stays the same work; without it the work is as new
    as this event. ``run`` is the one that ended without its result, "" when none did.
    """
    return Draft(
        Stream.EVENT,
        "work_returned",
        actor,
        kind="task",
        subject=subject,
        generation=generation,
        work_item=work_item,
        agent=agent,
        cause_id=cause_id,
        dedup_key=dedup_key,
        summary=summary,
        payload={
            "run": run,
            "event_type": event_type,
            "attempt": 1,
            "not_before": 0,
            "reason": reason,
            **({"of": of} if of else {}),
        },
    )
