"""The socket: whatever a caller sends or breaks ends at its own connection, and quick calls stay quick."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fleet.core import wire
from fleet.core.errors import FleetError, Unreachable, UsageError
from fleet.core.journal import PAYLOAD_LIMIT
from fleet.daemon import server as server_module
from fleet.daemon.argv import ArgvCall
from fleet.daemon.build import make_identity
from fleet.daemon.follow import CommitFollower
from fleet.daemon.rpc import CallFailed, Rpc
from fleet.daemon.server import Server
from fleet.testing.desk import Desk
from fleet.testing.folders import make_folder
from fleet.testing.waiting import wait_until


def parse(words: Sequence[str], folder: str) -> ArgvCall:
    """A command line of three commands, one of them with a bug."""

    def explain(error: FleetError) -> tuple[str, str]:
        return "", f"{error.code}\n"

    def render(result: Mapping[str, object]) -> str:
        return json.dumps(result)

    if words[0] == "note":
        return ArgvCall("fabric.publish", {"event": "note", "summary": words[1]}, render, explain)
    if words[0] == "where":
        return ArgvCall("ping", {}, lambda result: folder, explain)
    if words[0] == "bug":
        return ArgvCall("ping", {}, lambda result: str(result["no such key"]), explain)
    raise UsageError("FLT-CLI-001", f"no such command: {words[0]}")


class Running:
    """A server in a thread of its own, over a desk."""

    def __init__(self, folder: Path, parser: Callable[..., ArgvCall] | None = parse) -> None:
        self.desk = Desk(folder)
        self._short = make_folder()
        self.path = self._short / "s"
        self.reports: list[tuple[str, BaseException]] = []
        self._parser = parser
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        self._ready.result(60)

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(self.path))
        listening.listen(600)
        follower = CommitFollower(self.loop)
        self.desk.db.on_commit(follower.committed)
        identity = make_identity(self.desk.db, self.desk.context)
        self.server = Server(
            self.desk.control,
            identity,
            follower,
            parse_argv=self._parser,
            report=lambda what, error: self.reports.append((what, error)),
        )
        await self.server.start(listening)
        self._ready.set_result(None)
        await self._stop.wait()
        self.clean = await self.server.close(10.0)
        listening.close()

    def rpc(self, timeout: float = 60.0) -> Rpc:
        return Rpc(self.path, timeout=timeout)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)
        assert not self._thread.is_alive()
        self.path.unlink()
        self._short.rmdir()
        self.desk.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    made.close()


def error_of(answer: tuple[str, bytes]) -> dict[str, Any]:
    """The error in a json answer."""
    assert answer[0] == "json"
    found = json.loads(answer[1])
    assert found["ok"] is False
    error: dict[str, Any] = found["error"]
    return error


def still_serves(running: Running) -> None:
    """Another caller is answered as if nothing had happened."""
    with running.rpc() as rpc:
        assert rpc.call("ping")["fleet"] == running.desk.paths.fleet_id


def test_many_calls_go_over_one_connection(running: Running) -> None:
    with running.rpc() as rpc:
        ids = [rpc.call("fabric.publish", {"event": "note", "summary": f"n{n}"})["id"] for n in range(20)]
        assert len(set(ids)) == 20
        with pytest.raises(CallFailed):
            rpc.call("why", {"ref": "nobody"})
        assert rpc.call("fabric.history", {"limit": 100})["entries"][-1]["id"] == ids[-1]


def test_calls_sent_ahead_are_answered_in_order(running: Running) -> None:
    with running.rpc() as rpc:
        for number in range(10):
            body = json.dumps({"verb": "fabric.publish", "args": {"event": "note", "summary": f"n{number}"}}).encode()
            rpc.send_raw(wire.frame("json", body))
        seqs = [json.loads(rpc.receive()[1])["result"]["seq"] for _ in range(10)]
    assert seqs == sorted(seqs)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "FLT-DMN-006"),
        (b"[]", "FLT-DMN-006"),
        (b"\xff\xfe", "FLT-DMN-006"),
        (b'{"verb": 1}', "FLT-DMN-006"),
        (b'{"verb": "ping", "args": []}', "FLT-DMN-006"),
        (b'{"verb": "ping", "cap": null}', "FLT-DMN-006"),
        (b'{"verb": "ping", "sender": "human:ann"}', "FLT-DMN-006"),
        (b'{"args": {}}', "FLT-DMN-006"),
        (b"[" * 100_000, "FLT-DMN-006"),
        (b'{"verb": "no.such"}', "FLT-CTL-001"),
        (b'{"verb": "ping", "args": {"x": 1}}', "FLT-CTL-002"),
        (b'{"verb": "ticket.show", "args": {"number": "7"}}', "FLT-CTL-003"),
        (b'{"verb": "why", "args": {"ref": "\\ud800"}}', "FLT-CTL-003"),
    ],
)
def test_a_bad_call_is_a_usage_error_and_the_connection_goes_on(running: Running, body: bytes, code: str) -> None:
    with running.rpc() as rpc:
        error = error_of(rpc.exchange("json", body))
        assert (error["code"], error["exit_code"]) == (code, 2)
        assert rpc.call("ping")


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"\n", b"x" * 5000, b"FLEET/1 text 3\nabc", b"FLEET/1 json 99999999\n"]
)
def test_what_is_no_message_is_answered_once_and_ends_the_connection(running: Running, data: bytes) -> None:
    with running.rpc() as rpc:
        rpc.send_raw(data)
        assert error_of(rpc.receive())["code"] in ("FLT-DMN-001", "FLT-DMN-002")
    still_serves(running)


def test_a_payload_of_ten_megabytes_is_refused_with_exit_2(running: Running) -> None:
    with running.rpc() as rpc:
        rpc.send_raw(b"FLEET/1 json %d\n" % (10 * 1024 * 1024))
        error = error_of(rpc.receive())
    assert (error["code"], error["exit_code"]) == ("FLT-DMN-002", 2)
    with running.rpc() as rpc, pytest.raises(CallFailed) as caught:
        rpc.call("fabric.publish", {"event": "note", "payload": json.dumps({"a": "x" * PAYLOAD_LIMIT})})
    assert caught.value.error["exit_code"] == 2
    assert running.desk.entries("note") == []


@pytest.mark.parametrize("part", [b"FLEET/1 js", b"FLEET/1 json 100\n{", b""])
def test_a_caller_that_hangs_up_in_the_middle_harms_nobody(running: Running, part: bytes) -> None:
    for _ in range(20):
        with running.rpc() as rpc:
            rpc.send_raw(part)
    still_serves(running)
    assert running.reports == []


def test_a_bug_in_one_call_is_told_to_its_caller_and_reported_and_ends_nothing(running: Running) -> None:
    with running.rpc() as rpc:
        _, body = rpc.exchange("argv", wire.encode_argv("", "/", ["bug"]))
        code, out, err = wire.decode_text(body)
        assert (code, out, err.strip()) == (1, "", "FLT-DMN-009")
    (report,) = running.reports
    assert isinstance(report[1], KeyError)
    still_serves(running)


def test_a_whole_command_is_parsed_and_rendered_here(running: Running) -> None:
    with running.rpc() as rpc:
        kind, body = rpc.exchange("argv", wire.encode_argv("", "/tmp", ["note", "hello; $(x)"]))
        code, out, err = wire.decode_text(body)
        assert (kind, code, err) == ("text", 0, "")
        assert json.loads(out)["id"] == running.desk.entries("note")[0].id
        assert running.desk.entries("note")[0].summary == "hello; $(x)"
        assert wire.decode_text(rpc.exchange("argv", wire.encode_argv("", "/a b", ["where"]))[1])[1] == "/a b"


@pytest.mark.parametrize(
    ("words", "code", "json_out"),
    [(["nonsense"], 2, False), (["nonsense", "--json"], 2, True), (["note", "two\nlines"], 2, False)],
)
def test_a_bad_command_is_explained_as_it_asked(running: Running, words: list[str], code: int, json_out: bool) -> None:
    with running.rpc() as rpc:
        got, out, err = wire.decode_text(rpc.exchange("argv", wire.encode_argv("", "/", words))[1])
    assert got == code
    if json_out:
        assert json.loads(out)["error"]["code"] == "FLT-CLI-001"
        assert err == ""
    else:
        assert out == ""
        assert "FLT-" in err


def test_words_that_are_not_utf8_are_a_usage_error(running: Running) -> None:
    with running.rpc() as rpc:
        code, _, err = wire.decode_text(rpc.exchange("argv", b"\0/\0note\0caf\xe9")[1])
    assert code == 2
    assert "FLT-DMN-004" in err


def test_without_a_parser_words_are_refused(tmp_path: Path) -> None:
    running = Running(tmp_path, parser=None)
    try:
        with running.rpc() as rpc:
            code, _, err = wire.decode_text(rpc.exchange("argv", wire.encode_argv("", "/", ["note", "x"]))[1])
        assert code == 2
        assert "FLT-DMN-005" in err
    finally:
        running.close()


def test_a_refused_secret_is_on_record(running: Running) -> None:
    with running.rpc() as rpc, pytest.raises(CallFailed) as caught:
        rpc.call("ping", secret="f" * 64)
    assert (caught.value.error["code"], caught.value.error["exit_code"]) == ("FLT-AUT-001", 6)
    (entry,) = wait_until(lambda: running.desk.entries("request.refused"))
    assert entry.payload is not None
    assert entry.payload["pid"] == os.getpid()


def test_a_follower_hears_of_a_new_entry_soon_and_of_nothing_at_its_deadline(running: Running) -> None:
    with running.rpc() as rpc:
        rpc.call("fabric.publish", {"event": "note"})
        head = rpc.call("log")["head"]
        assert rpc.call("log", {"after": head, "wait_seconds": 0.2})["entries"] == []
        with ThreadPoolExecutor(1) as pool:
            heard = pool.submit(rpc.call, "log", {"after": head, "wait_seconds": 60, "type": "blocker"})
            with running.rpc() as other:
                other.call("fabric.publish", {"event": "note"})
                other.call("fabric.publish", {"event": "blocker"})
            assert [entry["type"] for entry in heard.result(60)["entries"]] == ["blocker"]


def test_many_followers_do_not_keep_others_from_being_answered(running: Running) -> None:
    with running.rpc() as first:
        head = first.call("log", {"limit": 1})["head"]
    followers = [running.rpc() for _ in range(60)]
    body = json.dumps({"verb": "log", "args": {"after": head, "wait_seconds": 60}}).encode()
    for rpc in followers:
        rpc.send_raw(wire.frame("json", body))
    still_serves(running)
    with running.rpc() as rpc:
        rpc.call("fabric.publish", {"event": "note"})
    for rpc in followers:
        assert json.loads(rpc.receive()[1])["result"]["entries"]
        rpc.close()


def test_more_connections_than_the_limit_are_turned_away_and_the_others_are_served(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 10)
    held = [running.rpc() for _ in range(10)]
    for rpc in held:
        assert rpc.call("ping")
    with running.rpc() as eleventh:
        assert error_of(eleventh.receive())["code"] == "FLT-DMN-007"
    for rpc in held:
        assert rpc.call("ping")
        rpc.close()
    wait_until(lambda: _answers(running))


def _answers(running: Running) -> bool:
    try:
        with running.rpc() as rpc:
            return bool(rpc.call("ping"))
    except (CallFailed, FleetError):
        return False


def test_more_waiting_calls_than_the_limit_are_put_off(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_WAITING", 1)
    gate = threading.Event()
    body = json.dumps({"verb": "ticket.create", "args": {"title": "Waits for the store"}}).encode()
    with running.rpc() as first, running.rpc() as second:
        for rpc in (first, second):
            rpc.call("ping")  # who they are is known from here on
        running.desk.db.submit(lambda tx: gate.wait(60))
        first.send_raw(wire.frame("json", body))
        try:
            wait_until(lambda: running.server._waiting == 1)
            with pytest.raises(CallFailed) as caught:
                second.call("ticket.create", {"title": "One too many"})
        finally:
            gate.set()
        assert caught.value.error["code"] == "FLT-DMN-008"
        assert json.loads(first.receive()[1])["ok"]
        assert [ticket["title"] for ticket in second.call("tickets")["tickets"]] == ["Waits for the store"]


def test_a_socket_where_nobody_listens_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as caught:
        Rpc(tmp_path / "s")
    assert (caught.value.code, caught.value.exit_code) == ("FLT-DMN-016", 5)


def test_closing_answers_what_waits(tmp_path: Path) -> None:
    running = Running(tmp_path)
    rpc = running.rpc()
    try:
        head = rpc.call("log", {"limit": 1})["head"]
        body = json.dumps({"verb": "log", "args": {"after": head, "wait_seconds": 60}}).encode()
        rpc.send_raw(wire.frame("json", body))
        with running.rpc() as other:
            other.call("ping")
    finally:
        running.close()
    assert running.clean
    assert json.loads(rpc.receive()[1])["result"]["entries"] == []
    rpc.close()


def test_a_caller_of_another_protocol_is_told_both_versions(running: Running) -> None:
    with running.rpc() as rpc:
        rpc.send_raw(b"FLEET/9 json 2\n{}")
        error = error_of(rpc.receive())
    assert error["code"] == "FLT-DMN-101"
    assert "FLEET/9" in error["message"]
    assert "FLEET/1" in error["message"]
    still_serves(running)


def test_whoever_was_let_in_before_the_end_may_still_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_LOOK_SECONDS", 0.0)
    running = Running(tmp_path)
    rpc = running.rpc()
    asleep = running.rpc()
    wait_until(lambda: len(running.server._tasks) == 2, what="two connections")
    running.loop.call_soon_threadsafe(running._stop.set)
    wait_until(lambda: running.server._closing, what="the beginning of the end")
    assert rpc.call("ping")["fleet"] == running.desk.paths.fleet_id
    rpc.close()
    running.close()  # the other one never asks, and holds up nobody for long
    asleep.close()
