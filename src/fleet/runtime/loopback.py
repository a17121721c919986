"""Whose connection is this? The processes at the other end of a loopback connection, from the kernel's tables.

Weakness, as with every look at /proc: in shared-uid mode a descriptor can be handed on by who holds it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress

_ESTABLISHED = "01"


def inode_of(client: int, server: int) -> int:
    """The inode of the client's end of a connection on 127.0.0.1, by the two ports; 0 when there is none."""
    mine, other = f"0100007F:{client:04X}", f"0100007F:{server:04X}"
    try:
        with open("/proc/net/tcp", encoding="ascii") as table:
            for line in table:
                words = line.split()
                if len(words) > 9 and words[1] == mine and words[2] == other and words[3] == _ESTABLISHED:
                    return int(words[9])
    except (OSError, ValueError):
        return 0
    return 0


def holds(pids: Iterable[int], inode: int) -> bool:
    """Whether one of the processes has this socket open."""
    wanted = f"socket:[{inode}]"
    return any(_has(pid, wanted) for pid in pids)


def _has(pid: int, wanted: str) -> bool:
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    for name in names:
        with suppress(OSError):
            if os.readlink(f"{folder}/{name}") == wanted:
                return True
    return False
