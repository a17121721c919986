"""Who is on the other end of the socket. Derived from the kernel and the store, never from what is said.

A capability makes a run's principal if it is live and the peer descends from that run's shim. Without
one, the peer is the fleet's owner only if its uid is the owner's and nothing connects it with a run:
no ancestor is a shim or a server of the runtime, and its environment carries no run of this fleet.
Leaving a capability out therefore never makes an agent a person.

Weakness, in shared-uid mode: a process that another program of the same user starts for an agent
(systemd-run, at, ssh to oneself) descends from nobody here; ``fleet doctor`` lists these ways.
"""

from __future__ import annotations

import os
import pwd
import re
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fleet.assess.doorway import quarantined
from fleet.core.errors import Refused
from fleet.core.principal import Principal, human
from fleet.core.work import Run, RunState
from fleet.daemon.kin import Kin
from fleet.runtime.port import Observation, SessionRef
from fleet.store import capabilities, risk, runs
from fleet.store.db import Database, Tx

_SO_PEERPIDFD = 77  # Linux 6.5; Python has no name for it yet
_SECRET = re.compile(r"[0-9a-f]{64}")
_SAY_WHO = "A session's process must use the capability of its own run (FLEET_CAPABILITY_FILE)."

Chain = tuple[tuple[int, int], ...]  # (pid, start time), the process itself first, then its ancestors


