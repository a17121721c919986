"""Ports on loopback for the runs of one fleet: each given to one live run only, and free when it is given."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Collection, Sequence

from fleet.core.errors import TemporaryError

FIRST, LAST = 20_000, 29_999  # below what the kernel gives to programs that ask for any port


def choose_ports(names: Sequence[str], taken: Collection[int], session: str) -> dict[str, int]:
    """A port for each name, none of ``taken``. Raises TemporaryError FLT-CFG-121 when there are not enough.

    Where the search begins follows from the session, so that runs that start together seldom meet.
    """
    count = LAST - FIRST + 1
    start = zlib.crc32(session.encode()) % count
    found: dict[str, int] = {}
    left = list(dict.fromkeys(names))
    for step in range(count):
        port = FIRST + (start + step) % count
        if not left:
            break
        if port not in taken and _is_free(port):
            found[left.pop(0)] = port
    if left:
        raise TemporaryError(
            "FLT-CFG-121",
            f"no port from {FIRST} to {LAST} is free for {left[0]}",
            where=session,
            hint="End what listens there, or let fewer runs live at once.",
            retry_after=5.0,
        )
    return found


def variables(ports: dict[str, int]) -> dict[str, str]:
    """The ports as the agent and the commands find them."""
    return {f"FLEET_PORT_{name.upper()}": str(port) for name, port in ports.items()}


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # what only waits for its last packets does not count: a server would be let in as well
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
