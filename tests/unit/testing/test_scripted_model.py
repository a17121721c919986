"""The model that follows a script: what comes next, how it travels, and what it puts on record."""

from __future__ import annotations

import base64
import http.client
import json
import struct
import zlib

from fleet.testing.model.frames import event_stream, events_of
from fleet.testing.model.scenario import (
    Call,
    Conversation,
    Failure,
    Scenario,
    Step,
    Turn,
    bash,
    conversation_of,
    step_of,
)
from fleet.testing.model.server import scripted_model


def talk(answers: int) -> Conversation:
    """A conversation in which the model answered so often."""
    return Conversation("s", "m", "SCENARIO:one", (), (), answers, {})


def test_failures_come_before_the_turn_they_stand_at_and_are_counted_there() -> None:
    scenario: Scenario = (Turn("a"), Failure(500, "api_error", "boom", times=2), Turn("b"), Failure(529, "o", "always"))

    def next_step(answers: int, failed: int) -> Step:
        return step_of(scenario, talk(answers), failed)

    assert next_step(0, 0) == Turn("a")
    assert isinstance(next_step(1, 0), Failure)
    assert isinstance(next_step(1, 1), Failure)
    assert next_step(1, 2) == Turn("b")
    assert isinstance(next_step(2, 99), Failure)
    assert isinstance(step_of((), talk(0), 0), Turn), "a script that is over ends the turn"
    assert step_of(lambda seen: Turn(seen.scenario), talk(3), 0) == Turn("one")


def test_words_of_the_conversation_fill_a_tools_input() -> None:
    body: dict[str, object] = {
        "system": [{"type": "text", "text": "Working directory: /tmp/x\nYour brief is `/runs/r1/brief.json`"}],
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": []},
            {"role": "user", "content": [
                {"type": "tool_result", "content": '"ticket": {\n "number": 7},\n "pr": {\n "number": 8}'}]},
        ],
    }  # fmt: skip
    seen = conversation_of("s", "m", body)
    assert (seen.answers, seen.said) == (1, ("go",))
    assert seen.words == {"cwd": "/tmp/x", "tmp": "", "brief": "/runs/r1/brief.json", "ticket": "7", "pr": "8"}
    turn = Turn("", (Call("Write", {"path": "{cwd}/a", "list": ["{pr}"]}),))
    deltas = [event["delta"] for event in events_of(turn, message_id="msg_1", model="m", words=seen.words)
              if event["type"] == "content_block_delta"]  # fmt: skip
    assert deltas == [{"type": "input_json_delta", "partial_json": '{"path": "/tmp/x/a", "list": ["8"]}'}]


def test_a_frame_of_the_event_stream_has_its_lengths_and_checksums() -> None:
    frame = event_stream({"type": "message_stop"})
    whole, headers = struct.unpack("!II", frame[:8])
    assert whole == len(frame)
    assert struct.unpack("!I", frame[8:12])[0] == zlib.crc32(frame[:8])
    assert struct.unpack("!I", frame[-4:])[0] == zlib.crc32(frame[:-4])
    payload = json.loads(frame[12 + headers : -4])
    assert json.loads(base64.b64decode(payload["bytes"])) == {"type": "message_stop"}


def test_it_answers_at_the_addresses_of_three_backends_and_at_no_other() -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "SCENARIO:one"}]})
    paths = {
        "/v1/messages?beta=true": "text/event-stream; charset=utf-8",
        "/model/us.m/invoke-with-response-stream": "application/vnd.amazon.eventstream",
        "/v1/projects/p/locations/l/publishers/anthropic/models/m:streamRawPredict": "text/event-stream; charset=utf-8",
        "/v1/other": "application/json",
    }
    with scripted_model({"one": (bash("true"),)}) as model:
        link = http.client.HTTPConnection(model.address.removeprefix("http://"), timeout=30)
        for path, kind in paths.items():
            link.request("POST", path, body, {"X-Claude-Code-Session-Id": "s"})
            reply = link.getresponse()
            assert (reply.status, reply.getheader("Content-Type")) == (404 if "other" in path else 200, kind)
            reply.read()
        link.close()
        assert [one.conversation.model for one in model.of("one")] == ["m", "us.m", "m"]


def test_a_scripted_error_has_the_form_of_a_real_one() -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "SCENARIO:one"}]})
    with scripted_model({"one": (Failure(429, "rate_limit_error", "slow", retry_after=1.5),)}) as model:
        link = http.client.HTTPConnection(model.address.removeprefix("http://"), timeout=30)
        link.request("POST", "/v1/messages", body)
        reply = link.getresponse()
        assert (reply.status, reply.getheader("retry-after")) == (429, "1.5")
        assert json.loads(reply.read())["error"] == {"type": "rate_limit_error", "message": "slow"}
        link.close()
