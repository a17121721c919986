"""The loopback port that agents' clients report to: bound once, the same one again after a restart.

Sessions outlive the daemon and know the port from their settings, so it is written down and taken again when it is
free. Weakness: where another program took it meanwhile, sessions of before cannot be heard any more; their tools
are then refused, because a guard that nobody answers says no.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress

from fleet.config.paths import FleetPaths
from fleet.core.errors import PermanentError
from fleet.runtime import records

HTTP_FD = "FLEET_HTTP_FD"  # the listening descriptor, for the supervisor that this process becomes
NOTE = "http.json"  # in the state folder: the port of before
_BACKLOG = 512


def bind_http(paths: FleetPaths) -> socket.socket:
    """Listen on 127.0.0.1, on the port of before or else on a free one. Only for the holder of a lock.

    Raises PermanentError FLT-DMN-020 when there is none.
    """
    known = (records.read(str(paths.state), NOTE) or {}).get("port")
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # the port of before may still have connections that are only fading away
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not (isinstance(known, int) and 1024 <= known < 65536 and _bound(listening, known)):
            listening.bind(("127.0.0.1", 0))
        listening.listen(_BACKLOG)
        records.write(str(paths.state), NOTE, {"port": port_of(listening), "pid": os.getpid()})
    except OSError as error:
        listening.close()
        raise PermanentError(
            "FLT-DMN-020",
            f"cannot listen on 127.0.0.1: {error.strerror or error}",
            where="127.0.0.1",
            hint="Is the loopback interface up, and the state folder yours?",
        ) from error
    return listening


def inherited_http(environ: MutableMapping[str, str]) -> socket.socket | None:
    """The port that the program before held, taken out of the environment; None when it held none."""
    text = environ.pop(HTTP_FD, "")
    try:
        found = socket.socket(fileno=int(text)) if text.isascii() and text.isdigit() else None
    except OSError:
        return None
    if found is None or found.family is not socket.AF_INET:
        return None
    os.set_inheritable(found.fileno(), False)
    return found


def port_of(listening: socket.socket) -> int:
    """The port of a listening socket."""
    return int(listening.getsockname()[1])


def _bound(listening: socket.socket, port: int) -> bool:
    with suppress(OSError):
        listening.bind(("127.0.0.1", port))
        return True
    return False