class Peer:
    """The process that connected. Holds its pidfd, so that its pid cannot come to mean another process."""

    def __init__(self, pid: int, uid: int, pidfd: int) -> None:
        """Take what the kernel says about the other end; the descriptor is ours to close."""
        self.pid = pid
        self.uid = uid
        self._pidfd = pidfd
        self._ended = select.poll()
        self._ended.register(pidfd, select.POLLIN)
        self.chain: Chain | None = None  # read once: the ancestors of a process only ever end
        self.member_of: frozenset[tuple[str, int]] = frozenset()  # run and epoch in whose tree it was seen
        self.owner = False  # it was seen to be the owner's own

    @property
    def alive(self) -> bool:
        """False once the process has ended."""
        return self._pidfd >= 0 and not self._ended.poll(0)

    def close(self) -> None:
        """Let the descriptor go; harmless twice."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


@dataclass(frozen=True, slots=True)
class ProcessTree:
    """What the kernel tells about processes, handed in so that this room needs no /proc code of its own."""

    ancestors: Callable[[int], Chain]
    environ_has: Callable[[int, str, str], bool]


def peer_of(connection: socket.socket) -> Peer:
    """The process on the other end of a unix connection. Raises Refused FLT-AUT-005 when it is gone already."""
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        (pidfd,) = struct.unpack("i", connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD, 4))
    except OSError:  # an older kernel, or the process is gone
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            raise Refused("FLT-AUT-005", f"the calling process {pid} is gone") from error
    return Peer(pid, uid, pidfd)


class Identity:
    """Turns a peer and the secret it shows into a principal."""

    def __init__(
        self,
        db: Database,
        tree: ProcessTree,
        *,
        observe: Callable[[SessionRef], Observation],
        session_ref: Callable[[Run], SessionRef],
        server_pids: Callable[[], frozenset[int]],
        owner_uid: int,
        socket_path: str,
        kin: Kin | None = None,
    ) -> None:
        """``observe``, ``session_ref`` and ``server_pids`` are the runtime's; the rest is where we are.

        ``kin`` are the fleets of the same daemon, whose runs are nobody's people either.
        """
        self._db = db
        self._tree = tree
        self._observe = observe
        self._session_ref = session_ref
        self._server_pids = server_pids
        self._owner_uid = owner_uid
        self._owner = human(login_of(owner_uid))
        self._socket_path = socket_path
        self._kin = kin or Kin()
        self._shims: dict[str, int] = {}  # session -> shim pid; a session has one shim, for ever
        self._shims_lock = threading.Lock()  # calls are answered on several threads

    def derive(self, peer: Peer, secret: str) -> Principal:
        """The principal behind a peer. Raises Refused FLT-AUT-001 to 005; ``where`` names the pid."""
        who = self._holder(peer, secret) if secret else self._person(peer)
        if not peer.alive:
            raise _gone(peer)
        return who

    def _holder(self, peer: Peer, secret: str) -> Principal:
        """The run whose secret this is, if the peer is in its tree."""

        def find(tx: Tx) -> tuple[Principal, Run] | None:
            found = capabilities.holder_of(tx, capabilities.digest(secret))
            if found is None:
                _refuse_quarantined(tx, secret)
            return (found, runs.get(tx, found.run_id)) if found else None

        known = self._db.read(find) if _SECRET.fullmatch(secret) else None
        if known is None:
            raise Refused(
                "FLT-AUT-001",
                "the capability is unknown, or its run has ended",
                where=f"pid {peer.pid}",
                hint="A run can act only while it lives; its work comes back as a new run.",
            )
        principal, run = known
        key = (principal.run_id, principal.epoch)
        if peer.uid != self._owner_uid:
            raise _other_user(peer)
        if key not in peer.member_of:
            shim = self.shim_pid(run)
            if not shim or shim not in _pids(self._chain(peer)):
                raise Refused(
                    "FLT-AUT-002",
                    f"the capability of run {principal.run_id} was used by a process outside its session",
                    where=f"pid {peer.pid}",
                    hint=_SAY_WHO,
                )
            peer.member_of |= {key}
        return principal

    def _person(self, peer: Peer) -> Principal:
        """The owner, unless anything connects the peer with a run."""
        if peer.uid != self._owner_uid:
            raise _other_user(peer)
        if not peer.owner:
            pids = _pids(self._chain(peer))
            tie = self._tie_to_a_run(peer, pids)
            if tie:
                raise Refused(
                    "FLT-AUT-003",
                    f"a process of a session called without its capability: {tie}",
                    where=f"pid {peer.pid}",
                    hint=_SAY_WHO,
                )
            peer.owner = True
        return self._owner

    def _tie_to_a_run(self, peer: Peer, pids: frozenset[int]) -> str:
        """What makes this process a run's, in words; empty when nothing does."""
        servers = pids & (self._server_pids() | self._kin.server_pids())
        if servers:
            return f"it descends from the fleet's terminal server (pid {min(servers)})"
        live = self._db.read(runs.live)
        self._forget_all_but(run.session for run in live)
        for run in live:
            shim = self.shim_pid(run)
            if shim and shim in pids:
                return f"it descends from run {run.id} (pid {shim})"
        try:
            # every session's processes are started with it, whatever became of their run
            sockets = {self._socket_path, *self._kin.sockets()}
            marked = any(self._tree.environ_has(peer.pid, "FLEET_SOCKET", socket) for socket in sockets)
        except OSError as error:
            raise _gone(peer) from error
        return "its environment is that of a run of this daemon's" if marked else ""

    def _chain(self, peer: Peer) -> Chain:
        if peer.chain is None:
            try:
                chain = self._tree.ancestors(peer.pid)
            except OSError as error:
                raise _gone(peer) from error
            if not chain:
                raise _gone(peer)
            peer.chain = chain
        return peer.chain

    def shim_pid(self, run: Run) -> int:
        """The pid of a run's shim, 0 while it has none."""
        if run.state not in (RunState.STARTING, RunState.RUNNING):
            return 0
        known = self._shims.get(run.session, 0)
        if not known:
            known = self._observe(self._session_ref(run)).shim_pid
            if known:
                with self._shims_lock:
                    self._shims[run.session] = known
        return known

    def _forget_all_but(self, sessions: Iterable[str]) -> None:
        keep = set(sessions)
        with self._shims_lock:
            for session in [name for name in self._shims if name not in keep]:
                del self._shims[session]


def _refuse_quarantined(tx: Tx, secret: str) -> None:
    """Tell the holder of a revoked capability that its agent is quarantined, where that is why."""
    name = capabilities.revoked_holder(tx, capabilities.digest(secret))
    held = risk.quarantine_of(tx, name) if name else None
    if held is not None:
        raise quarantined(name, held.reason)


def login_of(uid: int) -> str:
    """The login of a uid; ``uid-<n>`` for one without a name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"


def _pids(chain: Chain) -> frozenset[int]:
    return frozenset(pid for pid, _ in chain)


def _gone(peer: Peer) -> Refused:
    return Refused("FLT-AUT-005", f"the calling process {peer.pid} is gone or cannot be looked at")


def _other_user(peer: Peer) -> Refused:
    return Refused("FLT-AUT-004", f"user {login_of(peer.uid)} does not own this fleet", where=f"pid {peer.pid}")
