"""What a person is told when a call to the daemon does not end with its answer."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleet.cli.client import Client, meaning_of
from fleet.cli.door import Door
from fleet.core import wire
from fleet.core.errors import FleetError, Refused, TimedOut, Unreachable, UsageError


@contextmanager
def peer(path: Path, answer: bytes | None) -> Iterator[Client]:
    """A daemon's end that reads one call and sends ``answer``; None: it says nothing until the caller gives up."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            if answer is None:
                connection.recv(1)
            else:
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    client = Client(str(path))
    try:
        yield client
    finally:
        client.close()
        thread.join(60)
        listening.close()


def failure(client: Client, seconds: float = 10.0) -> FleetError:
    """How the call ended."""
    with pytest.raises(FleetError) as caught:
        client.call("ping", {}, seconds)
    return caught.value


def test_a_daemon_that_keeps_silent_is_a_timeout_and_the_call_may_have_happened(tmp_path: Path) -> None:
    with peer(tmp_path / "s", None) as client:
        error = failure(client, 0.1)
    assert (type(error), error.code, error.exit_code) == (TimedOut, "FLT-CLI-002", 124)
    assert "fleet log" in error.hint


@pytest.mark.parametrize("answer", [b"", b"FLEET/1 json 20\n{"], ids=["nothing", "half an answer"])
def test_a_daemon_that_hangs_up_may_have_done_it(tmp_path: Path, answer: bytes) -> None:
    with peer(tmp_path / "s", answer) as client:
        error = failure(client)
    assert (type(error), error.code, error.exit_code) == (Unreachable, "FLT-CLI-005", 5)
    assert "fleet log" in error.hint


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\n" + b" " * wire.HEADER_LIMIT,
        wire.frame("text", b"0\0\0"),
        wire.frame("json", b"{"),
        wire.frame("json", b"[]"),
        wire.frame("json", json.dumps({"ok": True, "result": "words"}).encode()),
        wire.frame("json", json.dumps({"ok": False}).encode()),
    ],
    ids=["another protocol", "another kind", "no JSON", "no object", "no result", "no error"],
)
def test_an_answer_that_makes_no_sense_is_told_as_such(tmp_path: Path, answer: bytes) -> None:
    with peer(tmp_path / "s", answer) as client:
        error = failure(client)
    assert (error.code, error.exit_code) == ("FLT-CLI-003", 1)


def test_a_result_where_a_text_was_due_is_told_as_such() -> None:
    assert meaning_of(b'{"ok": true, "result": {}}').code == "FLT-CLI-003"


def test_a_call_above_the_limit_is_not_even_sent(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Client(str(tmp_path / "nobody listens")).call("ping", {"text": "x" * wire.REQUEST_LIMIT})
    assert (caught.value.code, caught.value.exit_code) == ("FLT-CLI-004", 2)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "no text"])
def test_a_capability_that_cannot_be_read_makes_nobody_a_person(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "capability"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Refused) as caught:
        Door({"FLEET_CAPABILITY_FILE": str(file), "FLEET_SOCKET": "/nowhere"}, str(tmp_path)).client()
    assert (caught.value.code, caught.value.exit_code, caught.value.where) == ("FLT-CLI-006", 6, str(file))
