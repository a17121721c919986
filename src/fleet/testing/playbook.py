"""Playbooks: what a scripted agent does, as data. Read strictly, every fault with its line and column.

A playbook is a list of rules. The first rule that fits the event, the attempt and the review round is
played. Text may hold the placeholders {ticket} {pr} {head} {round} {agent} and nothing else that changes:
titles, bodies and comments written by others never get into a command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from fleet.config.yamlfile import Document, Path, Problem, invalid, read_yaml, shown
from fleet.core.event import is_event_name

PLACEHOLDERS = ("ticket", "pr", "head", "round", "agent")
PAUSE_LIMIT = 600  # seconds
_TIMEOUT_LIMIT = 3600  # seconds
_PLACEHOLDER = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")


class StepFailed(Exception):
    """A step did not do what it should; the text says why."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: its verb and its checked arguments, defaults filled in."""

    verb: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """Steps for certain events; ``attempt`` and ``round`` narrow it, None fits any."""

    on: frozenset[str]
    attempt: int | None
    round: int | None
    steps: tuple[Step, ...]

    def fits(self, event: str, attempt: int, round_: int) -> bool:
        """True when this rule is meant for such a start."""
        return event in self.on and self.attempt in (None, attempt) and self.round in (None, round_)


@dataclass(frozen=True, slots=True)
class Playbook:
    """The rules of one agent, in the order of the file."""

    rules: tuple[Rule, ...]

    def rule_for(self, event: str, attempt: int, round_: int) -> Rule | None:
        """The first rule that fits; None when the agent has nothing to do for this event."""
        return next((rule for rule in self.rules if rule.fits(event, attempt, round_)), None)


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace the known placeholders; every other brace stays as it is."""
    return _PLACEHOLDER.sub(lambda match: values[match.group(1)], text)


# -- what a value may be: each checker returns what was expected, or "" ---------------------------------

Checker = Callable[[Any], str]


def _text(value: Any) -> str:
    return "" if isinstance(value, str) else "text"


def _line(value: Any) -> str:
    return "" if isinstance(value, str) and value.strip() and "\n" not in value else "one line of text"


def _path(value: Any) -> str:
    expected = "a relative path inside the clone, outside .git"
    if not isinstance(value, str) or not value or not value.isprintable():
        return expected
    parts = PurePosixPath(value).parts
    inside = not PurePosixPath(value).is_absolute() and ".." not in parts and bool(parts)
    return "" if inside and ".git" not in parts else expected


def _argv(value: Any) -> str:
    good = isinstance(value, tuple) and value and all(isinstance(word, str) and "\0" not in word for word in value)
    return "" if good and value[0] else "a list of words: the program and its arguments"


def _number(low: float, high: float) -> Checker:
    def check(value: Any) -> str:
        number = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        return "" if number else f"a number from {low:g} to {high:g}"

    return check


def _whole(low: int, high: int) -> Checker:
    def check(value: Any) -> str:
        number = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return "" if number else f"a whole number from {low} to {high}"

    return check


def _one_of(*words: str) -> Checker:
    return lambda value: "" if value in words else f"one of {', '.join(words)}"


def _event(value: Any) -> str:
    return "" if isinstance(value, str) and is_event_name(value) else "an event name such as qa_passed"


def _mapping(value: Any) -> str:
    return "" if isinstance(value, dict) else "a mapping"


def _files(value: Any) -> str:
    good = isinstance(value, dict) and all(not _path(path) and isinstance(text, str) for path, text in value.items())
    return "" if good else "a mapping of relative paths to text"


def _inner_path(value: Any) -> str:
    return "" if value == "" else _path(value)


def _truth(value: Any) -> str:
    return "" if isinstance(value, bool) else "true or false"


_REQUIRED = object()
_WON = _one_of("won", "lost")
_TIMEOUT: tuple[Checker, Any] = (_number(0.1, _TIMEOUT_LIMIT), 120)

# verb -> argument -> (checker, default). `say: text` is short for `say: {text: text}`, and so on.
_VERBS: dict[str, dict[str, tuple[Checker, Any]]] = {
    "say": {"text": (_text, _REQUIRED)},
    "write": {"path": (_path, _REQUIRED), "text": (_text, _REQUIRED)},
    "append": {"path": (_path, _REQUIRED), "text": (_text, _REQUIRED)},
    "replace": {"path": (_path, _REQUIRED), "old": (_text, _REQUIRED), "new": (_text, _REQUIRED)},
    "run": {"argv": (_argv, _REQUIRED), "timeout_seconds": _TIMEOUT, "expect": (_one_of("ok", "any"), "ok")},
    "commit": {"message": (_text, _REQUIRED)},
    "push": {"title": (_line, _REQUIRED), "body": (_text, "")},
    "review_by_tests": {"argv": (_argv, _REQUIRED), "timeout_seconds": _TIMEOUT},
    "review": {"verdict": (_one_of("approve", "request_changes"), _REQUIRED), "body": (_text, "")},
    "merge": {},
    "publish": {"event": (_event, _REQUIRED), "summary": (_line, _REQUIRED), "payload": (_mapping, {})},
    "ask": {"question": (_text, _REQUIRED), "wait_seconds": (_number(0, PAUSE_LIMIT), 0)},
    "inbox": {
        "wait_for": (_one_of("", "message", "handoff", "blocker", "resolution", "answer"), ""),
        "wait_seconds": (_number(0, PAUSE_LIMIT), 0),
        "path": (_inner_path, ""),
        "ack": (_truth, True),
    },
    "handoff": {"to": (_line, _REQUIRED), "summary": (_line, _REQUIRED)},
    "blocker": {"summary": (_line, _REQUIRED)},
    "task": {"title": (_line, _REQUIRED)},
    "claim": {"title": (_line, _REQUIRED), "lease_seconds": (_whole(1, 86_400), 900), "expect": (_WON, "won")},
    "complete": {"summary": (_line, "done")},
    "release": {"reason": (_line, "given back")},
    "artifact": {"path": (_path, _REQUIRED), "name": (_text, "")},
    "merge_base": {"take": (_files, {})},
    "pause": {"seconds": (_number(0, PAUSE_LIMIT), _REQUIRED)},
    "exit": {"code": (_whole(0, 255), _REQUIRED)},
}


def parse_playbook(data: bytes, name: str) -> Playbook:
    """Read a playbook file. Raises ConfigError FLT-CFG-010 with every fault."""
    document = read_yaml(data, name)
    _refuse_unknown(document, (), {"version", "rules"})
    if document.data.get("version") != 1 or isinstance(document.data.get("version"), bool):
        _fault(document, ("version",), f"version is {shown(document.data.get('version'))}", "1")
    rows = document.data.get("rules")
    if not isinstance(rows, tuple) or not rows:
        _fault(document, ("rules",), f"rules is {shown(rows)}", "a list of rules")
        rows = ()
    rules = tuple(_rule(document, ("rules", index), row) for index, row in enumerate(rows))
    if document.problems:
        invalid(name, document.problems)
    return Playbook(rules)


def _rule(document: Document, path: Path, row: Any) -> Rule:
    if not isinstance(row, dict):
        _fault(document, path, f"a rule is {shown(row)}", "a mapping with `on` and `do`")
        return Rule(frozenset(), None, None, ())
    _refuse_unknown(document, path, {"on", "attempt", "round", "do"})
    on = row.get("on")
    events = (on,) if isinstance(on, str) else on
    if not isinstance(events, tuple) or not events or any(_event(event) for event in events):
        _fault(document, (*path, "on"), f"on is {shown(on)}", "an event name or a list of them")
        events = ()
    for key in ("attempt", "round"):
        expected = _whole(1, 1000)(row[key]) if row.get(key) is not None else ""
        if expected:
            _fault(document, (*path, key), f"{key} is {shown(row[key])}", expected)
    todo = row.get("do")
    if not isinstance(todo, tuple) or not todo:
        _fault(document, (*path, "do"), f"do is {shown(todo)}", "a list of steps")
        todo = ()
    steps = tuple(_step(document, (*path, "do", index), step) for index, step in enumerate(todo))
    return Rule(frozenset(events), row.get("attempt"), row.get("round"), steps)


def _step(document: Document, path: Path, step: Any) -> Step:
    """One step: a mapping with exactly one key, or a bare verb that needs no argument."""
    if isinstance(step, str):
        step = {step: None}
    if not isinstance(step, dict) or len(step) != 1:
        _fault(document, path, f"a step is {shown(step)}", f"one of {', '.join(_VERBS)}")
        return Step("", {})
    ((verb, given),) = step.items()
    wanted = _VERBS.get(verb)
    if wanted is None:
        _fault(document, path, f"unknown step {shown(verb)}", f"one of {', '.join(_VERBS)}")
        return Step("", {})
    if given is not None and not isinstance(given, dict):
        given = {next(iter(wanted), ""): given}  # the short form: the first argument alone
    return Step(verb, dict(_arguments(document, (*path, verb), wanted, given or {})))


def _arguments(
    document: Document, path: Path, wanted: Mapping[str, tuple[Checker, Any]], given: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    for name in given:
        if name not in wanted:
            _fault(document, (*path, name), f"unknown argument {shown(name)}", f"one of {', '.join(wanted) or 'none'}")
    for name, (checker, default) in wanted.items():
        if name not in given:
            if default is _REQUIRED:
                _fault(document, path, f"{path[-1]} has no {name}", "a value for it")
            yield name, default
            continue
        expected = checker(given[name])
        if expected:
            _fault(document, (*path, name), f"{path[-1]} {name} is {shown(given[name])}", expected)
        yield name, given[name]


def _refuse_unknown(document: Document, path: Path, known: set[str]) -> None:
    value: Any = document.data
    for part in path:
        value = value[part]
    for key in value:
        if key not in known:
            spot = document.key_spot((*path, key))
            document.problems.append(Problem(spot, f"unknown key {shown(key)}", f"one of {', '.join(sorted(known))}"))


def _fault(document: Document, path: Path, what: str, expected: str) -> None:
    document.problems.append(Problem(document.value_spot(path), what, expected))
