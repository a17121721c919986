"""Processes as /proc shows them: who descends from whom, and ends that nobody escapes.

Takes pids, gives facts; ``freeze`` and ``kill`` repeat their search until it finds nothing new. The shim
loads this file at every start, so it imports almost nothing; a process that is gone is an OSError where a
caller must know, and no answer where it need not.
Weakness: processes of another uid (sudo) cannot be signalled; they are returned as survivors.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable

_STOPPED_OR_DEAD = frozenset("TtZXx")
_DEAD = frozenset("ZXx")
_PAUSE = 0.002  # seconds between two looks at a tree that is about to change
_PATIENT = 2  # looks after which what still moves is signalled by its groups as well
_QUIET = 3  # looks in a row that must find nothing: one may miss a process that forks and ends all the time
_WALKS = 5  # attempts to see a line of ancestors that does not change meanwhile


class Process:
    """One line of the process table; ``start`` is clock ticks since boot and tells pids apart that are reused."""

    __slots__ = ("group", "pid", "ppid", "start", "state")

    def __init__(self, pid: int, ppid: int, start: int, state: str, group: int = 0) -> None:
        """Take the fields of /proc/<pid>/stat; ``state`` is its one letter, ``group`` its process group."""
        self.pid = pid
        self.ppid = ppid
        self.start = start
        self.state = state
        self.group = group


def read(pid: int) -> Process:
    """One process. Raises ProcessLookupError when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            line = file.read(4096)
    except FileNotFoundError as error:
        raise ProcessLookupError(f"no process {pid}") from error
    # the name in parentheses may hold anything, so count from the last one
    fields = line[line.rindex(b")") + 2 :].split()
    return Process(pid, int(fields[1]), int(fields[19]), fields[0].decode(), int(fields[2]))


def table() -> dict[int, Process]:
    """Every process that can be seen now."""
    found: dict[int, Process] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found[int(name)] = read(int(name))
            except OSError:
                continue
    return found


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 when it is gone."""
    try:
        return read(pid).start
    except OSError:
        return 0


def is_alive(pid: int, start: int) -> bool:
    """True while exactly this process runs; a zombie and another process of that pid are not it."""
    try:
        process = read(pid)
    except OSError:
        return False
    return process.start == start and process.state not in _DEAD


def is_stopped(pid: int, start: int) -> bool:
    """True while exactly this process is stopped by a signal."""
    try:
        process = read(pid)
    except OSError:
        return False
    return process.start == start and process.state == "T"


def boot_id() -> str:
    """Which start of the machine this is."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def ancestors(pid: int) -> tuple[tuple[int, int], ...]:
    """The process itself and its ancestors, nearest first, each as (pid, start time).

    Raises ProcessLookupError when the process is gone, or when its ancestors change faster than they can be read.
    """
    for _ in range(_WALKS):
        chain = _walk(pid)
        if chain:
            return chain
    raise ProcessLookupError(f"the ancestors of process {pid} cannot be read")


def _walk(pid: int) -> tuple[tuple[int, int], ...]:
    """One attempt at a line of ancestors; empty when one of them ended under our eyes."""
    process = read(pid)
    chain = [(process.pid, process.start)]
    while process.ppid:
        try:
            parent = read(process.ppid)
        except OSError:
            return ()
        # a parent is older than its child: otherwise the pid went to somebody else meanwhile
        if parent.start > process.start:
            return ()
        chain.append((parent.pid, parent.start))
        process = parent
    return tuple(chain)


def is_below(pid: int, root: int) -> bool:
    """Whether a process descends from another one now; reads only the processes between the two."""
    try:
        process = read(pid)
        while process.ppid and process.ppid != root:
            parent = read(process.ppid)
            if parent.start > process.start:  # a parent is older than its child: its pid went to somebody else
                return False
            process = parent
    except OSError:
        return False
    return process.ppid == root


def descendants(*pids: int) -> tuple[Process, ...]:
    """Everything below processes in the tree, zombies included."""
    return _below(set(pids), table())


