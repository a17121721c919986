"""Arguments of a call, checked before anything else happens: types, lengths, unknown names. Pure."""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fleet.control.verbs import VERBS, Verb
from fleet.core.board import TaskState
from fleet.core.errors import UsageError
from fleet.core.event import FABRIC_KINDS, is_event_name
from fleet.core.journal import PAYLOAD_LIMIT, SUMMARY_LIMIT

TITLE_LIMIT = 256  # characters, as on GitHub
BODY_LIMIT = 64 * 1024  # bytes of UTF-8
PIECE = 512 * 1024  # bytes of an artifact in one call: in base64 it fits into a request
SAID_LIMIT = 8 * 1024  # bytes of UTF-8, of a message, a question or an answer
LINE_LIMIT = 500  # characters
MAX_LABELS = 20
MAX_FILES = 1000
EXPORT_FORMATS = ("jsonl", "csv", "cef")
MAX_EDITS = 100
MAX_MESSAGES = 100  # in one acknowledgement
LONGEST_LEASE = 86_400  # seconds
MAX_WORDS = 200
MAX_WORD = 4000  # characters
MAX_COUNT = 10_000
MAX_NUMBER = 2**53
MAX_SECONDS = 1_000_000_000
MAX_AMOUNT = 10**12  # tokens, or millionths of a dollar
LONGEST_WAIT = 60.0  # seconds

_NOT_IN_A_LINE = frozenset({"Cc", "Zl", "Zp"})  # control characters, line and paragraph separators
_AGENT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SUBJECT = re.compile(r"(?:ticket|pr)/[1-9][0-9]{0,14}|agent/[a-z0-9][a-z0-9_-]{0,62}")
_BUDGET_TARGET = re.compile(r"ticket/[1-9][0-9]{0,14}|(?:agent/)?[a-z0-9][a-z0-9_-]{0,62}")
_LIMIT_TARGET = re.compile(r"(?:ticket|pr)/[1-9][0-9]{0,14}|event/[0-9a-z]{1,40}|(?:agent/)?[a-z0-9][a-z0-9_-]{0,62}")
_LABEL = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TOKEN = re.compile(r"[0-9a-f]{32}")
_HASH = re.compile(r"[0-9a-f]{64}")
_ARTIFACT = re.compile(r"[1-9][0-9]{0,14}|[0-9a-f]{8,64}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ +@-]{0,99}")
_TYPE = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z_]+)?")


def verb_named(name: str) -> Verb:
    """The row of a verb. Raises UsageError FLT-CTL-001."""
    verb = VERBS.get(name)
    if verb is None:
        raise UsageError("FLT-CTL-001", f"there is no verb {name[:100]!r}", hint="fleet help lists the commands")
    return verb


def checked(verb: Verb, given: Mapping[str, object]) -> dict[str, Any]:
    """Every argument of a verb with its checked value or default.

    Raises UsageError FLT-CTL-002 for an unknown or missing name, FLT-CTL-003 for a wrong value,
    FLT-FAB-001/002 for a payload.
    """
    known = {arg.name for arg in verb.args}
    unknown = sorted(set(given) - known)
    if unknown:
        takes = ", ".join(sorted(known)) or "no arguments"
        raise UsageError("FLT-CTL-002", f"{verb.name} does not take {unknown[0][:100]!r}", hint=f"It takes {takes}.")
    values: dict[str, Any] = {}
    for arg in verb.args:
        if arg.name in given:
            values[arg.name] = _value(verb.name, arg.name, arg.kind, given[arg.name])
            if arg.required and values[arg.name] == "":
                raise UsageError("FLT-CTL-003", f"{verb.name}: {arg.name} must not be empty")
        elif arg.required:
            raise UsageError("FLT-CTL-002", f"{verb.name} needs {arg.name!r}")
        else:
            values[arg.name] = _value(verb.name, arg.name, arg.kind, arg.default)
    return values


def parse_payload(text: str) -> dict[str, object]:
    """A JSON object from its text; an empty text is an empty object.

    Raises UsageError FLT-FAB-002 above 256 KiB, FLT-FAB-001 for anything that is not one plain JSON object:
    duplicate keys, NaN, half surrogates and NUL characters included.
    """
    if not text:
        return {}
    if len(text.encode("utf-8", "replace")) > PAYLOAD_LIMIT:
        raise UsageError(
            "FLT-FAB-002",
            f"the payload is larger than {PAYLOAD_LIMIT} bytes",
            hint="Put large content into the repository and send its path.",
        )
    try:
        found = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
        # a half surrogate can be written in JSON and in no UTF-8 text
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise UsageError("FLT-FAB-001", f"the payload is not plain JSON: {error}") from error
    if not isinstance(found, dict):
        raise UsageError("FLT-FAB-001", "the payload must be a JSON object", hint='Write it as {"key": "value"}.')
    if any("\0" in text for text in _strings(found)):
        raise UsageError("FLT-FAB-001", "the payload holds a NUL character")
    return found


