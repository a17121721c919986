"""An answer of the Messages API as its stream: events, and the two ways in which they travel. Pure."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator, Mapping

from fleet.testing.model.scenario import Turn, filled

Event = dict[str, object]


def events_of(turn: Turn, *, message_id: str, model: str, words: Mapping[str, str]) -> Iterator[Event]:
    """The events of one streamed answer, in order."""
    usage: Event = {
        "input_tokens": turn.input_tokens,
        "output_tokens": 1,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }
    message: Event = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    yield {"type": "message_start", "message": message}
    index = 0
    if turn.text or not turn.calls:
        yield from _block(index, {"type": "text", "text": ""}, {"type": "text_delta", "text": turn.text or "Done."})
        index += 1
    for number, call in enumerate(turn.calls):
        head = {"type": "tool_use", "id": f"toolu_{message_id[4:]}_{number}", "name": call.tool, "input": {}}
        text = json.dumps(filled(dict(call.input), words))
        yield from _block(index, head, {"type": "input_json_delta", "partial_json": text})
        index += 1
    reason = "tool_use" if turn.calls else "end_turn"
    delta = {"stop_reason": reason, "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": turn.output_tokens}}
    yield {"type": "message_stop"}


def _block(index: int, head: Mapping[str, object], delta: Mapping[str, object]) -> Iterator[Event]:
    yield {"type": "content_block_start", "index": index, "content_block": head}
    yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def server_sent(event: Event) -> bytes:
    """One event as text/event-stream."""
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def event_stream(event: Event) -> bytes:
    """One event as a frame of application/vnd.amazon.eventstream."""
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}).encode()
    fields = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in fields.items()
    )
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    frame = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return frame + struct.pack("!I", zlib.crc32(frame))
