"""Every error a person or a caller can meet, sorted by who has to act.

A raise names a stable code from ``core/catalogue``; the class says who acts and fixes the exit status.
The text says what happened; ``where`` names the object, ``hint`` is what to type or change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

REFUSED_PAUSE = 15.0  # seconds until something is asked again that a person has to mend


class FleetError(Exception):
    """Root of all errors of Fleet; carries a code, the place and the next step."""

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, message: str, *, where: str = "", hint: str = "") -> None:
        """Take a catalogue code, what happened, the object it happened to and what to do about it."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        """One line: place, message, code, hint."""
        place = f"{self.where}: " if self.where else ""
        hint = f" {self.hint}" if self.hint else ""
        return f"{place}{self.message} [{self.code}]{hint}"

    def as_dict(self) -> dict[str, object]:
        """The error as every door prints it in JSON."""
        return {
            "code": self.code,
            "message": self.message,
            "where": self.where,
            "hint": self.hint,
            "exit_code": self.exit_code,
        }


class UsageError(FleetError):
    """The caller repeats the call with other words."""

    exit_code = 2


class ConfigError(FleetError):
    """A person edits a file. ``problems`` holds every fault found, each ``file:line:col: …``."""

    exit_code = 3

    def __init__(
        self, code: str, message: str, *, where: str = "", hint: str = "", problems: tuple[str, ...] = ()
    ) -> None:
        """As FleetError, with the full list of faults."""
        super().__init__(code, message, where=where, hint=hint)
        self.problems = problems

    def as_dict(self) -> dict[str, object]:
        """The error with its list of faults."""
        return {**super().as_dict(), "problems": list(self.problems)}


class NotFound(FleetError):
    """The caller looks the name up again."""

    exit_code = 4


class Unreachable(FleetError):
    """The operator starts the daemon, or looks why it does not answer."""

    exit_code = 5


class Refused(FleetError):
    """Policy or identity said no; a person changes the facts or accepts the answer."""

    exit_code = 6


class BudgetRefused(Refused):
    """A budget or a quarantine said no."""

    exit_code = 7


class Conflict(FleetError):
    """Somebody else was first; the caller re-reads and decides anew."""

    exit_code = 8


class TemporaryError(FleetError):
    """The loop waits ``retry_after`` seconds and tries again."""

    def __init__(self, code: str, message: str, *, where: str = "", hint: str = "", retry_after: float = 1.0) -> None:
        """As FleetError, with the seconds to wait."""
        super().__init__(code, message, where=where, hint=hint)
        self.retry_after = retry_after


class Unreadable(TemporaryError):
    """What one pull request consists of cannot be read now; ``where`` names it. Nothing else has to wait for it."""


def said_outside(error: FleetError) -> TemporaryError | None:
    """What GitHub said, however final, as something to ask again after a pause; None for every other error.

    For services: only a person can mend it (a right, a rule, a missing gh), and until then it is no reason to end.
    """
    if isinstance(error, TemporaryError) or not error.code.startswith("FLT-GHB-"):
        return None
    return TemporaryError(error.code, error.message, where=error.where, hint=error.hint, retry_after=REFUSED_PAUSE)


class PermanentError(FleetError):
    """Trying again cannot help; the work is dead-lettered with this text."""


class IntegrityError(FleetError):
    """The record contradicts itself; stop and shout."""


class TimedOut(FleetError):
    """A time limit passed."""

    exit_code = 124


_BY_EXIT: dict[int, type[FleetError]] = {
    kind.exit_code: kind
    for kind in (FleetError, UsageError, NotFound, Unreachable, Refused, BudgetRefused, Conflict, TimedOut)
}


def revive(facts: Mapping[str, Any]) -> FleetError:
    """The error behind ``FleetError.as_dict()``, told by another process, in the class that its exit code names."""
    code, message = str(facts.get("code", "")), str(facts.get("message", ""))
    where, hint = str(facts.get("where", "")), str(facts.get("hint", ""))
    if facts.get("exit_code") == ConfigError.exit_code:
        problems = tuple(str(problem) for problem in facts.get("problems", ()))
        return ConfigError(code, message, where=where, hint=hint, problems=problems)
    return _BY_EXIT.get(facts.get("exit_code", 1), FleetError)(code, message, where=where, hint=hint)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code means and what a person does about it."""

    meaning: str
    remedy: str