def _strings(value: object) -> Iterator[str]:
    """Every key and text inside a JSON value."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            left += [*item, *item.values()]
        elif isinstance(item, list):
            left += item


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON value")


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"the key {twice[:100]!r} stands there twice")
    return found


def _value(verb: str, name: str, kind: str, given: object) -> Any:
    """Run the checker of a kind; its complaint names verb and argument."""
    try:
        return _CHECKERS[kind](given)
    except _Wrong as wrong:
        raise UsageError("FLT-CTL-003", f"{verb}: {name} {wrong}") from wrong


class _Wrong(ValueError):
    """What is wrong with a value, as the rest of a sentence."""


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise _Wrong(f"must be text, not {type(given).__name__}")
    if "\0" in given:
        raise _Wrong("holds a NUL character")
    try:
        given.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _Wrong("is not valid Unicode text") from error
    return given


def _line(limit: int, *, least: int = 0) -> Callable[[object], str]:
    def check(given: object) -> str:
        text = _text(given)
        if any(unicodedata.category(char) in _NOT_IN_A_LINE for char in text):
            raise _Wrong("must be one line without control characters")
        if not least <= len(text) <= limit:
            raise _Wrong(f"has {len(text)} characters; {least} to {limit} are allowed")
        if least and not text.strip():
            raise _Wrong("is blank")
        return text

    return check


def _body(given: object) -> str:
    text = _text(given)
    size = len(text.encode("utf-8"))
    if size > BODY_LIMIT:
        raise _Wrong(f"has {size} bytes, the limit is {BODY_LIMIT}")
    return text


def _said(given: object) -> str:
    text = _text(given)
    size = len(text.encode("utf-8"))
    if size > SAID_LIMIT:
        raise _Wrong(f"has {size} bytes, the limit is {SAID_LIMIT}; keep long content as an artifact")
    if not text.strip():
        raise _Wrong("is blank")
    return text


def _piece(given: object) -> bytes:
    text = _text(given)
    if len(text) > PIECE * 4 // 3 + 4:
        raise _Wrong(f"has more than {PIECE} bytes")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise _Wrong("is not base64") from error


def _numbers(given: object) -> tuple[int, ...]:
    if not isinstance(given, (list, tuple)) or not 1 <= len(given) <= MAX_MESSAGES:
        raise _Wrong(f"must be a list of 1 to {MAX_MESSAGES} numbers")
    return tuple(dict.fromkeys(_integer(1, MAX_NUMBER)(one) for one in given))


def _integer(least: int, most: int) -> Callable[[object], int]:
    def check(given: object) -> int:
        if not isinstance(given, int) or isinstance(given, bool):
            raise _Wrong(f"must be a whole number, not {type(given).__name__}")
        if not least <= given <= most:
            raise _Wrong(f"must be between {least} and {most}")
        return given

    return check


def _flag(given: object) -> bool:
    if not isinstance(given, bool):
        raise _Wrong(f"must be true or false, not {type(given).__name__}")
    return given


def _wait(given: object) -> float:
    if not isinstance(given, (int, float)) or isinstance(given, bool):
        raise _Wrong("must be a number of seconds")
    if not 0 <= given <= LONGEST_WAIT:
        raise _Wrong(f"must be between 0 and {LONGEST_WAIT:.0f} seconds")
    return float(given)


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[object], str]:
    """Empty (for an optional argument) or a full match."""

    def check(given: object) -> str:
        text = _text(given)
        if text and not pattern.fullmatch(text):
            raise _Wrong(f"must be {what}, not {text[:100]!r}")
        return text

    return check


def _event(given: object) -> str:
    text = _text(given)
    if text and not is_event_name(text):
        raise _Wrong(f"must be a lower-case name such as tests_passed, not {text[:100]!r}")
    return text


def _choice(*options: str) -> Callable[[object], str]:
    def check(given: object) -> str:
        if given not in options:
            raise _Wrong(f"must be one of {', '.join(option for option in options if option)}")
        return str(given)

    return check


def _labels(given: object) -> tuple[str, ...]:
    if not isinstance(given, (list, tuple)):
        raise _Wrong("must be a list of labels")
    if len(given) > MAX_LABELS:
        raise _Wrong(f"has more than {MAX_LABELS} labels")
    for label in given:
        if not isinstance(label, str) or len(label) > 50 or not _LABEL.fullmatch(label):
            raise _Wrong("holds a label that is not 1 to 50 printable ASCII characters")
    return tuple(given)


def _edits(given: object) -> tuple[tuple[str, str, object], ...]:
    """Edits as (operation, key, value); what they mean is the configuration's business."""
    if not isinstance(given, (list, tuple)) or not 1 <= len(given) <= MAX_EDITS:
        raise _Wrong(f"must be a list of 1 to {MAX_EDITS} edits")
    if len(json.dumps(given)) > PAYLOAD_LIMIT:
        raise _Wrong(f"is larger than {PAYLOAD_LIMIT} bytes")
    found = []
    for edit in given:
        if not isinstance(edit, dict) or not set(edit) <= {"op", "key", "value"}:
            raise _Wrong("must hold objects of op, key and value")
        op, key = edit.get("op"), edit.get("key")
        if op not in ("set", "unset", "append", "remove") or not isinstance(key, str) or len(key) > LINE_LIMIT:
            raise _Wrong("must name an operation (set, unset, append, remove) and a key in each edit")
        found.append((op, key, edit.get("value")))
    return tuple(found)


