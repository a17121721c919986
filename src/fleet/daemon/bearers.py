"""Who is behind a bearer token on the loopback port: the run whose capability it is, seen from inside its own tree.

A port has no peer credentials. The kernel's table says which socket is at the other end; some process of the run's
session must have it open. A capability that was read by somebody else is therefore no use outside its session.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from fleet.core.errors import Refused
from fleet.core.principal import Principal
from fleet.core.work import Run
from fleet.runtime.loopback import Holders, inode_of
from fleet.store import capabilities, runs, sessions
from fleet.store.db import Database, Tx

_SECRET = re.compile(r"[0-9a-f]{64}")


class Bearers:
    """Turns a token and the caller's port into a run, or into a session that may report usage."""

    def __init__(self, db: Database, *, shim_pid: Callable[[Run], int], holders: Holders, port: int) -> None:
        """``shim_pid`` knows the pid of a run's shim, ``holders`` who has a socket open; ``port`` is ours."""
        self._db = db
        self._shim_pid = shim_pid
        self._holders = holders
        self._port = port

    def derive(self, secret: str, port: int) -> Principal:
        """The run whose capability this is. Raises Refused FLT-AUT-001, FLT-AUT-002."""

        def find(tx: Tx) -> tuple[Principal, Run] | None:
            found = capabilities.holder_of(tx, capabilities.digest(secret))
            return (found, runs.get(tx, found.run_id)) if found else None

        known = self._db.read(find) if _SECRET.fullmatch(secret) else None
        if known is None:
            raise Refused(
                "FLT-AUT-001",
                "the capability is unknown, or its run has ended",
                where="127.0.0.1",
                hint="A run can act only while it lives; its work comes back as a new run.",
            )
        principal, run = known
        inode, shim = inode_of(port, self._port), self._shim_pid(run)
        if not inode or not shim or not self._holders.holds(run.session, shim, inode):
            raise Refused(
                "FLT-AUT-002",
                f"the capability of run {principal.run_id} was used by a process outside its session",
                where=f"127.0.0.1:{port}",
            )
        return principal

    def meter(self, secret: str) -> str:
        """The session that may report usage by this token. Raises Refused FLT-AUT-001."""
        digest = capabilities.digest(secret)
        found = self._db.read(lambda tx: sessions.metered(tx, digest)) if _SECRET.fullmatch(secret) else None
        if found is None:
            raise Refused("FLT-AUT-001", "the meter token is unknown, or its run has ended", where="127.0.0.1")
        return found.session
