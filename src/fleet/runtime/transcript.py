"""What a client of Claude Code writes down about its conversation: answers with their tokens, and what was said. Pure.

The file is JSON lines, one for each content block; the usage of an answer stands on each of its lines and is counted
once. Lines that are not understood are passed over: the format is the client's own and may grow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fleet.core.session import Answer

_TEXT_LIMIT = 4000  # characters of one remark
_INPUT_LIMIT = 1000  # characters of a tool's input


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that was said: by ``user`` or ``assistant``, or a ``tool`` that was used; ``id`` is the line's."""

    id: str
    who: str
    text: str
    tool: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a transcript: its answers and remarks in order, and whether the turn is over after it.

    ``over`` is None where the part does not say.
    """

    answers: tuple[Answer, ...]
    remarks: tuple[Remark, ...]
    over: bool | None


def read_part(data: bytes) -> Part:
    """Read whole lines."""
    answers: dict[str, Answer] = {}
    remarks: list[Remark] = []
    over: bool | None = None
    for line in _lines(data):
        message = line.get("message")
        if line.get("type") not in ("user", "assistant") or not isinstance(message, dict):
            continue
        identity = str(line.get("uuid", ""))
        if line["type"] == "user":
            over = False
            remarks += [] if line.get("isMeta") else _said(identity, "user", message.get("content"))
            continue
        over = message.get("stop_reason") in ("end_turn", "stop_sequence", "max_tokens", "refusal")
        remarks += _said(identity, "assistant", message.get("content"))
        answer = _answer(line, message)
        if answer is not None:
            answers[answer.answer] = _larger(answers.get(answer.answer, answer), answer)
    return Part(tuple(answers.values()), tuple(remarks), over)


def _lines(data: bytes) -> Iterator[dict[str, Any]]:
    for text in data.split(b"\n"):
        try:
            line = json.loads(text) if text.strip() else None
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict):
            yield line


def _answer(line: Mapping[str, Any], message: Mapping[str, Any]) -> Answer | None:
    """The tokens of an answer; None for what no model said, such as an error that the client writes itself."""
    usage, name = message.get("usage"), line.get("requestId") or message.get("id")
    if not isinstance(usage, dict) or not name or line.get("isApiErrorMessage"):
        return None
    sent, said, read, written = (
        _count(usage.get(key))
        for key in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )
    writes = usage.get("cache_creation")
    hour = writes.get("ephemeral_1h_input_tokens") if isinstance(writes, dict) else None
    model = priced_model(str(message.get("model", "")), usage.get("speed"), usage.get("inference_geo"))
    kept = _count(hour) if isinstance(hour, int) else None
    return Answer(str(name), model, sent, said, read, written, cache_write_1h=kept)


def priced_model(model: str, speed: object, place: object) -> str:
    """A model's name for its price: what is charged apart, such as fast answers, stands behind it in parentheses."""
    more = [str(speed)] if speed not in (None, "", "normal", "standard") else []
    more += [str(place)] if place not in (None, "", "global", "not_available") else []
    return f"{model} ({', '.join(more)})" if more else model


def _larger(one: Answer, other: Answer) -> Answer:
    """The same answer on two lines: an earlier line may have been written before all was counted."""
    hours = [each.cache_write_1h for each in (one, other) if each.cache_write_1h is not None]
    return replace(
        other,
        input=max(one.input, other.input),
        output=max(one.output, other.output),
        cache_read=max(one.cache_read, other.cache_read),
        cache_write=max(one.cache_write, other.cache_write),
        cache_write_1h=max(hours, default=None),
    )


def _said(identity: str, who: str, content: object) -> list[Remark]:
    """Texts and uses of tools; what tools gave stays in the transcript."""
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    found = []
    for block in blocks if isinstance(blocks, list) else ():
        if not isinstance(block, dict):
            continue
        if block.get("type") == "text" and str(block.get("text", "")).strip():
            found.append(Remark(identity, who, str(block["text"])[:_TEXT_LIMIT]))
        elif block.get("type") == "tool_use":
            text = json.dumps(block.get("input"), ensure_ascii=False)[:_INPUT_LIMIT]
            found.append(Remark(str(block.get("id") or identity), "tool", text, str(block.get("name", ""))))
    return found


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 1 << 40 else 0