def _file(given: object) -> str:
    text = _text(given)
    if not text.startswith("/") or text.endswith("/") or len(text.encode()) > 4000:
        raise _Wrong("must be the absolute path of a file")
    return text


def _files(given: object) -> tuple[str, ...]:
    if not isinstance(given, (list, tuple)) or not 1 <= len(given) <= MAX_FILES:
        raise _Wrong(f"must be a list of 1 to {MAX_FILES} paths")
    return tuple(_file(one) for one in given)


def _words(given: object) -> tuple[str, ...]:
    if not isinstance(given, (list, tuple)):
        raise _Wrong("must be a list of words")
    if len(given) > MAX_WORDS or any(len(_text(word)) > MAX_WORD for word in given):
        raise _Wrong(f"has more than {MAX_WORDS} words, or one of more than {MAX_WORD} characters")
    return tuple(given)


def _payload(given: object) -> dict[str, object]:
    if not isinstance(given, str):
        raise _Wrong("must be the text of a JSON object")
    return parse_payload(given)


_CHECKERS: dict[str, Callable[[object], Any]] = {
    "text": _text,
    "line": _line(LINE_LIMIT),
    "title": _line(TITLE_LIMIT, least=1),
    "short": _line(TITLE_LIMIT),
    "summary": _line(SUMMARY_LIMIT),
    "body": _body,
    "said": _said,
    "number": _integer(1, MAX_NUMBER),
    "ticket": _integer(0, MAX_NUMBER),
    "count": _integer(1, MAX_COUNT),
    "count0": _integer(0, MAX_NUMBER),
    "seconds": _integer(1, MAX_SECONDS),
    "seconds0": _integer(0, MAX_SECONDS),
    "amount0": _integer(0, MAX_AMOUNT),
    "ceiling": lambda given: None if given is None else _integer(0, MAX_AMOUNT)(given),
    "limit_target": _matching(_LIMIT_TARGET, "ticket/7, pr/8 or an agent's name"),
    "budget_target": _matching(_BUDGET_TARGET, "an agent's name, ticket/7 or fleet"),
    "instant": _integer(0, 2**62),
    "numbers": _numbers,
    "lease": _integer(0, LONGEST_LEASE),
    "flag": _flag,
    "wait": _wait,
    "name": _matching(_AGENT, "an agent's name"),
    "subject": _matching(_SUBJECT, "an object such as ticket/7, pr/8 or agent/developer"),
    "ref": _matching(_REF, "a branch, tag or commit"),
    "sha": _matching(_SHA, "a full commit hash"),
    "token": _matching(_TOKEN, "the token that claiming the task gave"),
    "piece": _piece,
    "upload": _matching(_TOKEN, "the upload that the first piece gave"),
    "artifact": _matching(_ARTIFACT, "an artifact's number, or at least eight digits of its hash"),
    "file_name": _matching(_FILE_NAME, "a plain file name of at most 100 characters, such as report.txt"),
    "task_state": _choice("", *(str(state) for state in TaskState)),
    "file": _file,
    "file_or_none": lambda given: _file(given) if given != "" else "",
    "files": _files,
    "eval_key": _choice("agent", "role", "model", "fleet"),
    "export_format": _choice(*EXPORT_FORMATS),
    "hash": _matching(_HASH, "64 hexadecimal digits"),
    "type": _matching(_TYPE, "a journal type such as run.started"),
    "event": _event,
    "kind": _choice("", *FABRIC_KINDS),
    "verdict": _choice("approve", "request_changes"),
    "hindsight": _choice("", "confirmed", "unjust"),
    "label": _choice("ok", "bad"),
    "labels": _labels,
    "payload": _payload,
    "edits": _edits,
    "words": _words,
    "vendor": _choice("scripted", "command", "claude-code"),
    "stdin": _choice("terminal", "brief"),
    "digest": _matching(_SHA, "a configuration's hash in full"),
}
