"""Which model an agent gets: its own word, else the tier of its role; what that means is said by the map."""

from __future__ import annotations

import pytest

from fleet.config.catalogue import load_roles
from fleet.config.model import AgentConfig, FleetConfig
from fleet.config.modelchoice import ModelChoice, model_of

SONNET = "the client's own model of that size"
TIER = "default_tier of the role developer"


def choice(fleet: dict[str, object] | None = None, **keys: object) -> ModelChoice:
    """The choice for a developer, whose tier is sonnet."""
    member = AgentConfig.model_validate({"name": "dev", "role": "developer", "vendor": "claude-code", **keys})
    config = FleetConfig.model_validate({"version": 1, "agents": (member,), **(fleet or {})})
    return model_of(config, member, load_roles()["developer"])


@pytest.mark.parametrize(
    ("fleet", "keys", "model", "because"),
    [
        ({}, {}, "sonnet", (TIER, SONNET)),
        ({}, {"model": "opus"}, "opus", ("agents.dev.model", SONNET)),
        ({}, {"model": "a-full-id"}, "a-full-id", ("agents.dev.model",)),
        ({"backend": {"models": {"sonnet": "s-5"}}}, {}, "s-5", (TIER, "backend.models.sonnet")),
        ({"backend": {"models": {"sonnet": "s-5"}}}, {"model": "haiku"}, "haiku", ("agents.dev.model", SONNET)),
        (
            {"backend": {"models": {"sonnet": "s-5"}}},
            {"backend": {"models": {"sonnet": "s-6"}}},
            "s-6",
            (TIER, "agents.dev.backend.models.sonnet"),
        ),
        ({}, {"vendor": "scripted"}, "", ("the vendor's own choice",)),
        ({}, {"vendor": "scripted", "model": "x"}, "x", ("agents.dev.model",)),
    ],
)  # fmt: skip
def test_the_model_and_by_whose_word(
    fleet: dict[str, object], keys: dict[str, object], model: str, because: tuple[str, ...]
) -> None:
    found = choice(fleet, **keys)
    assert (found.model, found.because) == (model, because)


def test_without_a_role_it_is_the_middle_one() -> None:
    member = AgentConfig(name="dev", role="developer", vendor="claude-code")
    found = model_of(FleetConfig(version=1, agents=(member,)), member, None)
    assert (found.model, found.because[0]) == ("sonnet", "no role says anything")
