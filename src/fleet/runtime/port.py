"""What a session runtime must do. A session is named by run and epoch, so every step can be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything needed to start one session.

    ``session`` is the findable name (run id and epoch). ``folder`` is the run folder of this epoch and
    ``clone`` the working copy; ``bare`` the repository that receives the escrow. ``argv`` and ``env`` are the
    agent's own, complete. ``allowance_seconds`` ends the run with reason ``allowance_kind``. ``stdin`` is a file
    that the agent reads as its standard input; without one it has the terminal. ``again`` is what resumes an agent
    that died: with it, such a death is held until it is answered; without it, it ends the session. ``escrow_cap`` are
    the bytes and files that are saved of it at most; None = as the program has it.
    """

    session: str
    run_id: str
    epoch: int
    folder: Path
    clone: Path
    bare: Path
    argv: tuple[str, ...]
    env: Mapping[str, str]
    allowance_seconds: float
    allowance_kind: Literal["timeout", "budget"]
    stdin: Path | None = None
    again: tuple[str, ...] = ()
    escrow_cap: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class SessionRef:
    """How to find a session again after a restart: from the run's row alone."""

    session: str
    run_id: str
    epoch: int
    folder: Path


DeathAnswer = Literal["resume", "afresh", "end"]
ExitReason = Literal["exited", "timeout", "budget", "stopped", "hangup"]


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """What the shim left behind. ``code`` is the agent's exit status (128 + n for signal n).

    ``used_seconds`` is measured on the monotonic clock. ``escrow_ref`` / ``escrow_sha`` say where the work
    was saved ("" with ``escrow_error`` when it could not be); ``survivors`` are pids that would not die.
    ``freeze_seconds`` is how long after its end was due (its time up, or the request heard) all of the tree stood
    still, by the monotonic clock of its own shim; None where that is not on record.
    """

    code: int
    reason: ExitReason
    used_seconds: float
    escrow_ref: str
    escrow_sha: str
    escrow_error: str
    survivors: tuple[int, ...]
    ended_at: int
    freeze_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Death:
    """An agent that ended although its session goes on: everything it left was saved and ended.

    ``count`` says which death of the session it is, from 1; ``code`` is as in the exit record; ``at`` in microseconds.
    """

    count: int
    code: int
    at: int


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at a session.

    ``absent``: nothing of it exists. ``starting``: launched, the shim has not answered. ``running``: the shim
    lives. ``exited``: its record is there. ``vanished``: the shim is gone without a record. ``foreign``: it lives, and
    its shim is of a newer program: nothing is done to it. ``frozen`` says why a running one stands still: its work
    could not be saved. ``died``: its agent is dead and the shim waits for an answer.
    """

    state: Literal["absent", "starting", "running", "exited", "vanished", "foreign"]
    shim_pid: int = 0
    exit: ExitRecord | None = None
    frozen: str = ""
    died: Death | None = None


class Runtime(Protocol):
    """Where sessions live. Raises TemporaryError FLT-RTM-001 when it cannot be asked (never an empty answer)."""

    name: str

    def launch(self, launch: Launch) -> None:
        """Start a session; a session of that name that exists already is left as it is. Returns once asked."""

    def observe(self, ref: SessionRef) -> Observation:
        """Look at one session, from its records and its processes; never raises for a missing one."""

    def stop(self, ref: SessionRef, reason: str, *, hold: bool = False) -> None:
        """Ask the session to freeze, save its work and end. Returns at once; harmless when it is gone.

        With ``hold`` it does not end before its work is saved: it stays frozen, until it is asked without.
        """

    def dismiss(self, ref: SessionRef) -> None:
        """Ask the agent itself to end, so that it can put its things in order; the session then ends by its exit."""

    def answer_death(self, ref: SessionRef, count: int, answer: DeathAnswer) -> None:
        """Answer the ``count``-th death of a session's agent. Repeatable; harmless when it is over.

        ``resume`` starts what ``again`` says, ``afresh`` what the session began with, ``end`` ends the session.
        """

    def sweep(self, ref: SessionRef) -> tuple[int, ...]:
        """End every process that a vanished session left behind; returns the pids that would not die."""

    def output(self, ref: SessionRef, *, lines: int = 200) -> str:
        """What the session's terminal shows, or showed when it ended."""

    def attach_argv(self, ref: SessionRef) -> tuple[str, ...]:
        """The command a person runs to attach. Raises NotFound FLT-RTM-002 when there is nothing to attach to."""

    def close(self, ref: SessionRef) -> None:
        """Save the last screen and remove the ended session; harmless when it is gone."""

    def server_pids(self) -> frozenset[int]:
        """Pids of the runtime's own servers: whoever descends from them is no person."""

    def watch(self, ref: SessionRef) -> None:
        """Call the wake-up (given to the constructor) as soon as this session's shim ends."""
