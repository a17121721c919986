"""The JSON schema for editors says what the model says."""

from __future__ import annotations

import json
from typing import Any

from fleet.config.model import AgentConfig, FleetConfig
from fleet.config.schema import config_schema


def test_every_key_is_in_the_schema_with_its_description() -> None:
    schema: dict[str, Any] = json.loads(json.dumps(config_schema()))
    assert schema["$schema"].endswith("2020-12/schema")
    assert set(schema["properties"]) == set(FleetConfig.model_fields)
    agent = schema["$defs"]["AgentConfig"]
    assert set(agent["properties"]) == set(AgentConfig.model_fields)
    for owner in (schema, *schema["$defs"].values()):
        assert owner["additionalProperties"] is False
        assert all(field["description"] for field in owner["properties"].values())


def test_the_schema_lets_one_event_stand_without_a_list() -> None:
    schema: dict[str, Any] = config_schema()
    kinds = {option["type"] for option in schema["$defs"]["AgentConfig"]["properties"]["subscribes_to"]["anyOf"]}
    assert kinds == {"string", "array"}
