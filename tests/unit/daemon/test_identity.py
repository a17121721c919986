"""Who is on the other end: real processes under a real subreaper and a real tmux server, on a real socket."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.core.errors import Refused
from fleet.core.principal import Principal
from fleet.core.work import Run, RunState
from fleet.daemon.identity import Identity, Peer, ProcessTree, peer_of
from fleet.process import end_group, spawn
from fleet.runtime import proctree
from fleet.runtime.port import Observation, SessionRef
from fleet.runtime.tmux import Tmux
from fleet.store import capabilities, runs
from fleet.testing.desk import Desk
from fleet.testing.folders import make_folder
from fleet.testing.waiting import wait_until

SECRET = "5ec7e7" + "0" * 58

# A subreaper like the shim, which starts one process in the way that its first argument names.
SHIM = """
import ctypes, os, socket, sys, time
how, path = sys.argv[1], sys.argv[2]
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
shim = os.getpid()

def connect():
    there = socket.socket(socket.AF_UNIX)
    there.connect(path)
    there.recv(1)
    os._exit(0)

if os.fork() == 0:
    if how == "child":
        connect()
    if how == "grandchild" and os.fork() == 0:
        connect()
    if how == "orphan":  # setsid and a double fork, as nohup and daemons do
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                while os.getppid() != shim:
                    time.sleep(0.001)
                connect()
            os._exit(0)
        os._exit(0)
    if how == "wiped":
        code = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)"
        os.execve(sys.executable, [sys.executable, "-c", code, path], {})
    os.wait()
    os._exit(0)
while True:
    os.wait()
"""
CONNECT = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)"


class Door:
    """A socket with the identity of a fleet behind it."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder)
        # short: a unix socket's path is limited to about a hundred bytes
        self._short = make_folder()
        self.path = self._short / "s"
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(self.path))
        self.listening.listen(8)
        self.listening.settimeout(60)
        self.shims: dict[str, int] = {}
        self.servers: frozenset[int] = frozenset()
        self.identity = self.make(os.getuid())
        self._connections: list[socket.socket] = []
        self._children: list[int] = []

    def make(self, owner: int) -> Identity:
        return Identity(
            self.desk.db,
            ProcessTree(proctree.ancestors, proctree.environ_has),
            observe=self._observe,
            session_ref=self.desk.context.session_ref,
            server_pids=lambda: self.servers,
            owner_uid=owner,
            socket_path=str(self.path),
        )

    def _observe(self, ref: SessionRef) -> Observation:
        return Observation("running", self.shims.get(ref.session, 0))

    def accept(self) -> Peer:
        """The peer of the next connection."""
        connection, _ = self.listening.accept()
        self._connections.append(connection)
        return peer_of(connection)

    def issue(self, who: Principal) -> None:
        """Give the run its secret."""
        expires = self.desk.clock.now() + 60_000_000
        token_hash = capabilities.digest(SECRET)
        self.desk.db.write(lambda tx: capabilities.issue(tx, who, token_hash=token_hash, expires_at=expires))

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
        self.listening.close()
        self.path.unlink()
        self._short.rmdir()
        self.desk.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path)
    yield made
    made.close()


@pytest.fixture
def run(door: Door) -> Principal:
    """A live run with a live secret."""
    who = door.desk.run("developer", "ticket/1")
    door.issue(who)
    return who


class Session:
    """A shim of a run with one process below it that has connected."""

    def __init__(self, door: Door, who: Principal | None, how: str, env: dict[str, str] | None = None) -> None:
        self.child = spawn([sys.executable, "-c", SHIM, how, str(door.path)], env=env)
        if who is not None:
            door.shims[f"{who.run_id}-e{who.epoch}"] = self.child.pid
        self.peer = door.accept()

    def close(self) -> None:
        self.peer.close()
        for process in proctree.descendants(self.child.pid):
            proctree.send(process, signal.SIGKILL)
        end_group(self.child)


