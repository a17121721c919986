"""The watcher: looks at the forge and publishes what changed, each change once.

One look is a snapshot, a pure comparison, and one transaction with the new events and the facts that
were announced by them. A kill at any moment loses nothing: what was not announced is still there at the
next look, what was announced has its key in the journal.
"""

from __future__ import annotations

from collections.abc import Callable

from fleet.core.clock import SECOND
from fleet.core.event import BUILTIN
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal, PrincipalKind
from fleet.core.service import Tick
from fleet.forge.diff import Facts, ForgeFact, changes
from fleet.forge.port import Forge
from fleet.store import cursors, journal
from fleet.store.db import Database, Tx

MERGE_GRACE_SECONDS = 10.0


class Watcher:
    """A service over one forge. Raises what the forge raises: TemporaryError when it cannot be asked now."""

    name = "watcher"

    def __init__(
        self,
        db: Database,
        forge: Forge,
        *,
        required_label: Callable[[], str] = lambda: "",
        merge_grace_seconds: float = MERGE_GRACE_SECONDS,
    ) -> None:
        """Take the store, the forge and who knows the label that a ticket needs besides ``ready``
        ("" = none).

        ``merge_grace_seconds``: for how long whoever merged a pull request may announce it before the watcher
        does, without knowing who it was. How long no news is believed, the forge says.
        """
        self._db = db
        self._forge = forge
        self._required_label = required_label
        self._grace = int(merge_grace_seconds * SECOND)
        self._seen: Facts | None = None  # what forge_seen holds; None: read it again

    def tick(self, now: int) -> Tick:
        """Look once; ``did`` is the number of events that were new."""
        old = self._seen if self._seen is not None else self._db.read(cursors.seen)
        snapshot = self._forge.snapshot()
        facts, new = changes(old, snapshot, required_label=self._required_label(), settled_before=now - self._grace + 1)
        changed = {subject: known for subject, known in new.items() if old.get(subject) != known}
        fresh = 0
        if facts or changed:
            self._seen = None  # until it is certain that the store has it
            fresh = self._db.write(lambda tx: self._publish(tx, facts, changed))
        self._seen = new
        return Tick(fresh, self._forge.next_look(now))

    def _publish(self, tx: Tx, facts: list[ForgeFact], changed: Facts) -> int:
        """Events and what was announced by them, in one transaction."""
        appended = [journal.append(tx, self._draft(fact)) for fact in facts]
        for subject, known in changed.items():
            cursors.set_seen(tx, subject, known)
        return sum(entry.fresh for entry in appended)

    def _draft(self, fact: ForgeFact) -> Draft:
        # A merge belongs to whoever merged; when the forge itself is the only witness, a component speaks.
        kind, name = (
            (PrincipalKind.SYSTEM, "forge") if fact.type == "pr_merged" else (PrincipalKind.FORGE, self._forge.name)
        )
        return Draft(
            Stream.EVENT,
            fact.type,
            str(Principal(kind, name)),
            subject=fact.subject,
            summary=fact.summary,
            payload=fact.payload,
            kind=BUILTIN[fact.type].kind,
            generation=fact.generation,
            work_item=fact.work_item,
            dedup_key=fact.dedup_key,
        )
