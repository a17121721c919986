"""What a session used, looked at before a tool is used: no tool starts after the answer that crossed the line.

A client writes an answer into its transcript before, or a moment after, it asks for the tool that the answer names. So
the guard reads the transcript until it holds that use of a tool; where it never does, the client's own measurements are
waited for. When neither comes, the use is blind: a few in a row are refused, and then the run is stopped.
Nothing here waits: whoever asks looks again after a pause, so that a transcript that is late holds up nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleet.control.context import Context
from fleet.core.clock import SECOND
from fleet.core.principal import Principal
from fleet.core.session import Session
from fleet.core.work import LIVE_RUNS, Run
from fleet.dispatch.metering import stop_blind, stop_if_over
from fleet.policy.ceilings import meters
from fleet.policy.meter import BLIND_STOP, BLIND_USES
from fleet.runtime.transcripts import Transcripts
from fleet.store import runs, sessions, usage
from fleet.store.db import Tx

LOOKS = 60
PAUSE_SECONDS = 0.05  # between two looks
_FRESH = 2 * SECOND  # what was measured so shortly before a tool is asked for is the answer that asks for it
_HOLDS = "over:"


@dataclass(frozen=True, slots=True)
class Measured:
    """Whether a run is metered, and whether the answer behind a use of a tool was measured."""

    metered: bool = False
    known: bool = True


@dataclass(slots=True)
class Look:
    """What is waited for: the use of a tool in the session's transcript. ``left`` counts the looks down to the last."""

    run: Run
    session: Session
    use: str
    left: int
    arrived: int  # microseconds


class Meter:
    """Looks and decides for the hooks. Thread-safe."""

    def __init__(self, ctx: Context, *, looks: int = LOOKS) -> None:
        """``looks`` bounds how often a transcript is looked at before a use of a tool counts as blind."""
        self._ctx = ctx
        self._looks = looks
        self._transcripts = Transcripts(ctx.db, ctx.paths, ctx.config.at)
        self._given_up: set[str] = set()

    def begin(self, principal: Principal, event: str, body: Mapping[str, Any]) -> Look | None:
        """What has to be measured before a report is taken in; None for what needs no measuring."""
        if event not in ("PreToolUse", "Stop") or not meters(self._ctx.loaded.config, principal.name):
            return None
        run, session = self._ctx.db.read(lambda tx: _found(tx, principal))
        if session is None:
            return None
        use = body.get("tool_use_id")
        looks = self._looks if event == "PreToolUse" else 0
        return Look(run, session, use if isinstance(use, str) else "", looks, self._ctx.db.clock.now())

    def look(self, look: Look | None) -> Measured | None:
        """Take in what the session wrote down until now; None while the answer behind its use of a tool is not there.

        Then look again after ``PAUSE_SECONDS``.
        """
        if look is None:
            return Measured()
        self._transcripts.catch_up(look.session, look.run)
        if not look.left or (look.use and self._transcripts.holds(look.session, look.use)):
            return Measured(metered=True)
        look.left -= 1
        if look.left:
            return None
        # its transcript is lost, or late: by now its telemetry has been heard, if there is any
        heard = self._ctx.db.read(lambda tx: usage.newest(tx, look.run.id))
        return Measured(metered=True, known=heard >= look.arrived - _FRESH)

    def settle(self, tx: Tx, run: Run, session: Session, measured: Measured) -> tuple[Run, int]:
        """Stop the run if it is over; the run as it is then, and how many uses in a row were blind."""
        if not measured.metered:
            return run, 0
        blind = sessions.saw(tx, session.session, measured=measured.known)
        stop_if_over(tx, run, self._ctx.loaded)
        if blind >= BLIND_STOP:
            stop_blind(tx, run, blind)
        return runs.get(tx, run.id), max(0, blind - BLIND_USES)

    # -- the answer that is held back ------------------------------------------------------------

    def ticket(self, run: Run) -> str:
        """By what an answer is held back until a run has ended: a client that waits asks its model nothing."""
        return f"{_HOLDS}{run.id}"

    def is_ours(self, ticket: str) -> bool:
        """Whether an answer is held back here."""
        return ticket.startswith(_HOLDS)

    def over(self, ticket: str) -> bool:
        """Whether the run has ended, or nobody can wait any longer."""
        run = self._ctx.db.read(lambda tx: runs.find(tx, ticket.removeprefix(_HOLDS)))
        if ticket in self._given_up or run is None or run.state not in LIVE_RUNS:
            self._given_up.discard(ticket)
            return True
        return False

    def give_up(self, ticket: str) -> None:
        """The client has gone, or this daemon goes."""
        self._given_up.add(ticket)


def _found(tx: Tx, principal: Principal) -> tuple[Run, Session | None]:
    return runs.get(tx, principal.run_id), sessions.get(tx, f"{principal.run_id}-e{principal.epoch}")
