"""The JSON schema for editors says what the model says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fleet.config.model import AgentConfig, FleetConfig
from fleet.config.scaffold import scaffold
from fleet.config.schema import config_schema
from fleet.config.yamlfile import read_yaml
from fleet.testing.repos import make_checkout

_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (tuple, list),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
    "number": (int, float),
}


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


def fits(schema: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    """Whether a value is valid by as much of JSON schema as the model makes use of; anything else is an error."""
    known = {
        "$ref", "anyOf", "type", "properties", "required", "additionalProperties", "items", "const", "enum", "pattern",
        "minimum", "maximum", "exclusiveMinimum", "minLength", "maxLength", "minItems", "maxItems", "default",
        "description", "title", "$defs", "$schema",
    }  # fmt: skip
    assert set(schema) <= known, f"the schema uses {set(schema) - known}; teach this test"
    if "$ref" in schema and not fits(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root):
        return False
    if "anyOf" in schema and not any(fits(option, value, root) for option in schema["anyOf"]):
        return False
    kind = schema.get("type")
    if kind and (not isinstance(value, _KINDS[kind]) or (kind == "integer" and isinstance(value, bool))):
        return False
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        return False
    if isinstance(value, dict):
        return _fits_object(schema, value, root)
    if isinstance(value, str):
        return _within(schema, len(value), "minLength", "maxLength") and bool(
            re.search(schema.get("pattern", ""), value)
        )
    if isinstance(value, tuple | list):
        inside = all(fits(schema.get("items", {}), item, root) for item in value)
        return inside and _within(schema, len(value), "minItems", "maxItems")
    if isinstance(value, int) and not isinstance(value, bool):
        return _within(schema, value, "minimum", "maximum") and bool(value > schema.get("exclusiveMinimum", value - 1))
    return True


def _fits_object(schema: dict[str, Any], value: dict[str, Any], root: dict[str, Any]) -> bool:
    properties = schema.get("properties", {})
    unknown = set(value) - set(properties)
    if unknown and schema.get("additionalProperties", True) is False:
        return False
    return set(schema.get("required", ())) <= set(value) and all(
        fits(properties[key], inner, root) for key, inner in value.items() if key in properties
    )


def _within(schema: dict[str, Any], size: int, least: str, most: str) -> bool:
    return bool(schema.get(least, size) <= size <= schema.get(most, size))


def test_what_init_writes_is_valid_by_the_schema_that_init_writes_beside_it(tmp_path: Path) -> None:
    """And the first line names that file, so that an editor finds it without any network."""
    folder = scaffold(make_checkout(tmp_path / "repo"), now=0).folder
    text = (folder / "config.yaml").read_text()
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", text.splitlines()[0])
    assert named is not None
    schema = json.loads((folder / named[1]).read_text())
    assert schema == json.loads(json.dumps(config_schema()))
    assert fits(schema, read_yaml(text.encode(), "config.yaml").data, schema)


@pytest.mark.parametrize(
    "text",
    [
        "version: 2\nagents: [{name: a, role: developer}]\n",
        "version: 1\nagents: []\nretyr: {}\n",
        "version: 1\n",
        "version: 1\nagents: [{name: A, role: developer}]\n",
        "version: 1\nagents: [{name: a, role: developer, budget_seconds: 0}]\n",
        "version: 1\nagents: [{name: a, role: developer}]\nmax_concurrent: yes\n",
        "version: 1\nagents: [{name: a, role: developer}]\nsetup: {ports: [A]}\n",
    ],
)
def test_an_editor_underlines_what_the_program_refuses(text: str) -> None:
    schema: dict[str, Any] = json.loads(json.dumps(config_schema()))
    assert not fits(schema, read_yaml(text.encode(), "config.yaml").data, schema)


@pytest.mark.parametrize(
    "setup", ["{commands: [make, [bash, -c, x]], env_files: [db], ports: [web], timeout_seconds: 5}", "{}"]
)
def test_both_ways_to_write_a_command_are_valid(setup: str) -> None:
    text = f"version: 1\nagents: [{{name: a, role: developer, setup: {setup}}}]\nsetup: {setup}\n"
    schema: dict[str, Any] = json.loads(json.dumps(config_schema()))
    assert fits(schema, read_yaml(text.encode(), "config.yaml").data, schema)
