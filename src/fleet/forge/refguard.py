"""Service: compares the branches of the fleet's repository with the journal, and reports what came past the fleet.

A movement of the base that no entry explains is on record at the next look and holds every merge until a person
says what it was. Commits of people who are known here are recorded as theirs, and hold nothing.

Weakness: names in commits prove nothing; under one uid an agent can commit in a person's name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fleet.core.clock import SECOND
from fleet.core.errors import NotFound
from fleet.core.journal import Draft, Stream
from fleet.core.principal import system
from fleet.core.service import Tick
from fleet.forge.gitrepo import Repo, refs
from fleet.forge.movement import BRANCHES, explain_base, explain_branch, looks_of
from fleet.store import journal, refheads
from fleet.store.db import Database, Tx

LOOK_EVERY = 1.0  # seconds; costs one git process
_ACTOR = str(system("refguard"))


class RefGuard:
    """Branches -> entries about what nobody announced. One instance runs at a time."""

    name = "refguard"

    def __init__(self, db: Database, repo: Repo, base: Callable[[], str]) -> None:
        """Take the store, the bare repository, and what gives the base branch's short name."""
        self._db = db
        self._repo = repo
        self._base = base
        self._next_look = 0

    def tick(self, now: int) -> Tick:
        """Look every second; ``did`` counts what was put on record."""
        period = round(LOOK_EVERY * SECOND)
        if now < self._next_look <= now + period:
            return Tick(0, self._next_look)
        self._next_look = now + period
        return Tick(look(self._db, self._repo, self._base()), self._next_look)


def look(db: Database, repo: Repo, base: str) -> int:
    """Compare now. How many entries that took; an explained movement takes none."""
    base_ref = f"{BRANCHES}{base}"
    found = refs(repo, base_ref, f"{BRANCHES}fleet")
    known = db.read(refheads.heads)
    first = base_ref not in known
    did = 0
    for ref in sorted(found.keys() | known.keys()):
        old, new = known.get(ref, ""), found.get(ref, "")
        if old == new or (ref != base_ref and not ref.startswith(f"{BRANCHES}fleet/")):
            continue
        did += _moved(db, repo, ref, old, new, is_base=ref == base_ref, first=first)
    return did


def _moved(db: Database, repo: Repo, ref: str, old: str, new: str, *, is_base: bool, first: bool) -> int:
    if first:  # a new fleet, or one from before this guard: what is there is where it begins
        return _begin(db, ref, new) if is_base else _note(db, ref, old, new, 0)
    if is_base:
        told = explain_base(db, repo, old, new) if old and new else None
        return _note(db, ref, old, new, told.seq) if told is not None else _unexplained(db, repo, ref, old, new)
    told = db.read(lambda tx: explain_branch(tx, ref, old, new))
    return _note(db, ref, old, new, told.seq) if told is not None else _stray(db, ref, old, new)


def _is_still(tx: Tx, ref: str, old: str) -> bool:
    """Nobody else has dealt with this movement meanwhile."""
    return refheads.heads(tx).get(ref, "") == old


def _note(db: Database, ref: str, old: str, new: str, seq: int) -> int:
    """Remember an explained movement."""

    def change(tx: Tx) -> None:
        if _is_still(tx, ref, old):
            refheads.set_head(tx, ref, new, seq)

    db.write(change)
    return 0


def _begin(db: Database, ref: str, new: str) -> int:
    def change(tx: Tx) -> int:
        draft = Draft(
            Stream.ACTIVITY,
            "base.first_seen",
            _ACTOR,
            summary=f"{ref.removeprefix(BRANCHES)} is at {new[:12]}; from here on every movement has its entry",
            payload={"ref": ref, "old": "", "new": new},
            generation=new,
        )
        refheads.set_head(tx, ref, new, journal.append(tx, draft).seq)
        return 1

    return db.write(change)


def _unexplained(db: Database, repo: Repo, ref: str, old: str, new: str) -> int:
    looks = looks_of(repo, old, new)
    name = ref.removeprefix(BRANCHES)
    moved = f"{name} moved from {old[:12]} to {new[:12] or 'nothing'}"
    if looks.kind == "person":
        kind, text = "base.moved_by_person", f"{moved} past the fleet, by a person's own push: {looks.text}"
    else:
        kind, text = "base.unexplained", f"{moved}, and no entry says why: {looks.text}"
    payload: dict[str, object] = {
        "ref": ref, "old": old, "new": new, "commits": looks.commits, "mails": list(looks.mails),
    }  # fmt: skip
    draft = Draft(Stream.DECISION, kind, _ACTOR, summary=text, payload=payload, generation=new)
    return db.write(partial(_report, draft=draft, ref=ref, old=old, new=new, holds=looks.kind != "person"))


def _stray(db: Database, ref: str, old: str, new: str) -> int:
    """A branch of the fleet's own that moved without an announced push. Its head needs a review of its own."""
    name = ref.removeprefix(BRANCHES)
    text = f"{name} moved from {old[:12] or 'nothing'} to {new[:12] or 'nothing'}, and no push announced it"
    payload: dict[str, object] = {"ref": ref, "old": old, "new": new}
    draft = Draft(Stream.DECISION, "branch.unexplained", _ACTOR, summary=text, payload=payload, generation=new)
    return db.write(partial(_report, draft=draft, ref=ref, old=old, new=new, holds=False))


def _report(tx: Tx, draft: Draft, ref: str, old: str, new: str, *, holds: bool) -> int:
    """The entry, where the branch is, and the alarm, in one transaction."""
    if not _is_still(tx, ref, old):
        return 0
    made = journal.append(tx, draft)
    refheads.set_head(tx, ref, new, made.seq)
    if draft.type != "base.moved_by_person":
        refheads.raise_alarm(tx, refheads.Alarm(made.id, ref, old, new, holds, draft.summary, tx.now, ""))
    return 1


def accept(tx: Tx, sha: str, *, actor: str, reason: str) -> tuple[journal.Appended, list[str]]:
    """A person says what an unexplained movement to ``sha`` was; the entry, and what is still open.

    Raises NotFound FLT-AUD-021 when no open alarm ends there.
    """
    meant = [alarm for alarm in refheads.open_alarms(tx) if sha == (alarm.new_sha or alarm.old_sha)]
    if not meant:
        raise NotFound(
            "FLT-AUD-021",
            "no movement to this commit waits for an answer",
            where=sha,
            hint="fleet audit verify --against-git lists those that do.",
        )
    alarm = meant[-1]
    payload: dict[str, object] = {
        "ref": alarm.ref, "old": alarm.old_sha, "new": sha, "reason": reason, "of": [one.entry_id for one in meant],
    }  # fmt: skip
    summary = f"{actor} accepts {alarm.ref.removeprefix(BRANCHES)} at {sha[:12]}: {reason}"
    draft = Draft(
        Stream.DECISION,
        "base.accepted",
        actor,
        summary=summary,
        payload=payload,
        generation=sha,
        cause_id=alarm.entry_id,
    )
    made = journal.append(tx, draft)
    for one in meant:
        refheads.answer_alarm(tx, one.entry_id, made.id)
    return made, [one.text for one in refheads.open_alarms(tx)]
