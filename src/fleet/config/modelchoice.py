"""Which model an agent gets, and by whose word: its own, else the tier of its role; then the fleet's map. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.config.model import AgentConfig, FleetConfig
from fleet.config.roles import Role

TIERS = ("opus", "sonnet", "haiku")
_WITHOUT_ROLE = "sonnet"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """What the vendor is told.

    ``asked`` is a tier or a full id, ``model`` what becomes of it; both are "" where the vendor chooses. ``because``
    says in words who asked, then what was made of it.
    """

    model: str
    asked: str
    because: tuple[str, ...]


def model_of(config: FleetConfig, agent: AgentConfig, role: Role | None) -> ModelChoice:
    """The choice for a member of a configuration. The same for what is started and for what people are shown."""
    own = f"agents.{agent.name}.model"
    if agent.vendor != "claude-code":
        return ModelChoice(agent.model, agent.model, (own,) if agent.model else ("the vendor's own choice",))
    if agent.model:
        asked, first = agent.model, own
    elif role is not None:
        asked, first = role.default_tier, f"default_tier of the role {role.name}"
    else:
        asked, first = _WITHOUT_ROLE, "no role says anything"
    mapped = config.backend_of(agent).models.id_of(asked)
    if asked not in TIERS:
        return ModelChoice(mapped, asked, (first,))
    place = f"agents.{agent.name}.backend" if agent.backend is not None else "backend"
    second = f"{place}.models.{asked}" if mapped != asked else "the client's own model of that size"
    return ModelChoice(mapped, asked, (first, second))
