"""Pull requests whose commits cannot be read: each is on record once, waits alone, and goes on by itself.

The journal says which they are: the newest of ``pull.read_failed`` and ``pull.read_recovered`` of a subject counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fleet.core.errors import Unreadable
from fleet.core.journal import Draft, Entry, Stream
from fleet.core.live import LivePull
from fleet.store import journal
from fleet.store.db import Tx
from fleet.store.journal import Filter

FAILED, RECOVERED = "pull.read_failed", "pull.read_recovered"
_MOST = 10_000


def unreadable_now(tx: Tx) -> tuple[Entry, ...]:
    """What failed and did not recover since, oldest first."""
    last: dict[str, Entry] = {}
    for kind in (FAILED, RECOVERED):
        for entry in journal.select(tx, Filter(type=kind), limit=_MOST, newest=True):
            known = last.get(entry.subject)
            if known is None or entry.seq > known.seq:
                last[entry.subject] = entry
    return tuple(sorted((one for one in last.values() if one.type == FAILED), key=lambda entry: entry.seq))


def failed(tx: Tx, pull: LivePull, error: Unreadable, actor: str) -> Draft | None:
    """The entry that names it; None when it is there, for this head and this reason."""
    last = _last(tx, pull.subject)
    if last is not None and last.type == FAILED and last.generation == pull.head_sha:
        return None
    hint = f" {error.hint}" if error.hint else ""
    return Draft(
        Stream.ACTIVITY,
        FAILED,
        actor,
        subject=pull.subject,
        generation=pull.head_sha,
        work_item=pull.work_item,
        dedup_key=f"{FAILED}:{pull.subject}:{last.seq if last is not None else 0}",
        summary=f"{pull.subject} waits, and nothing else: {error.message} [{error.code}]{hint}",
        payload={"pr": pull.number, "head": pull.head_sha, "code": error.code, "message": error.message},
    )


def say_failed(tx: Tx, pull: LivePull, error: Unreadable, actor: str) -> bool:
    """Put it on record; False when it is there already."""
    draft = failed(tx, pull, error, actor)
    return draft is not None and journal.append(tx, draft).fresh


def recovered(tx: Tx, pulls: Iterable[LivePull], still: Mapping[int, Unreadable], actor: str) -> Iterator[Draft]:
    """The entries for those that are readable again, or are open no more; ``still``: those that are not."""
    live = {pull.subject: pull for pull in pulls}
    for entry in unreadable_now(tx):
        pull = live.get(entry.subject)
        done = pull is None or pull.state != "open" or not pull.head_sha
        if not done and pull is not None and pull.number in still:
            continue
        how = "is not open any more" if done else "can be read again and goes on"
        yield Draft(
            Stream.ACTIVITY,
            RECOVERED,
            actor,
            subject=entry.subject,
            generation=pull.head_sha if pull is not None else "",
            work_item=entry.work_item,
            cause_id=entry.id,
            dedup_key=f"{RECOVERED}:{entry.subject}:{entry.seq}",
            summary=f"{entry.subject} {how}",
            payload={"pr": (entry.payload or {}).get("pr", 0), "failed": entry.id},
        )


def _last(tx: Tx, subject: str) -> Entry | None:
    found = [
        entry
        for kind in (FAILED, RECOVERED)
        for entry in journal.select(tx, Filter(type=kind, subject=subject), limit=1, newest=True)
    ]
    return max(found, key=lambda entry: entry.seq, default=None)
