"""Service: judges agents when something about them is on record, and as time passes; quarantines at *critical*.

A tick reads; it writes only where an agent stands otherwise than stored. Before a quarantine's transaction the
agent's door is shut and what it is doing inside is waited for, briefly: what was sent off cannot be called back.
"""

from __future__ import annotations

from fleet.assess import quarantine, scores
from fleet.assess.doorway import Doorway
from fleet.assess.reading import clean_since
from fleet.assess.standing import Standing, stand
from fleet.core.agent import AgentState
from fleet.core.clock import SECOND
from fleet.core.principal import system
from fleet.core.probe import probe
from fleet.core.risk import RiskLevel
from fleet.core.service import Tick
from fleet.store import agents, journal, riskfacts
from fleet.store.db import Database, Tx

LOOK_EVERY = 60 * SECOND  # silence grows and the window moves without news
INSIDE_SECONDS = 5.0  # what an agent does outside the store is waited for so long; then it is only named
_AGAIN = SECOND // 20
_IN_SERVICE = (AgentState.ACTIVE, AgentState.PAUSED)


class Assessor:
    """One for a fleet: it remembers what it has looked at. After a restart it looks at everybody."""

    name = "assessor"

    def __init__(self, db: Database, doorway: Doorway) -> None:
        """Take the store, and the doorway that all calls of runs pass."""
        self._db = db
        self._doorway = doorway
        self._actor = str(system(self.name))
        self._seen = 0  # journal position
        self._all_at = 0  # when everybody is looked at again, microseconds
        self._shut_at: dict[str, float] = {}  # agents about to be quarantined; monotonic seconds

    def tick(self, now: int) -> Tick:
        """Judge who needs it; ``did`` counts agents that stand otherwise than before."""
        seq, _ = self._db.read(journal.head)
        rows = {row.name: row for row in self._db.read(agents.every) if row.state in _IN_SERVICE}
        if now >= self._all_at:
            names, self._all_at = set(rows), now + LOOK_EVERY
        elif seq > self._seen:
            names = set(self._db.read(lambda tx: riskfacts.touched_since(tx, self._seen))) & set(rows)
        else:
            names = set()
        did = sum(self._judge(rows[name].name) for name in sorted(names | set(self._shut_at)) if name in rows)
        self._seen = seq
        return Tick(did, now + _AGAIN if self._shut_at else self._all_at)

    def _judge(self, name: str) -> int:
        """One agent; 1 when something was written."""
        found = self._db.read(lambda tx: stand(tx, name))
        if found.level is RiskLevel.CRITICAL:
            return self._critical(name)
        self._let_be(name)
        if found.changed:
            self._db.write(lambda tx: scores.keep(tx, stand(tx, name), self._actor))
        ended = _has_shown(found) and self._db.write(lambda tx: self._end_probation(tx, name))
        return int(found.changed or bool(ended))

    def _critical(self, name: str) -> int:
        """Shut the door, wait for who is inside, then quarantine in one transaction that judges once more."""
        begun = self._shut_at.setdefault(name, self._db.clock.monotonic())
        inside = self._doorway.shut(name)
        if inside and self._db.clock.monotonic() - begun < INSIDE_SECONDS:
            return 0
        entered = self._db.write(lambda tx: self._enter(tx, name, inside))
        if entered:
            probe("quarantine.after_commit")
            self._shut_at.pop(name, None)  # the door stays shut until a person opens it
        elif self._db.read(lambda tx: agents.get(tx, name)).state in _IN_SERVICE:
            self._let_be(name)
        return int(entered)

    def _let_be(self, name: str) -> None:
        """It is not, or no longer, about to be quarantined."""
        if self._shut_at.pop(name, None) is not None:
            self._doorway.open(name)

    def _enter(self, tx: Tx, name: str, inside: tuple[str, ...]) -> bool:
        """The quarantine itself, on what the store says now."""
        found = stand(tx, name)
        if found.level is not RiskLevel.CRITICAL:
            return False
        number = scores.keep(tx, found, self._actor)
        reason = f"risk {found.score.probability:.0%}, {scores.why(found)}"
        facts = scores.evidence(found, number)
        done = quarantine.enter(tx, name, actor=self._actor, reason=reason, evidence=facts, score=number, inside=inside)
        return done is not None

    def _end_probation(self, tx: Tx, name: str) -> bool:
        """End it when the agent has shown enough; judged on what the store says now."""
        clean = _has_shown(stand(tx, name))
        return clean > 0 and quarantine.end_probation(tx, name, actor=self._actor, clean=clean)


def _has_shown(found: Standing) -> int:
    """How many clean runs ended an agent's probation; 0 while it is on none, or has to show more."""
    if found.watched is None or found.watched.ended is not None:
        return 0
    clean = clean_since(found.facts.runs, found.watched.since)
    return clean if clean >= found.watched.needed else 0
