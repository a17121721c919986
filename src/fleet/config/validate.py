"""Hold a read YAML file against a pydantic model and say every fault in plain words at its line and column."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from fleet.config.gate import TIME_PATTERN
from fleet.config.kinds import EVENT_PATTERN, LABEL_PATTERN, NAME_PATTERN
from fleet.config.model import BRANCH_PATTERN, PORT_PATTERN, PREFIX_PATTERN, REPO_PATTERN
from fleet.config.yamlfile import PROBLEM_LIMIT, Document, Path, Problem, shown

M = TypeVar("M", bound=BaseModel)

PATTERNS = {
    NAME_PATTERN: "a name: 1 to 63 lower-case letters, digits, - or _, beginning with a letter or digit",
    EVENT_PATTERN: "an event name: lower-case words joined by _, such as qa_passed",
    LABEL_PATTERN: "a label: printable ASCII, single spaces inside only",
    PREFIX_PATTERN: "a beginning of label names: letters, digits and . _ : / -",
    PORT_PATTERN: "a port's name: 1 to 31 lower-case letters, digits or _, beginning with a letter",
    TIME_PATTERN: "a time of day such as 22:00 (24:00 is the end of the day)",
    BRANCH_PATTERN: "a branch name: letters, digits and . _ / -, at most 100",
    REPO_PATTERN: "owner/name, as GitHub spells it",
}

_EXPECTED: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "string_type": lambda _: "text",
    "int_type": lambda _: "a whole number",
    "int_from_float": lambda _: "a whole number",
    "bool_type": lambda _: "true or false",
    "tuple_type": lambda _: "a list",
    "dict_type": lambda _: "a mapping of keys to values",
    "model_type": lambda _: "a mapping of keys to values",
    "literal_error": lambda facts: str(facts["expected"]).replace("True", "true"),
    "greater_than": lambda facts: f"a number greater than {facts['gt']}",
    "greater_than_equal": lambda facts: f"a number of at least {facts['ge']}",
    "less_than_equal": lambda facts: f"a number of at most {facts['le']}",
    "string_pattern_mismatch": lambda facts: PATTERNS.get(facts["pattern"], f"text like {facts['pattern']}"),
    "string_too_short": lambda facts: f"at least {facts['min_length']} character",
    "string_too_long": lambda facts: f"at most {facts['max_length']} characters",
    "too_short": lambda facts: f"at least {facts['min_length']} entry",
    "too_long": lambda facts: f"at most {facts['max_length']} entries",
}


def check(document: Document, model: type[M]) -> M | None:
    """Build the model from a document, or add every fault to ``document.problems`` and return None.

    A value that was found faulty while reading is not blamed a second time.
    """
    blamed = {problem.spot for problem in document.problems}
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    for fault in faults[:PROBLEM_LIMIT]:
        problem = _problem(document, model, fault)
        if problem is not None and (fault["type"] == "missing" or problem.spot not in blamed):
            document.problems.append(problem)
    return None


def nearest(word: str, known: list[str], *, likeness: float = 0.55) -> str:
    """``Did you mean `x`?`` for the known word that is closest to ``word``, or an empty string.

    ``likeness`` is how alike they have to be, from 0 to 1.
    """
    close = difflib.get_close_matches(word[:80], known, n=1, cutoff=likeness)
    return f"Did you mean `{close[0]}`?" if close else ""


def dotted(path: Path) -> str:
    """A path as people write it: ``agents[1].name``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the file"


def _problem(document: Document, model: type[BaseModel], fault: Any) -> Problem | None:
    path: Path = tuple(fault["loc"])
    kind, facts = fault["type"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        known = sorted(model_at(model, path[:-1]).model_fields)
        where = f" in {dotted(path[:-1])}" if path[:-1] else ""
        hint = nearest(str(path[-1]), known) or "Remove it."
        return Problem(
            document.key_spot(path), f"unknown key {shown(path[-1])}{where}", f"one of {', '.join(known)}", hint
        )
    if kind == "missing":
        return Problem(
            document.value_spot(path[:-1]), f"{dotted(path)} is missing", "a value for it", _described(model, path)
        )
    if kind == "too_short" and _holds_entries(document.data, path):
        return None  # the entries are there and faulty themselves; that is said already
    words = _EXPECTED.get(kind)
    expected = words(facts) if words is not None else str(fault["msg"])
    what = f"{dotted(path)} is {shown(fault['input'])}"
    return Problem(document.value_spot(path), what, expected, _described(model, path))


def _holds_entries(data: Any, path: Path) -> bool:
    for part in path:
        data = data[part]
    return bool(data)


def _described(model: type[BaseModel], path: Path) -> str:
    """What the key means, from the model."""
    names = [part for part in path if isinstance(part, str)]
    owner = model_at(model, path[:-1]) if path else model
    info = owner.model_fields.get(names[-1]) if names else None
    return info.description or "" if info is not None else ""


def model_at(model: type[BaseModel], path: Path) -> type[BaseModel]:
    """The model that holds the keys at ``path``; the last known one when the path leaves the models."""
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            model = _inner_model(model.model_fields[part].annotation) or model
    return model


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    """The model inside ``X``, ``X | None`` or ``tuple[X, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        found = _inner_model(part)
        if found is not None:
            return found
    return None
