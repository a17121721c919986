"""Who acts: a person, an agent's run, the forge, or a component. Derived by a door, never claimed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PrincipalKind(StrEnum):
    """The four families of actors; each prefix can only be produced by its own door."""

    HUMAN = "human"
    AGENT = "agent"
    FORGE = "forge"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated actor.

    For an agent, ``run_id``, ``epoch`` and the sets say what its capability covers: ``verbs`` it may
    call, ``emits`` the event types it may publish, ``subjects`` the objects it may touch.
    """

    kind: PrincipalKind
    name: str
    run_id: str = ""
    epoch: int = 0
    role: str = ""
    verbs: frozenset[str] = frozenset()
    emits: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """The form used in the journal, such as ``agent:developer``."""
        return f"{self.kind}:{self.name}"

    @property
    def is_human(self) -> bool:
        """True for a person."""
        return self.kind is PrincipalKind.HUMAN

    @property
    def is_agent(self) -> bool:
        """True for an agent's run."""
        return self.kind is PrincipalKind.AGENT


def system(name: str) -> Principal:
    """The principal of a component, such as ``system:router``."""
    return Principal(PrincipalKind.SYSTEM, name)


def human(name: str) -> Principal:
    """The principal of a person, named by the login of the owner's uid."""
    return Principal(PrincipalKind.HUMAN, name)
