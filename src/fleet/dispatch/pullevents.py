"""How an event about a pull request reads, whoever says it: its columns and its payload, nothing decided."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.config.model import FleetConfig
from fleet.core.journal import Draft, Stream
from fleet.core.live import LivePull


def pull_event(
    pull: LivePull,
    name: str,
    kind: str,
    actor: str,
    summary: str,
    dedup_key: str,
    *,
    head: str = "",
    agent: str = "",
    run_id: str = "",
    cause_id: str = "",
    more: Mapping[str, object] | None = None,
) -> Draft:
    """An event of this name and kind, once for each ``dedup_key``.

    ``head`` is the commit it is about where that is not the live one; ``agent`` is whom alone it is addressed to;
    ``more`` is what this event says beside what all of them do.
    """
    at = head or pull.head_sha
    return Draft(
        Stream.EVENT,
        name,
        actor,
        kind=kind,
        subject=pull.subject,
        generation=at,
        work_item=pull.work_item,
        agent=agent,
        run_id=run_id,
        cause_id=cause_id,
        dedup_key=dedup_key,
        summary=summary,
        payload={
            "pr": pull.number,
            "ticket": pull.ticket,
            "branch": pull.head_ref,
            "head": at,
            "title": pull.title,
            "author": pull.author,
            **(more or {}),
        },
    )


def author_of(pull: LivePull, config: FleetConfig) -> str:
    """The agent that a pull request goes back to; "" when its author is no member."""
    kind, _, name = pull.author.partition(":")
    return name if kind == "agent" and config.agent(name) is not None else ""


def conflict(pull: LivePull, text: str, *, author: str, run_id: str) -> Draft:
    """The event that takes a pull request back to its author, once for each head."""
    return pull_event(
        pull,
        "pr_conflict",
        "blocker",
        "system:control",
        f"{pull.subject} no longer merges into {pull.base_ref}: {text}",
        f"pr_conflict:{pull.subject}:{pull.head_sha}",
        agent=author,
        run_id=run_id,
        more={"base": pull.base_sha, "conflict": text},
    )


def head_moved(pull: LivePull, before: str, *, rewritten: bool, actor: str) -> Draft:
    """The event for a head that came past the fleet; whoever approved the old one did not see it."""
    how = "was force-pushed" if rewritten else "was pushed to"
    text = f"{pull.subject} {how} past the fleet: {before[:12]} -> {pull.head_sha[:12]}"
    key = f"pr_head_moved:{pull.subject}:{before}:{pull.head_sha}"
    return pull_event(pull, "pr_head_moved", "status", actor, text, key, more={"from": before, "rewritten": rewritten})
