"""Service: what happens in one repository of an org is heard by the org's own agents, each event once.

Takes the store of a repository's fleet and that of the org; gives events in the org's journal whose subject names the
repository (``repo/acme/shop/pr/7``) and whose payload holds what the event said, its sender and its place there.
What is heard is a report: it carries no authority in the org, and nothing of the org's reaches the repository.
"""

from __future__ import annotations

from collections.abc import Mapping

from fleet.core.event import BUILTIN
from fleet.core.journal import Draft, Entry, Stream
from fleet.core.principal import Principal, PrincipalKind
from fleet.core.service import Tick
from fleet.store import cursors, journal
from fleet.store.db import Database, Tx

BATCH = 100
# Wiring of the repository's own fleet: who starts there, and who holds which task.
_STAYS = frozenset(
    [
        "agent_start_requested", "artifact", "claim", "handoff", "schedule_due", "task", "task_completed",
        "task_returned", "task_withdrawn", "work_returned",
    ]
)  # fmt: skip
_PAYLOAD_LIMIT = 32 * 1024  # characters of an event's payload that are passed on whole


class Hearing:
    """One repository's events -> the org's journal."""

    def __init__(self, home: Database, there: Database, repo: str) -> None:
        """Take the org's store, the repository's, and its name as ``owner/name``."""
        self.name = f"hearing {repo}"
        self._home = home
        self._there = there
        self._repo = repo
        self._cursor = f"heard:{repo}"
        self._actor = str(Principal(PrincipalKind.FORGE, repo))

    def tick(self, now: int) -> Tick:
        """Pass the next events on; ``did`` is how many were looked at.

        What happened before the repository first joined the org is not told. A batch and the position are one
        transaction of the org's store, and each event has its key there: a kill repeats and loses nothing.
        """
        position = self._home.read(lambda tx: cursors.position(tx, self._cursor))
        if position == 0:
            head = self._there.read(lambda tx: journal.head(tx)[0])
            self._home.write(lambda tx: cursors.advance(tx, self._cursor, max(head, 1)))
            return Tick(1)
        events = self._there.read(lambda tx: journal.events_after(tx, position, BATCH))
        if not events:
            return Tick(0)
        self._home.write(lambda tx: self._tell(tx, events))
        return Tick(len(events))

    def _tell(self, tx: Tx, events: list[Entry]) -> None:
        for event in events:
            if event.type not in _STAYS and not event.agent:
                journal.append(tx, self._draft(event))
        cursors.advance(tx, self._cursor, events[-1].seq)

    def _draft(self, event: Entry) -> Draft:
        known = BUILTIN.get(event.type)
        subject = f"repo/{self._repo}/{event.subject}" if event.subject else f"repo/{self._repo}"
        return Draft(
            Stream.EVENT,
            event.type,
            self._actor,
            subject=subject,
            summary=f"{self._repo}: {event.summary}",
            payload={
                "repo": self._repo,
                "subject": event.subject,
                "generation": event.generation,
                "sender": event.actor,
                "seq": event.seq,
                "said": _bounded(event.payload),
            },
            kind=known.kind if known is not None else event.kind,
            dedup_key=f"heard:{self._repo}:{event.id}",
        )


def _bounded(payload: Mapping[str, object] | None) -> Mapping[str, object] | None:
    """What the event said; nothing where that is erased or very long."""
    return payload if payload is not None and len(str(payload)) <= _PAYLOAD_LIMIT else None
