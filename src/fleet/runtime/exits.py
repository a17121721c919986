"""Notices within milliseconds that a session's shim has answered or ended; nobody polls a process for it.

Takes sessions to watch, gives calls of one wake-up function. One thread waits on the pidfds of all shims.
Weakness: until a shim has written its record there is nothing to wait on but the file itself, which is
looked for every 20 ms.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable

from fleet.runtime import proctree

FindShim = Callable[[], tuple[int, int] | None]  # (pid, start time) of a shim, None while it has no record

_LOOK_SECONDS = 0.02
_GIVE_UP_SECONDS = 60.0  # a session that never answers is then left to whoever observes it


class ExitWatch:
    """A set of watched sessions and the thread that waits for them. Thread-safe."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """``wake`` is called from the thread; it must return at once."""
        self._wake = wake
        self._lock = threading.Lock()
        self._poll = select.poll()
        self._handles: dict[int, str] = {}  # pidfd -> session
        self._watched: set[str] = set()
        self._pending: dict[str, tuple[FindShim, float]] = {}
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._bell_out, self._bell_in = os.pipe()
        os.set_blocking(self._bell_in, False)
        self._poll.register(self._bell_out, select.POLLIN)

    def add(self, session: str, find: FindShim, *, pane: tuple[int, int] | None = None) -> None:
        """Watch a session; a second call for one that is watched changes nothing.

        ``find`` tells who its shim is. ``pane`` is (pid, start time) of the process that tmux started for it,
        where that is known: it is watched too, for a shim that ends before it answers.
        """
        with self._lock:
            if self._stopping or session in self._watched:
                return
            self._watched.add(session)
            if pane is not None:
                self._watch_process(session, pane)
            self._pending[session] = (find, time.monotonic() + _GIVE_UP_SECONDS)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="fleet-exits", daemon=True)
                self._thread.start()
            self._ring()

    def stop(self) -> None:
        """End the thread and close what it waits on; sessions go on. Harmless twice."""
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
            self._ring()
            thread = self._thread
        if thread is not None:
            thread.join()
        with self._lock:
            for handle in (*self._handles, self._bell_in, self._bell_out):
                os.close(handle)
            self._handles.clear()

    def _ring(self) -> None:
        """Wake the thread. The lock is held."""
        try:
            os.write(self._bell_in, b"!")
        except BlockingIOError:
            return  # it is ringing already

    def _watch_process(self, session: str, process: tuple[int, int]) -> bool:
        """Wait on a process from now on; False when it is gone. The lock is held."""
        pid, start = process
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        if not proctree.is_alive(pid, start):  # asked while the pidfd keeps the pid from changing its meaning
            os.close(handle)
            return False
        self._handles[handle] = session
        self._poll.register(handle, select.POLLIN)
        return True

    def _run(self) -> None:
        while True:
            ready = self._poll.poll(_LOOK_SECONDS * 1000 if self._pending else None)
            with self._lock:
                if self._stopping:
                    return
                news = self._take_ended([handle for handle, _ in ready])
                news = self._look_for_answers() or news
            if news:
                self._wake()

    def _take_ended(self, ready: list[int]) -> bool:
        """Forget the sessions whose process ended; True when there was one. The lock is held."""
        ended = False
        for handle in ready:
            if handle == self._bell_out:
                os.read(self._bell_out, 4096)
                continue
            session = self._handles.pop(handle)
            self._poll.unregister(handle)
            os.close(handle)
            self._pending.pop(session, None)
            self._watched.discard(session)
            ended = True
        return ended

    def _look_for_answers(self) -> bool:
        """Start waiting on shims that have a record by now; True when there was one. The lock is held."""
        answered = False
        for session, (find, until) in list(self._pending.items()):
            shim = find()
            if shim is None and time.monotonic() < until:
                continue
            answered = True
            del self._pending[session]
            if session not in self._handles.values() and not (shim and self._watch_process(session, shim)):
                self._watched.discard(session)
        return answered