def _below(roots: set[int], processes: dict[int, Process]) -> tuple[Process, ...]:
    children: dict[int, list[Process]] = {}
    for process in processes.values():
        children.setdefault(process.ppid, []).append(process)
    found: list[Process] = []
    seen = set(roots)
    todo = list(roots)
    while todo:
        for child in children.get(todo.pop(), ()):
            if child.pid not in seen:
                seen.add(child.pid)
                found.append(child)
                todo.append(child.pid)
    return tuple(found)


def environ_has(pid: int, name: str, value: str) -> bool:
    """Whether a process was started with this variable. Raises OSError when that cannot be read."""
    return os.fsencode(f"{name}={value}") in _environ(pid)


def _environ(pid: int) -> set[bytes]:
    with open(f"/proc/{pid}/environ", "rb") as file:
        return set(file.read().split(b"\0"))


def marked(name: str, value: str) -> tuple[Process, ...]:
    """Processes started with this variable, and all that descends from them. Never the caller or its ancestors."""
    return marked_as(name, (value,))


def marked_as(name: str, values: Iterable[str]) -> tuple[Process, ...]:
    """The same for any of several values."""
    wanted = {os.fsencode(f"{name}={value}") for value in values}
    processes = table() if wanted else {}
    roots: set[int] = set()
    for pid in processes:
        try:
            if wanted & _environ(pid):
                roots.add(pid)
        except OSError:
            continue
    ours = {pid for pid, _ in ancestors(os.getpid())}
    chosen = {process.pid: process for process in _below(roots - ours, processes)}
    chosen |= {pid: processes[pid] for pid in roots}
    return tuple(process for pid, process in chosen.items() if pid not in ours)


def send(process: Process, number: int) -> bool:
    """Signal exactly this process, never another that got its pid; False when it is gone or not ours."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        if start_time(process.pid) != process.start:
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _send_all(processes: Iterable[Process], number: int, looks: int) -> None:
    """Signal each of these; after a few looks their groups as well.

    A process that forks and ends faster than we look is never there any more when its pid is signalled; a group is
    signalled as a whole, whoever is in it at that moment. Never our own group.
    """
    found = list(processes)
    for process in found:
        send(process, number)
    if looks > _PATIENT:
        for group in {process.group for process in found} - {0, 1, os.getpgrp()}:
            try:
                os.killpg(group, number)
            except OSError:
                continue


def freeze(find: Callable[[], Iterable[Process]], *, seconds: float) -> bool:
    """Stop all that ``find`` finds, and look again until a look finds only stopped processes.

    A process that forks while it is being stopped leaves a child that the next look finds. False when
    ``seconds`` pass before that: something may still move.
    """
    deadline = time.monotonic() + seconds
    looks = quiet = 0
    while True:
        found = list(find())
        moving = [process for process in found if process.state not in _STOPPED_OR_DEAD]
        quiet = 0 if moving else quiet + 1
        if quiet >= _QUIET:
            return True
        looks += 1
        _send_all(moving or found, signal.SIGSTOP, looks if moving else _PATIENT + 1)
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE)


def kill(
    find: Callable[[], Iterable[Process]], *, seconds: float, reap: Callable[[], None] | None = None
) -> tuple[int, ...]:
    """Kill all that ``find`` finds until it finds nothing alive; the pids that would not die in ``seconds``.

    ``reap`` is called before each look, by a parent that has zombies to collect.
    """
    deadline = time.monotonic() + seconds
    looks = quiet = 0
    while True:
        if reap is not None:
            reap()
        found = list(find())
        living = [process for process in found if process.state not in _DEAD]
        quiet = 0 if living else quiet + 1
        if quiet >= _QUIET:
            return ()
        looks += 1
        _send_all(living or found, signal.SIGKILL, looks if living else _PATIENT + 1)
        if living and time.monotonic() >= deadline:
            return tuple(sorted(process.pid for process in living))
        time.sleep(_PAUSE)
