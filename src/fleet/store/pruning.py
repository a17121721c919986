"""Which entries of a sealed prefix may leave the store, and the statements that remove them.

An entry leaves only if it is known to belong to nothing that is still open. Everything else stays, whole: what
the merge gate and the check against git go back to, whatever its age, and all that an open row names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fleet.store.db import Tx

# Types whose entries stay for ever: who pushed and objected to what, how branches moved, who signs, what was erased,
# and which agents were quarantined when: approvals that they gave before stay void.
_STAY = (
    "pr_created", "pr_updated", "pr_changes_requested", "pr_merged", "review_waived", "push.intended", "push.done",
    "merge.allowed", "payload.erased", "config.accepted", "journal.archived",
    "agent.quarantined",
)  # fmt: skip
_STAY_PREFIXES = ("base.", "branch.", "audit.")

# Work items and subjects of everything that is not over, from every table that knows of work.
_OPEN_ITEMS = """
    SELECT 'ticket/' || number FROM forge_tickets WHERE state = 'open'
    UNION SELECT 'pr/' || number FROM forge_pulls WHERE state = 'open'
    UNION SELECT 'ticket/' || ticket FROM forge_pulls WHERE state = 'open' AND ticket > 0
    UNION SELECT work_item FROM deliveries WHERE state IN ('pending', 'claimed', 'held')
    UNION SELECT subject FROM deliveries WHERE state IN ('pending', 'claimed', 'held')
    UNION SELECT work_item FROM runs WHERE finished_at IS NULL OR (followed_up = 0 AND state <> 'succeeded')
    UNION SELECT subject FROM runs WHERE finished_at IS NULL OR (followed_up = 0 AND state <> 'succeeded')
    UNION SELECT work_item FROM tasks WHERE state IN ('open', 'claimed')
    UNION SELECT subject FROM tasks WHERE state IN ('open', 'claimed')
    UNION SELECT work_item FROM inbox WHERE state <> 'consumed'
    UNION SELECT work_item FROM questions WHERE state = 'open'
    UNION SELECT work_item FROM blockers WHERE state = 'open'
    UNION SELECT work_item FROM approvals WHERE state IN ('requested', 'granted')
    UNION SELECT subject FROM approvals WHERE state IN ('requested', 'granted')
    UNION SELECT subject FROM operations WHERE done_at IS NULL
"""
_CLOSED_ITEMS = """
    SELECT 'ticket/' || number FROM forge_tickets WHERE state <> 'open'
    UNION SELECT 'pr/' || number FROM forge_pulls WHERE state <> 'open'
"""
# Entries that an open row names by its id.
_NAMED = """
    SELECT event_id FROM deliveries WHERE state IN ('pending', 'claimed', 'held')
    UNION SELECT event_id FROM runs WHERE finished_at IS NULL OR (followed_up = 0 AND state <> 'succeeded')
    UNION SELECT entry_id FROM tasks WHERE state IN ('open', 'claimed')
    UNION SELECT entry_id FROM inbox WHERE state <> 'consumed'
    UNION SELECT entry_id FROM questions WHERE state = 'open'
    UNION SELECT entry_id FROM blockers WHERE state = 'open'
    UNION SELECT entry_id FROM artifacts
    UNION SELECT entry_id FROM operations WHERE done_at IS NULL
    UNION SELECT entry_id FROM ref_alarms WHERE answer = ''
    UNION SELECT cause_id FROM approvals WHERE state IN ('requested', 'granted')
    UNION SELECT event_id FROM schedules
"""


@dataclass(frozen=True, slots=True)
class Sorted:
    """The entries of a prefix: those that may go, and how many stay."""

    going: tuple[int, ...]
    staying: int


def sort_out(tx: Tx, last: int) -> Sorted:
    """Sort the entries up to ``last`` that are still here. Reads no payload."""
    open_items = {row[0] for row in tx.all(_OPEN_ITEMS)} - {""}
    closed = {row[0] for row in tx.all(_CLOSED_ITEMS)} - open_items
    named = _with_causes(tx, {row[0] for row in tx.all(_NAMED)} - {""})
    going: list[int] = []
    staying = 0
    rows = tx.all("SELECT seq, id, type, subject, work_item FROM journal WHERE seq <= :last ORDER BY seq", last=last)
    for seq, entry_id, kind, subject, item in rows:
        stays = seq == 1 or kind in _STAY or kind.startswith(_STAY_PREFIXES) or entry_id in named
        if stays or not _is_over(subject, item, open_items, closed):
            staying += 1
        else:
            going.append(seq)
    return Sorted(tuple(going), staying)


def _with_causes(tx: Tx, ids: set[str]) -> set[str]:
    """Ids and whatever caused them, all the way back."""
    found, todo = set(ids), list(ids)
    while todo:
        row = tx.one("SELECT cause_id FROM journal WHERE id = :id", id=todo.pop())
        if row is not None and row[0] and row[0] not in found:
            found.add(row[0])
            todo.append(row[0])
    return found


def _is_over(subject: str, item: str, open_items: set[str], closed: set[str]) -> bool:
    """Whether what an entry is about is known to be over. A ticket or pull request that is not known is not."""
    if subject in open_items or item in open_items:
        return False
    about = [name for name in (subject, item) if name.startswith(("ticket/", "pr/"))]
    return all(name in closed for name in about)


def last_before(tx: Tx, at: int) -> int:
    """The last entry before an instant; 0 when there is none."""
    row = tx.one("SELECT seq FROM journal WHERE at < :at ORDER BY seq DESC LIMIT 1", at=at)
    return int(row[0]) if row else 0


def remove(tx: Tx, seqs: Iterable[int]) -> int:
    """Remove entries that a seal covers (the store refuses others); what they did once stays done. How many."""
    count = 0
    for seq in seqs:
        tx.run(
            "INSERT INTO archived_keys (dedup_key, seq, id) SELECT dedup_key, seq, id FROM journal"
            " WHERE seq = :seq AND dedup_key IS NOT NULL",
            seq=seq,
        )
        tx.run("DELETE FROM journal_payloads WHERE seq = :seq", seq=seq)
        count += tx.run("DELETE FROM journal WHERE seq = :seq", seq=seq)
    return count
