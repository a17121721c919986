"""The loopback port: who is let in, and that nobody who calls while the daemon is replaced is turned away."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from fleet.config.paths import FleetPaths
from fleet.core.errors import FleetError, PermanentError
from fleet.daemon import httpsocket
from fleet.daemon.httpdoor import BODY_LIMIT, body_of, object_of
from fleet.testing.fleets import fleet_in
from fleet.testing.shell import Shell
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux

# Calls the door from inside its session, then stays until it is told to go.
CALLER = """\
import http.client, json, os, pathlib, sys, time
secret = pathlib.Path(os.environ["FLEET_CAPABILITY_FILE"]).read_text()
port = json.loads(pathlib.Path(sys.argv[1]).read_text())["port"]
link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
link.request("POST", "/hooks/Stop", "{}", {"Authorization": "Bearer " + secret})
reply = link.getresponse()
pathlib.Path(sys.argv[2]).write_text(json.dumps([reply.status, json.loads(reply.read()), secret]))
time.sleep(600)
"""


@dataclass(frozen=True, slots=True)
class Door:
    """A running fleet with one run of a program, and what that program heard."""

    shell: Shell
    paths: FleetPaths
    heard: Path

    @property
    def port(self) -> int:
        """Where the door is."""
        return int(json.loads((self.paths.state / httpsocket.NOTE).read_text())["port"])

    def call(self, path: str, *, method: str = "POST", **headers: str) -> tuple[int, Any]:
        """One request from outside; status and answer."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            link.request(method, path, b"{}", headers)
            reply = link.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            link.close()


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """A fleet whose only agent is a program that calls the door."""
    with fleet_in() as paths:
        heard, script = paths.checkout.parent / "heard.json", paths.config.parent / "caller.py"
        script.write_text(CALLER)
        words = [sys.executable, str(script), str(paths.state / httpsocket.NOTE), str(heard)]
        paths.config.write_text(
            "version: 1\nagents:\n  - {name: caller, role: developer, vendor: command,"
            f" subscribes_to: [ticket_ready], command: {json.dumps(words)}}}\n"
        )
        shell = Shell(paths.checkout, {})
        shell.answer("up")
        try:
            shell.answer("ticket", "create", "Call", "--label", "ready")
            wait_until(lambda: json.loads(heard.read_text()), what="the program to call")
            yield Door(shell, paths, heard)
        finally:
            shell.fleet("down")


def code(answer: tuple[int, Any]) -> tuple[int, str]:
    """Status and error code of an answer."""
    return answer[0], str(answer[1]["error"]["code"])


def test_only_a_run_from_inside_its_own_session_is_let_in(door: Door) -> None:
    status, said, secret = json.loads(door.heard.read_text())
    assert code((status, said)) == (404, "FLT-TRN-003"), "it is known, and does not report by hooks"
    stolen = {"Authorization": f"Bearer {secret}"}
    assert code(door.call("/hooks/Stop", **stolen)) == (403, "FLT-AUT-002")
    assert code(door.call("/v1/logs", **stolen)) == (401, "FLT-AUT-001"), "a capability is no meter token"
    assert code(door.call("/hooks/Stop")) == (401, "FLT-AUT-001")
    assert code(door.call("/hooks/Stop", Authorization="Bearer no")) == (401, "FLT-AUT-001")
    refused = door.shell.answer("log", "--type", "request.refused")["entries"]
    assert any("/hooks/Stop" in entry["summary"] or "/hooks/Stop" in str(entry["payload"]) for entry in refused)


def test_pages_and_other_names_are_turned_away(door: Door) -> None:
    assert code(door.call("/hooks/Stop", Origin="http://evil.test")) == (403, "FLT-AUT-006")
    assert code(door.call("/hooks/Stop", Host="evil.test:80")) == (403, "FLT-AUT-006")
    assert door.call("/healthz", method="GET")[1]["status"] == "ok"


def test_a_restart_keeps_the_port_and_turns_nobody_away(door: Door) -> None:
    before, answers = door.port, list[int]()
    stop = threading.Event()

    def knock() -> None:
        while not stop.is_set():
            answers.append(door.call("/hooks/Stop")[0])

    knocking = threading.Thread(target=knock)
    knocking.start()
    try:
        wait_until(lambda: len(answers) > 3, what="the first answers")
        door.shell.answer("restart")
        count = len(answers)
        wait_until(lambda: len(answers) > count + 3, what="answers of the new daemon")
    finally:
        stop.set()
        knocking.join(60)
    assert set(answers) == {401}
    assert door.port == before


@pytest.mark.parametrize(
    ("body", "refusal"),
    [(b" " * (BODY_LIMIT + 1), "FLT-DMN-021"), (b"[1]", "FLT-DMN-006"), (b"{", "FLT-DMN-006")],
    ids=["too long", "a list", "no json"],
)
def test_a_body_that_is_no_report_is_refused(body: bytes, refusal: str) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    request = Request({"type": "http", "method": "POST", "path": "/hooks/Stop", "headers": []}, receive)
    with pytest.raises(FleetError) as caught:
        object_of(asyncio.run(body_of(request)))
    assert caught.value.code == refusal


def test_without_a_loopback_interface_the_start_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Refusing(socket.socket):
        def listen(self, backlog: int = 0, /) -> None:
            raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr(socket, "socket", Refusing)
    paths = FleetPaths(tmp_path, "x", tmp_path, tmp_path)
    with pytest.raises(PermanentError) as caught:
        httpsocket.bind_http(paths)
    assert caught.value.code == "FLT-DMN-020"