@pytest.fixture
def session(door: Door, run: Principal, request: pytest.FixtureRequest) -> Iterator[Session]:
    """A process in the tree of the run; the parameter says how it was started."""
    made = Session(door, run, getattr(request, "param", "child"))
    yield made
    made.close()


def refusal(door: Door, peer: Peer, secret: str = "") -> str:
    """The code with which a peer is refused."""
    with pytest.raises(Refused) as caught:
        door.identity.derive(peer, secret)
    assert caught.value.exit_code == 6
    return caught.value.code


def own_peer(door: Door) -> Peer:
    """The peer of a connection that this very process makes."""
    there = socket.socket(socket.AF_UNIX)
    there.connect(str(door.path))
    door._connections.append(there)
    return door.accept()


def test_the_owner_is_a_person_named_by_login(door: Door) -> None:
    peer = own_peer(door)
    principal = door.identity.derive(peer, "")
    assert str(principal) == f"human:{pwd.getpwuid(os.getuid()).pw_name}"
    assert peer.pid == os.getpid()
    peer.close()


WAYS = ["child", "grandchild", "orphan", "wiped"]


@pytest.mark.parametrize("session", WAYS, indirect=True)
def test_whatever_descends_from_the_shim_speaks_for_the_run_with_its_secret(
    door: Door, run: Principal, session: Session
) -> None:
    principal = door.identity.derive(session.peer, SECRET)
    assert (str(principal), principal.run_id, principal.epoch) == ("agent:developer", run.run_id, run.epoch)


@pytest.mark.parametrize("session", WAYS, indirect=True)
def test_a_process_of_a_run_that_drops_its_secret_is_refused_and_not_promoted(door: Door, session: Session) -> None:
    assert refusal(door, session.peer) == "FLT-AUT-003"


@pytest.mark.parametrize("session", ["orphan"], indirect=True)
def test_a_shim_that_was_not_known_when_the_daemon_looked_before_is_found(door: Door, session: Session) -> None:
    peer = own_peer(door)
    door.identity.derive(peer, "")
    peer.close()
    assert refusal(door, session.peer) == "FLT-AUT-003"


def test_a_secret_is_worth_nothing_outside_its_runs_tree(door: Door, run: Principal) -> None:
    peer = own_peer(door)
    assert refusal(door, peer, SECRET) == "FLT-AUT-002"
    peer.close()


def test_a_secret_is_worth_nothing_in_the_tree_of_another_run(door: Door, run: Principal, session: Session) -> None:
    other = door.desk.run("tech-lead", "pr/2", head="a" * 40)
    elsewhere = Session(door, other, "child")
    try:
        assert refusal(door, elsewhere.peer, SECRET) == "FLT-AUT-002"
    finally:
        elsewhere.close()


@pytest.mark.parametrize("secret", ["f" * 64, "x", SECRET[:-1], SECRET.upper(), SECRET + "0", "' OR 1=1 --", "é" * 64])
def test_an_unknown_or_malformed_secret_is_refused(door: Door, session: Session, secret: str) -> None:
    assert refusal(door, session.peer, secret) == "FLT-AUT-001"


def test_a_secret_ends_with_its_run(door: Door, run: Principal, session: Session) -> None:
    assert door.identity.derive(session.peer, SECRET).is_agent
    door.desk.end(run, RunState.SUCCEEDED)
    assert refusal(door, session.peer, SECRET) == "FLT-AUT-001"


def test_a_secret_ends_when_it_is_revoked_or_expires(door: Door, run: Principal, session: Session) -> None:
    door.desk.clock.advance(61)
    assert refusal(door, session.peer, SECRET) == "FLT-AUT-001"
    door.desk.clock.jump(-61)
    assert door.identity.derive(session.peer, SECRET).is_agent
    door.desk.db.write(lambda tx: capabilities.revoke_run(tx, run.run_id))
    assert refusal(door, session.peer, SECRET) == "FLT-AUT-001"


