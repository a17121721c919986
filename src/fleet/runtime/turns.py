"""What becomes of a session that reports, by what its client says: transactions, each with its journal entry.

A run is done when an event that is expected of it is on record and its turn has stopped. One that stops without is
told once what is missing; stopping again is a failure. An error of the provider parks the provider.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.config.loader import LoadedConfig
from fleet.core.clock import SECOND
from fleet.core.journal import Draft, Stream
from fleet.core.principal import system
from fleet.core.session import Park, Session, SessionState
from fleet.core.work import Run
from fleet.runtime import moves
from fleet.store import journal, parks, sessions
from fleet.store.db import Tx

ACTOR = str(system("sessions"))
LONGEST_PARK_SECONDS = 3600

# What the client calls an error, and what it says about the provider; others are the run's own fault.
_PARKS = {
    "rate_limit": "limit",
    "overloaded": "overload",
    "overloaded_error": "overload",
    "server_error": "outage",
    "billing_error": "account",
    "authentication_failed": "account",
}


@dataclass(frozen=True, slots=True)
class Expectation:
    """What proves the work of a run: one of ``events``; ``by_role`` are those that its role names."""

    by_role: tuple[str, ...]
    events: tuple[str, ...]

    @property
    def words(self) -> str:
        """The events for a sentence."""
        return " or ".join(self.by_role or self.events) or "any event that it could have emitted"


def expectation(loaded: LoadedConfig, run: Run) -> Expectation:
    """What is expected of a run by its role and its agent."""
    agent, role = loaded.config.agent(run.agent), loaded.roles.get(run.role)
    by_role = role.expected_after(run.event_type) if role is not None else ()
    return Expectation(by_role, (*by_role, *(agent.publishes if agent is not None else ())))


def stopped(tx: Tx, loaded: LoadedConfig, run: Run, session: Session, *, may_tell: bool = True) -> str:
    """The turn has ended; what the session has to be told, "" when nothing.

    ``may_tell`` False: nobody can be told any more, the stop was only found out.
    """
    answered(tx, session.provider)
    wanted = expectation(loaded, run)
    if moves.emitted(tx, run.id, wanted.events):
        sessions.settle(tx, session.session, "done")
        sessions.hear(tx, session.session, SessionState.STOPPED)
        return ""
    if not may_tell:
        sessions.hear(tx, session.session, SessionState.STOPPED)
        return ""
    if sessions.tell(tx, session.session):
        text = f"{run.agent} stopped without {wanted.words} and was told so"
        note(tx, run, "session.told", text, {"missing": list(wanted.events)}, f"session.told:{session.session}")
        sessions.hear(tx, session.session, SessionState.WORKING)
        return (
            f"Your run is not done: {wanted.words} is expected of you and not on record. Do what is left and put it on"
            " record with the fleet command (fleet --help). If you cannot, publish a blocker that says why:"
            ' fleet fabric publish --kind blocker --summary "…". When you stop without it again, this run fails.'
        )
    fail(tx, run, session, f"stopped without {wanted.words}, although it was told once that this is missing")
    return ""


def refused(tx: Tx, loaded: LoadedConfig, run: Run, session: Session, error: str, said: str) -> None:
    """The turn ended with an error of the model's provider; the provider is parked where it is its doing."""
    kind = _PARKS.get(error, "")
    if kind:
        park(tx, session.provider, kind, said or error, loaded.config.claude.park_seconds, run)
    if moves.emitted(tx, run.id, expectation(loaded, run).events):
        sessions.settle(tx, session.session, "done")
        sessions.hear(tx, session.session, SessionState.STOPPED)
        return
    why = f"its model could not be asked ({error}): {said or 'no further words'}"
    fail(tx, run, session, why, fault=kind)


def fail(tx: Tx, run: Run, session: Session, why: str, *, fault: str = "") -> None:
    """Settle a session as failed; the runner ends it. ``fault`` is the kind of its provider's refusal."""
    sessions.hear(tx, session.session, SessionState.STOPPED)
    if sessions.settle(tx, session.session, "failed", why, fault=fault):
        key = f"session.failed:{session.session}" + (f":{run.restarts}" if run.restarts else "")
        note(tx, run, "session.failed", f"{run.agent} {why}", {"why": why}, key)


def park(tx: Tx, provider: str, kind: str, said: str, seconds: int, run: Run) -> None:
    """Let nothing start at a provider for a while: longer each time, and at once long where an account is the matter.

    A provider that is parked already stays so: the other sessions that met the same limit add nothing.
    """
    known = parks.get(tx, provider)
    if known is not None and known.until > tx.now:
        return
    strikes = known.strikes + 1 if known is not None else 1
    pause = (
        LONGEST_PARK_SECONDS if kind == "account" else min(LONGEST_PARK_SECONDS, seconds * 2 ** min(strikes - 1, 12))
    )
    parks.put(tx, Park(provider, kind, said[:500], strikes, tx.now, tx.now + pause * SECOND))
    text = f"nothing starts at {provider} for {pause} s: {kind}, {said[:200]}"
    payload: dict[str, object] = {"provider": provider, "kind": kind, "said": said[:500], "seconds": pause}
    journal.append(
        tx,
        Draft(
            Stream.DECISION,
            "provider.parked",
            ACTOR,
            subject="fleet",
            agent=run.agent,
            run_id=run.id,
            summary=text,
            payload={**payload, "strikes": strikes},
        ),
    )


def answered(tx: Tx, provider: str) -> None:
    """A provider has answered: what it refused before its park was over is forgotten."""
    known = parks.get(tx, provider)
    if known is not None and known.until <= tx.now:
        parks.clear(tx, provider)


def note(tx: Tx, run: Run, kind: str, summary: str, payload: dict[str, object], dedup_key: str) -> None:
    """An entry about a session of a run."""
    moves.note(tx, run, kind, summary, {"session": run.session, **payload}, dedup_key, actor=ACTOR)
