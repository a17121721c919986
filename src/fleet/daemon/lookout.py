"""Service: finds two open branches that no longer merge with each other, and tells both authors while they work.

The first to merge wins and the second gets ``pr_conflict`` anyway; this says it earlier. A pair is looked at once
per pair of commits. Weakness: it sees what was pushed, not what an agent has not committed yet.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations

from fleet.core.board import MailKind
from fleet.core.clock import SECOND
from fleet.core.journal import Draft, Entry, Stream
from fleet.core.principal import system
from fleet.core.service import Tick
from fleet.fabric import mail
from fleet.forge.collide import contested, proposals
from fleet.forge.gitrepo import Repo
from fleet.store import journal
from fleet.store.db import Database, Tx

LOOK_EVERY = 5.0  # seconds; costs two git processes, and one more for each pair that is new
PAIRS_A_TICK = 20  # the rest follows at once, so that a stop is not kept waiting
PATHS_TOLD = 20
ENDS = ("pr_merged", "pr_closed", "pr.closed")  # the last is a person's order, before the forge shows it
FOUND = "collision.found"
_ACTOR = str(system("lookout"))
_MOST_UNREAD = 100  # a full inbox is not filled further; the insight is shown to people anyway


class Lookout:
    """Branches -> collisions on record and messages. One instance runs at a time."""

    name = "lookout"

    def __init__(self, db: Database, repo: Repo, base: Callable[[], str]) -> None:
        """Take the store, the bare repository, and what gives the base branch's short name."""
        self._db = db
        self._repo = repo
        self._base = base
        self._next_look = 0
        self._known: set[tuple[str, str]] = set()  # pairs of commits that were looked at

    def tick(self, now: int) -> Tick:
        """Look every five seconds, at a bounded number of new pairs; ``did`` counts what was looked at."""
        period = round(LOOK_EVERY * SECOND)
        if now < self._next_look <= now + period:
            return Tick(0, self._next_look)
        open_ones = self._open()
        pairs = [
            (one, other)
            for one, other in combinations(sorted(open_ones), 2)
            if (open_ones[one], open_ones[other]) not in self._known
        ]
        for one, other in pairs[:PAIRS_A_TICK]:
            heads = (open_ones[one], open_ones[other])
            paths = contested(self._repo, *heads)
            if paths:
                self._db.write(partial(_tell, one=one, other=other, heads=heads, paths=paths))
            self._known.add(heads)
        if len(pairs) > PAIRS_A_TICK:
            return Tick(PAIRS_A_TICK)
        current = set(open_ones.values())
        self._known = {pair for pair in self._known if current.issuperset(pair)}
        self._next_look = now + period
        return Tick(len(pairs), self._next_look)

    def _open(self) -> dict[str, str]:
        """The branches whose pull request is open, with their commits."""
        found = proposals(self._repo, f"refs/heads/{self._base()}")
        if len(found) < 2:
            return {}
        return self._db.read(lambda tx: {name: sha for name, sha in found.items() if _author(tx, name) is not None})


def _author(tx: Tx, branch: str) -> Entry | None:
    """The newest push to an open pull request of this branch; None when there is none or it was ended."""
    item = f"ticket/{branch.rpartition('/')[2]}"
    pushes = [
        entry
        for kind in ("pr_created", "pr_updated")
        for entry in journal.select(tx, journal.Filter(type=kind, work_item=item), limit=1, newest=True)
    ]
    newest = max(pushes, key=lambda entry: entry.seq, default=None)
    if newest is None:
        return None
    ends = (journal.Filter(type=kind, subject=newest.subject) for kind in ENDS)
    return None if any(journal.select(tx, end, limit=1) for end in ends) else newest


def _tell(tx: Tx, one: str, other: str, heads: tuple[str, str], paths: tuple[str, ...]) -> None:
    """The entry, and a message to each author, in one transaction; a pair of commits is told once."""
    first, second = _author(tx, one), _author(tx, other)
    if first is None or second is None:
        return
    listed = list(paths[:PATHS_TOLD])
    agents = sorted({entry.agent or entry.actor.removeprefix("agent:") for entry in (first, second) if entry.run_id})
    made = journal.append(
        tx,
        Draft(
            Stream.ACTIVITY,
            FOUND,
            _ACTOR,
            subject=first.subject,
            summary=f"{first.subject} and {second.subject} no longer merge with each other: {', '.join(listed)}",
            payload={
                "subjects": [first.subject, second.subject],
                "branches": [one, other],
                "heads": list(heads),
                "agents": agents,
                "paths": listed,
                "more_paths": len(paths) - len(listed),
            },
            work_item=first.work_item,
            dedup_key=f"{FOUND}:{heads[0]}:{heads[1]}",
        ),
    )
    if made.fresh:
        cause = journal.get(tx, made.id)
        _write(tx, cause, first, second, listed)
        _write(tx, cause, second, first, listed)


def _write(tx: Tx, cause: Entry, to: Entry, about: Entry, paths: list[str]) -> None:
    """One author hears which other pull request it collides with, and where."""
    if not to.run_id:
        return  # a person's own pull request: people see it in fleet insights
    recipient = to.actor
    if not mail.has_room(tx, recipient, most=_MOST_UNREAD):
        return
    body = (
        f"Your {to.subject} and {about.subject} of {about.actor} change the same lines and no longer merge with each"
        f" other. Whichever is merged second has to resolve it. Paths: {', '.join(paths)}"
    )
    letter = mail.Letter(recipient, MailKind.MESSAGE, body)
    mail.queue(tx, mail.need_room(tx, recipient, most=_MOST_UNREAD), letter, cause)