def test_the_secret_of_an_older_epoch_is_refused(door: Door, tmp_path: Path) -> None:
    who = door.desk.run("developer", "ticket/1")
    old = Principal(who.kind, who.name, who.run_id, who.epoch - 1, who.role, who.verbs, who.emits, who.subjects)
    door.issue(old)
    session = Session(door, who, "child")
    try:
        assert refusal(door, session.peer, SECRET) == "FLT-AUT-001"
    finally:
        session.close()


def test_whoever_carries_a_runs_environment_is_no_person_even_after_the_run(door: Door) -> None:
    env = {**os.environ, "FLEET_SOCKET": str(door.path)}
    left_over = Session(door, None, "child", env=env)
    try:
        assert refusal(door, left_over.peer) == "FLT-AUT-003"
    finally:
        left_over.close()


def test_the_environment_of_another_fleet_makes_nobody_suspect(door: Door) -> None:
    env = {**os.environ, "FLEET_SOCKET": str(door.path) + "2"}
    elsewhere = Session(door, None, "child", env=env)
    try:
        assert door.identity.derive(elsewhere.peer, "").is_human
    finally:
        elsewhere.close()


@pytest.mark.tmux
def test_a_process_in_the_fleets_tmux_server_is_no_person(door: Door, tmp_path: Path) -> None:
    folder = make_folder()
    tmux = Tmux(folder / "t")
    tmux.start_server()
    try:
        door.servers = frozenset({tmux.known_server_pid()})
        tmux.new_session("by-hand", [sys.executable, "-c", CONNECT, str(door.path)])
        peer = door.accept()
        assert refusal(door, peer) == "FLT-AUT-003"
        peer.close()
    finally:
        tmux.kill_server()
        for path in folder.iterdir():
            path.unlink(missing_ok=True)
        folder.rmdir()


@pytest.mark.parametrize("looked_at_before", [False, True])
def test_a_peer_that_has_ended_is_refused(door: Door, run: Principal, session: Session, looked_at_before: bool) -> None:
    if looked_at_before:
        assert door.identity.derive(session.peer, SECRET).is_agent
    os.kill(session.peer.pid, signal.SIGKILL)
    wait_until(lambda: not session.peer.alive)
    wait_until(lambda: not proctree.start_time(session.peer.pid), what="the shim to reap it")
    assert refusal(door, session.peer, SECRET) == "FLT-AUT-005"
    assert refusal(door, session.peer) in ("FLT-AUT-003", "FLT-AUT-005")


def test_another_user_is_refused_with_and_without_a_secret(door: Door, session: Session) -> None:
    door.identity = door.make(owner=os.getuid() + 1)
    peer = own_peer(door)
    assert refusal(door, peer) == "FLT-AUT-004"
    assert refusal(door, session.peer, SECRET) == "FLT-AUT-004"
    peer.close()


def test_what_was_found_out_about_a_connection_is_not_found_out_twice(door: Door, run: Principal) -> None:
    asked: list[int] = []

    def count(pid: int) -> tuple[tuple[int, int], ...]:
        asked.append(pid)
        return proctree.ancestors(pid)

    door.identity = Identity(
        door.desk.db,
        ProcessTree(count, proctree.environ_has),
        observe=lambda ref: Observation("running", 0),
        session_ref=door.desk.context.session_ref,
        server_pids=lambda: frozenset(),
        owner_uid=os.getuid(),
        socket_path=str(door.path),
    )
    peer = own_peer(door)
    for _ in range(5):
        door.identity.derive(peer, "")
    assert len(asked) == 1
    peer.close()


def test_the_shims_of_ended_runs_are_forgotten(door: Door, run: Principal, session: Session) -> None:
    door.identity.derive(session.peer, SECRET)
    live: list[Run] = door.desk.db.read(runs.live)
    assert len(live) == 1
    door.desk.end(run)
    peer = own_peer(door)
    door.identity.derive(peer, "")
    assert door.identity._shims == {}
    peer.close()
