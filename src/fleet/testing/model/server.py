"""The scripted model's server: loopback only, one thread a request, everything it was asked on record."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

from fleet.testing.model.frames import Event, event_stream, events_of, server_sent
from fleet.testing.model.scenario import Conversation, Failure, Scenario, Step, Turn, conversation_of, step_of

_MESSAGES = re.compile(r"/v1/messages(\?.*)?")
_BEDROCK = re.compile(r"/model/([^/]+)/invoke-with-response-stream")
_VERTEX = re.compile(r".*/publishers/anthropic/models/([^/:]+):streamRawPredict(\?.*)?")
_LONGEST = 64 * 1024 * 1024  # bytes of a request


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: where it went, under which headers (names in lower case), and what the model answered."""

    path: str
    headers: Mapping[str, str]
    conversation: Conversation
    step: Step


@dataclass(slots=True)
class ScriptedModel:
    """A running server. ``scenarios`` may be changed at any time; a conversation without one fails with 400."""

    scenarios: dict[str, Scenario]
    address: str = ""
    asked: list[Asked] = field(default_factory=list)
    _failed: dict[tuple[str, int], int] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, scenario: str) -> list[Asked]:
        """What was asked in the conversations of one scenario, in order."""
        with self._lock:
            return [one for one in self.asked if one.conversation.scenario == scenario]

    def answer(self, path: str, headers: Mapping[str, str], conversation: Conversation) -> tuple[Step, str]:
        """The next step of a conversation and the id of its message, put on record."""
        with self._lock:
            place = (conversation.session, conversation.answers)
            scenario = self.scenarios.get(conversation.scenario)
            unknown = Failure(400, "invalid_request_error", f"no scenario {conversation.scenario!r}")
            step = unknown if scenario is None else step_of(scenario, conversation, self._failed.get(place, 0))
            if isinstance(step, Failure):
                self._failed[place] = self._failed.get(place, 0) + 1
            self.asked.append(Asked(path, headers, conversation, step))
            return step, f"msg_{next(self._numbers):06d}"


@contextmanager
def scripted_model(scenarios: Mapping[str, Scenario]) -> Iterator[ScriptedModel]:
    """Serve on a free port of 127.0.0.1 for the body; ``address`` is the base URL."""
    model = ScriptedModel(dict(scenarios))

    class Handler(_Handler):
        script = model

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    model.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    script: ScriptedModel
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._plain(404, {"type": "error", "error": {"type": "not_found_error", "message": "no such thing here"}})

    def do_HEAD(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _LONGEST)))
        bedrock, vertex = _BEDROCK.fullmatch(self.path), _VERTEX.fullmatch(self.path)
        if not (bedrock or vertex or _MESSAGES.fullmatch(self.path)):
            self.do_GET()
            return
        named = bedrock or vertex
        model = named.group(1) if named else str(body.get("model", ""))
        headers = {name.lower(): value for name, value in self.headers.items()}
        conversation = conversation_of(headers.get("x-claude-code-session-id", ""), model, body)
        step, message_id = self.script.answer(self.path, headers, conversation)
        if isinstance(step, Failure):
            self._fail(step)
            return
        form, kind = (event_stream, "application/vnd.amazon.eventstream") if bedrock else (server_sent, _SSE)
        self._stream(step, message_id, conversation, form, kind)

    def _stream(
        self, turn: Turn, message_id: str, asked: Conversation, form: Callable[[Event], bytes], kind: str
    ) -> None:
        events = events_of(turn, message_id=message_id, model=asked.model, words=asked.words)
        content = b"".join(map(form, events))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("request-id", f"req_{message_id[4:]}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _fail(self, failure: Failure) -> None:
        more = {} if failure.retry_after is None else {"retry-after": f"{failure.retry_after:g}"}
        error = {"type": failure.kind, "message": failure.message}
        self._plain(failure.status, {"type": "error", "error": error}, more)

    def _plain(self, status: int, content: Mapping[str, object], headers: Mapping[str, str] | None = None) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what was asked is on record."""


_SSE = "text/event-stream; charset=utf-8"
