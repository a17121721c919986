"""The JSON schema of .fleet/config.yaml, for editors; made from the same model that checks the file."""

from __future__ import annotations

from fleet.config.model import FleetConfig

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> dict[str, object]:
    """The schema as plain data, ready for json.dumps."""
    schema = FleetConfig.model_json_schema()
    return {"$schema": DIALECT, "title": "Fleet configuration", **{k: v for k, v in schema.items() if k != "title"}}
