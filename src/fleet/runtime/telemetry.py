"""What a client of Claude Code measures, as it arrives by OTLP in JSON: the answers of its model. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleet.core.session import Answer
from fleet.runtime.transcript import priced_model

_EVENT = "api_request"
_HOUR = "cache_creation_1h_tokens"


def answers_in(body: Mapping[str, Any]) -> list[Answer]:
    """The answers in a request to ``/v1/logs``; records of another kind or form are passed over."""
    found = []
    for record in _records(body):
        values = _attributes(record)
        name = values.get("request_id")
        if values.get("event.name") != _EVENT or not name:
            continue
        found.append(
            Answer(
                str(name),
                priced_model(str(values.get("model", "")), values.get("speed"), None),
                _number(values.get("input_tokens")),
                _number(values.get("output_tokens")),
                _number(values.get("cache_read_tokens")),
                _number(values.get("cache_creation_tokens")),
                _cost(values),
                _number(values[_HOUR]) if _HOUR in values else None,
            )
        )
    return found


def _records(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for resource in _list(body.get("resourceLogs")):
        for scope in _list(resource.get("scopeLogs")):
            yield from _list(scope.get("logRecords"))


def _list(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _attributes(record: Mapping[str, Any]) -> dict[str, object]:
    found: dict[str, object] = {}
    for one in _list(record.get("attributes")):
        value = one.get("value")
        if isinstance(value, dict) and value:
            found[str(one.get("key"))] = next(iter(value.values()))
    return found


def _number(value: object) -> int:
    """OTLP in JSON writes integers of 64 bits as text."""
    try:
        number = int(value) if isinstance(value, str | int | float) else 0
    except (ValueError, OverflowError):
        return 0
    return number if 0 <= number < 1 << 40 else 0


def _cost(values: Mapping[str, object]) -> int | None:
    if "cost_usd_micros" in values:
        return _number(values["cost_usd_micros"])
    try:
        cost = float(str(values["cost_usd"]))
    except (KeyError, ValueError):
        return None
    return round(cost * 1_000_000) if 0 <= cost < 1_000_000 else None
