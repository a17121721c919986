"""The journal against the repository, both ways and over the whole history, for ``fleet audit verify --against-git``.

Every movement of the base needs an entry; every merge on record must be in the base; every ended run needs its
end on record. What lies in an archive counts through the entries that stay in the store.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.forge.gitrepo import Repo, git, refs
from fleet.forge.movement import BRANCHES, explain_branch, step_back
from fleet.store import journal, refheads, runs
from fleet.store.db import Database, Tx
from fleet.store.journal import Filter

_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Checked:
    """What does not fit, in words, and how much was compared."""

    findings: tuple[str, ...]
    movements: int
    merges: int
    runs: int


def check(db: Database, repo: Repo, base: str) -> Checked:
    """Compare everything. Changes nothing; with a daemon the guard has looked before."""
    ref = f"{BRANCHES}{base}"
    heads = refs(repo, ref, f"{BRANCHES}fleet")
    findings: list[str] = []
    movements = _base_history(db, repo, base, heads.get(ref, ""), findings)
    merges = _merges(db, repo, ref, findings)
    findings += db.read(lambda tx: _branches(tx, ref, heads))
    ended, missing = db.read(runs.ended_without_entry)
    findings += [f"the run {run} ended, and no entry says so" for run in missing]
    return Checked(tuple(findings), movements, merges, ended)


def _base_history(db: Database, repo: Repo, base: str, head: str, findings: list[str]) -> int:
    """Follow the base back, step by step, to where the fleet began to watch it."""
    unanswered = db.read(lambda tx: {alarm.entry_id for alarm in refheads.open_alarms(tx)})
    begin = db.read(lambda tx: journal.select(tx, Filter(type="base.first_seen"), limit=1))
    start = begin[0].generation if begin else ""
    if not head:
        findings.append(f"the branch {base} is gone")
        return 0
    position, count = head, 0
    while position != start and count < _MOST:
        step = step_back(db, repo, position)
        if step is None or not step.old:
            findings.append(f"{base} was at {position[:12]}, and no entry says how it came there")
            break
        if step.entry.id in unanswered:
            findings.append(step.entry.summary)
        position, count = step.old, count + 1
    return count


def _merges(db: Database, repo: Repo, ref: str, findings: list[str]) -> int:
    """Merges on record that the base does not hold."""
    told = db.read(lambda tx: journal.select(tx, Filter(type="pr_merged"), limit=_MOST))
    meant = {str((entry.payload or {}).get("merge_commit", "")): entry for entry in told}
    if not meant or ref not in refs(repo, ref):
        return 0
    there = set(git(repo, "rev-list", ref).text.split())
    findings += [
        f"entry {entry.seq} says that {entry.subject} was merged as {sha[:12]}, which the base does not hold"
        for sha, entry in meant.items()
        if sha and sha not in there
    ]
    return len(meant)


def _branches(tx: Tx, base_ref: str, heads: dict[str, str]) -> list[str]:
    """Branches that are elsewhere than the guard last saw them, without a push on record; and open alarms."""
    known = refheads.heads(tx)
    found = [
        f"{ref.removeprefix(BRANCHES)} moved from {known.get(ref, '')[:12] or 'nothing'} to {heads.get(ref, '')[:12]}"
        ", and no push announced it"
        for ref in sorted(heads.keys() | known.keys())
        if ref != base_ref
        and heads.get(ref, "") != known.get(ref, "")
        and explain_branch(tx, ref, known.get(ref, ""), heads.get(ref, "")) is None
    ]
    return found + [alarm.text for alarm in refheads.open_alarms(tx) if not alarm.holds]
