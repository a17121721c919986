"""What a vendor answers: how its program is started for one session, and which guarantees it can keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from fleet.config.model import AgentConfig, FleetConfig
from fleet.config.roles import Role
from fleet.runtime.handbook import Part


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
class Start:
    """What a vendor is told about a session that it is to start.

    ``settings`` is the .fleet/ folder of the checkout, ``folder`` the run folder, ``clone`` where the program works.
    ``handbook`` is what its role and its people tell the agent. ``secret`` is the run's capability, only for
    ``secret_files``; ``meter`` the token by which usage is reported, which may also stand in the environment.
    ``door`` is the base URL of the daemon's loopback port.
    """

    agent: AgentConfig
    config: FleetConfig
    role: Role | None
    settings: Path
    folder: Path
    clone: Path
    session: str
    handbook: str = ""
    secret: str = ""
    meter: str = ""
    door: str = ""


@dataclass(frozen=True, slots=True)
class VendorLaunch:
    """One start: the argument list, the vendor's own variables, and files for the run folder by name.

    ``secret_files`` get mode 0400. A name may lead into ``home``, which the program has as its HOME.
    ``stdin`` is a file that the program reads as its standard input; without one it has the terminal.
    ``conversation`` is the id by which the program knows its session, for a vendor that reports; ``again`` the argument
    list that resumes it after its program died.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    secret_files: Mapping[str, bytes] = field(default_factory=dict)
    links: Mapping[str, Path] = field(default_factory=dict)
    stdin: Path | None = None
    conversation: str = ""
    again: tuple[str, ...] = ()


Starts = Callable[[Start], VendorLaunch]


def _nothing(role: Role) -> tuple[Part, ...]:
    """What a vendor adds that adds nothing."""
    return ()


@dataclass(frozen=True, slots=True)
class Vendor:
    """A kind of program. ``exit_code_counts`` False: with its work on record a run succeeded, whatever the code.

    ``reports`` True: its sessions tell the daemon what they do; a session whose work is done is told to leave.
    ``pins`` are the paths, as git names them, that its program obeys: a clone has them as the base branch does.
    ``adds`` is what its agents are told beside the handbook.
    """

    launch: Starts
    keeps: frozenset[Guarantee]
    exit_code_counts: bool = True
    reports: bool = False
    pins: tuple[str, ...] = ()
    adds: Callable[[Role], tuple[Part, ...]] = _nothing


def provider_of(config: FleetConfig, agent: AgentConfig) -> str:
    """Whose limits a session shares with others: the vendor, its backend, and a login or profile of its own."""
    if agent.vendor != "claude-code":
        return agent.vendor
    backend, auth = config.backend_of(agent), config.auth_of(agent)
    place = backend.base_url or backend.region
    own = (auth.folder or auth.profile) if auth is not None else ""
    return " ".join(word for word in (backend.kind, place, own or "") if word)
