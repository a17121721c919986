"""Labels of the fleet that are written with the prefix: within the configuration they have their plain names. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet.config.yamlfile import Document, Path, Problem, shown
from fleet.core.label import LabelNames


def faults(document: Document) -> Iterator[Problem]:
    """Such a label would be waited for in vain."""
    prefix = document.data.get("label_prefix")
    if not isinstance(prefix, str) or not prefix:
        return
    names = LabelNames(prefix)
    for path, label in _labels(document.data):
        if names.meant(label) != label:
            what = f"{shown(label)} has the prefix of label_prefix"
            yield Problem(document.value_spot(path), what, f"{names.meant(label)}: the prefix is put before it there")


def _labels(data: Any) -> Iterator[tuple[Path, str]]:
    """Every place at which a label is named."""
    if isinstance(data.get("required_label"), str):
        yield ("required_label",), data["required_label"]
    rows = data.get("agents")
    for index, row in enumerate(rows if isinstance(rows, tuple) else ()):
        if isinstance(row, dict):
            yield from _of_gate(("agents", index, "subscription_gate"), row.get("subscription_gate"))


def _of_gate(path: Path, gate: Any) -> Iterator[tuple[Path, str]]:
    if not isinstance(gate, dict):
        return
    if isinstance(gate.get("label"), str):
        yield (*path, "label"), gate["label"]
    for group in ("all_of", "any_of"):
        inside = gate.get(group)
        for index, one in enumerate(inside if isinstance(inside, tuple) else ()):
            yield from _of_gate((*path, group, index), one)
