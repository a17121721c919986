"""Tells systemd how the service is: one small datagram to the socket that NOTIFY_SOCKET names.

The protocol is that of sd_notify(3): lines of ``NAME=value``. Not answered, so nothing can be waited for.
"""

from __future__ import annotations

import socket
import time
from collections.abc import MutableMapping

READY = "READY=1"
STOPPING = "STOPPING=1"
WATCHDOG = "WATCHDOG=1"

_NAMES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


def reloading() -> tuple[str, str]:
    """That we reload; READY says when that is over. systemd wants to know since when, in microseconds."""
    return "RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}"


class Notifier:
    """One service manager, or nobody. Never fails its caller: an unheard word is no reason to stop a fleet."""

    def __init__(self, address: str = "") -> None:
        """``address`` is a path, or an abstract name that begins with @; "" for nobody."""
        self.address = address

    def say(self, *lines: str) -> bool:
        """Send lines as one message; whether somebody took it."""
        if not self.address:
            return False
        name = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.setblocking(False)
                out.sendto("\n".join(lines).encode("utf-8", "replace"), name)
        except OSError:
            return False
        return True

    def environment(self) -> dict[str, str]:
        """What the next program of this very process has to find in its environment."""
        return {"NOTIFY_SOCKET": self.address} if self.address else {}


def take_notifier(env: MutableMapping[str, str]) -> Notifier:
    """The service manager that ``env`` names. It is taken out of ``env``: no child may speak for us."""
    address = env.get("NOTIFY_SOCKET", "")
    for name in _NAMES:
        env.pop(name, None)
    return Notifier(address if address[:1] in ("/", "@") else "")
