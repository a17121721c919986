"""What fleets of one daemon share: who is whose run, and the way to GitHub. A run of one is no person in another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fleet.forge.github.gh import Transport

ServerPids = Callable[[], frozenset[int]]


class Kin:
    """Terminal servers and sockets of all fleets of a daemon. Safe to share between threads."""

    def __init__(self) -> None:
        """Nobody yet."""
        self._lock = threading.Lock()
        self._known: dict[str, ServerPids] = {}

    def join(self, socket: str, server_pids: ServerPids) -> None:
        """A fleet answers on ``socket``; ``server_pids`` tells the terminal servers that hold its sessions."""
        with self._lock:
            self._known[socket] = server_pids

    def leave(self, socket: str) -> None:
        """It ended. Its socket stays known: sessions that it left behind are still no people."""
        with self._lock:
            self._known[socket] = frozenset

    def server_pids(self) -> frozenset[int]:
        """The terminal servers of all."""
        with self._lock:
            known = tuple(self._known.values())
        return frozenset(pid for pids in known for pid in pids())

    def sockets(self) -> tuple[str, ...]:
        """The sockets of all, as the environment of their sessions has them."""
        with self._lock:
            return tuple(self._known)


@dataclass(frozen=True, slots=True)
class Company:
    """What a fleet finds in its daemon beside itself; alone by default.

    ``transport`` leads to GitHub instead of one of its own, and ``crowd`` fleets share it. ``beside`` gives the states
    of what else runs here.
    """

    kin: Kin = field(default_factory=Kin)
    transport: Transport | None = None
    crowd: int = 1
    beside: Callable[[], Sequence[Mapping[str, object]]] = tuple
