"""What a vendor answers: how its program is started for one session, and which guarantees it can keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from fleet.config.model import AgentConfig


class Guarantee(StrEnum):
    """What depends on the program that plays an agent. Everything else is kept for every vendor alike."""

    INSTRUCTED = "its prompt file and its role reach it without its help"
    CONVERSATION = "what it was told and what it answered is kept, not only what its terminal showed"
    TOOL_GUARD = "every use of a tool is judged before it happens"
    TOKENS = "tokens and money are metered"
    TURNS = "it is known whether it works, waits or has stopped"
    NUDGED = "a message reaches it while it works"
    REPEATABLE = "the same start does the same"


@dataclass(frozen=True, slots=True)
class VendorLaunch:
    """One start: the argument list, the vendor's own variables, and files for the run folder by name.

    ``stdin`` is a file that the program reads as its standard input; without one it has the terminal.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    stdin: Path | None = None


# Takes the agent, the .fleet/ folder of the checkout and the run folder of the session.
Starts = Callable[[AgentConfig, Path, Path], VendorLaunch]


@dataclass(frozen=True, slots=True)
class Vendor:
    """A kind of program. ``exit_code_counts`` False: with its work on record a run succeeded, whatever the code."""

    launch: Starts
    keeps: frozenset[Guarantee]
    exit_code_counts: bool = True
