"""Whose connection is this? The processes at the other end of a loopback connection, by the kernel's own word.

A guard asks this before every tool, so both halves of the answer are looked up and not searched for: the kernel finds
one socket by its ports, and the process that held a session's last connection is the first that is looked at. What was
remembered is only where to look first: that it is so is seen anew each time.
Weakness, as with every look at /proc: in shared-uid mode a descriptor can be handed on by who holds it.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

_ESTABLISHED = 1
_LOOPBACK = socket.inet_aton("127.0.0.1") + bytes(12)
_REMEMBERED = 1000  # sessions; far more than live at once
_NETLINK_SOCK_DIAG = 4  # sock_diag(7)
_SOCK_DIAG_BY_FAMILY = 20
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ANSWER = struct.Struct("=BBBB48xIIIII")  # inet_diag_msg: family, state, …, inode
_ANY = 0xFFFFFFFF


def inode_of(client: int, server: int) -> int:
    """The inode of the client's end of a connection on 127.0.0.1, by the two ports; 0 when there is none."""
    return _asked(client, server) or _listed(client, server)


def _asked(client: int, server: int) -> int:
    """The kernel's answer about this one connection; 0 also where it does not answer such questions."""
    end = struct.pack(">HH", client, server) + _LOOPBACK + _LOOPBACK + struct.pack("=III", 0, _ANY, _ANY)
    question = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ANY) + end
    header = _HEADER.pack(_HEADER.size + len(question), _SOCK_DIAG_BY_FAMILY, 1, 1, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as link:
            link.sendto(header + question, (0, 0))
            answer = link.recv(4096, socket.MSG_DONTWAIT)  # it is there when sendto returns
    except OSError:
        return 0
    if len(answer) < _HEADER.size + _ANSWER.size or _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY:
        return 0
    fields = _ANSWER.unpack_from(answer, _HEADER.size)
    same = answer[_HEADER.size + 4 : _HEADER.size + 8] == end[:4]
    return int(fields[-1]) if same and fields[1] == _ESTABLISHED else 0


def _listed(client: int, server: int) -> int:
    """The same from the table of all connections, which takes the longer the more there are."""
    mine, other = f"0100007F:{client:04X}", f"0100007F:{server:04X}"
    try:
        with open("/proc/net/tcp", encoding="ascii") as table:
            for line in table:
                words = line.split()
                if len(words) > 9 and words[1] == mine and words[2] == other and int(words[3], 16) == _ESTABLISHED:
                    return int(words[9])
    except (OSError, ValueError):
        return 0
    return 0


class Holders:
    """Whether a session's tree holds a socket. Remembers where each session held its last one. Thread-safe."""

    def __init__(self, tree: Callable[[int], Iterable[int]], is_below: Callable[[int, int], bool]) -> None:
        """``tree`` gives the pids below one, ``is_below`` whether a pid is below another one now."""
        self._tree = tree
        self._is_below = is_below
        self._last: dict[str, tuple[int, str]] = {}  # session -> pid and descriptor
        self._lock = threading.Lock()

    def holds(self, session: str, shim: int, inode: int) -> bool:
        """Whether the shim of a session or a process below it has this socket open."""
        wanted = f"socket:[{inode}]"
        pid, name = self._last.get(session, (0, ""))
        if pid:
            name = name if _leads(pid, name, wanted) else _descriptor(pid, wanted)
            if name and (pid == shim or self._is_below(pid, shim)):
                self._remember(session, pid, name)
                return True
        for pid in (*self._tree(shim), shim):
            name = _descriptor(pid, wanted)
            if name:
                self._remember(session, pid, name)
                return True
        return False

    def _remember(self, session: str, pid: int, name: str) -> None:
        with self._lock:
            self._last.pop(session, None)
            self._last[session] = (pid, name)  # the last one asked about is the last one forgotten
            if len(self._last) > _REMEMBERED:
                del self._last[next(iter(self._last))]


def _descriptor(pid: int, wanted: str) -> str:
    """The descriptor by which a process has a socket open; "" for none."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return ""
    return next((name for name in names if _leads(pid, name, wanted)), "")


def _leads(pid: int, name: str, wanted: str) -> bool:
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/fd/{name}") == wanted
    return False
