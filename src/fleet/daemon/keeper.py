"""Keeps one daemon alive behind the supervisor's socket: starts it, listens to it, starts it again, replaces it.

The state is one child and three wishes: stop (TERM, INT), replace (USR1), or none; HUP, to reload, is passed on to the
daemon. To replace means: end the daemon in
order, then become the program that ``replace.json`` names, with the listening socket and the lock still held. Callers
wait in the socket's queue meanwhile.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from fleet.config.paths import FleetPaths
from fleet.daemon import notify
from fleet.daemon.logfile import LogFile
from fleet.daemon.notify import Notifier
from fleet.daemon.pulse import LIMIT_SECONDS, PIPE
from fleet.daemon.readiness import release
from fleet.process import spawn
from fleet.runtime import records

MAX_STARTS = 5  # in the window; then a restart is no cure
WINDOW_SECONDS = 30.0
REPLACE = "replace.json"  # in the state folder: the program to become, written before the signal
_LONGEST_PAUSE = 4.0
_END_SECONDS = 13.0  # the daemon gives itself ten
# Starting again cannot help: usage, configuration, a missing checkout, another daemon.
_FINAL = frozenset({2, 3, 4, 8})
_WISHES = {signal.SIGTERM: "stop", signal.SIGINT: "stop", signal.SIGUSR1: "replace"}
_HEEDED = frozenset({*_WISHES, signal.SIGHUP})


class _Child(Protocol):
    """The handle of a spawned program, as far as it is needed here."""

    pid: int

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, negative for a signal."""

    def send_signal(self, sig: int) -> None:
        """Signal it."""


@dataclass(slots=True)
class _Ear:
    """The reading end of a daemon's pipe, and when it was last heard on it (monotonic seconds; 0.0 for never)."""

    descriptor: int
    heard: float = 0.0
    rest: bytes = b""


class Keeper:
    """Starts the daemon, waits for its end, starts it again: bounded, and slower each time."""

    def __init__(
        self,
        paths: FleetPaths,
        program: Sequence[str],
        listening: tuple[int, int],
        log: LogFile,
        *,
        notifier: Notifier,
        become: Callable[[Sequence[str]], None],
        silence: float = LIMIT_SECONDS,
    ) -> None:
        """``program`` is the start of the daemon's command line, ``listening`` the descriptors of socket and port.

        ``become`` turns this process into the supervisor of another program; it returns only by an OSError.
        A daemon that gave a sign of life once is killed after ``silence`` seconds without another.
        """
        self._program = tuple(program)
        self._listening = listening
        self._paths = paths
        self._log = log
        self._notifier = notifier
        self._become = become
        self._silence = silence
        self._wish = ""
        self._hung_up = False
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> int:
        """Keep a daemon alive; the exit code of the last one, 0 after an orderly stop."""
        signal.set_wakeup_fd(self._waker)
        for number in _HEEDED:
            signal.signal(number, self._asked)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)  # blocked while one program became the other
        starts: list[float] = []
        while True:
            starts = [at for at in starts if time.monotonic() - at < WINDOW_SECONDS] + [time.monotonic()]
            code = self._one_life()
            if self._wish == "stop":
                return 0
            if self._wish == "replace":
                self._replace()
                starts = []
                continue
            self._log.say("daemon.died", "error", code=code, starts=len(starts))
            if code in _FINAL or len(starts) >= MAX_STARTS:
                self._log.say("supervisor.gave_up", "error", code=code, starts=len(starts))
                return code if code > 0 else 128 - code
            select.select([self._woken], [], [], min(_LONGEST_PAUSE, 0.1 * 2 ** (len(starts) - 1)))
            if self._wish == "stop":
                return 0

    def _asked(self, number: int, frame: FrameType | None) -> None:
        """A signal came; the wish to stop outweighs the other."""
        if number == signal.SIGHUP:
            self._hung_up = True
        elif self._wish != "stop":
            self._wish = _WISHES[signal.Signals(number)]

    def _one_life(self) -> int:
        """One daemon from its start to its end; its exit code."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            try:
                child = self._start(writing)
            finally:
                os.close(writing)
            release()  # the first daemon has standard output and reports on it
            return self._wait(child, _Ear(reading))
        finally:
            os.close(reading)

    def _start(self, pulse: int) -> _Child:
        self._notifier.say(notify.WATCHDOG)
        checkout = ("--checkout", str(self._paths.checkout))
        sockets = ("--listen-fd", str(self._listening[0]), "--http-fd", str(self._listening[1]))
        argv = [*self._program, *checkout, "--supervised", *sockets]
        with open(self._paths.log, "ab") as log:
            child = spawn(
                argv,
                cwd=self._paths.state,
                env={**os.environ, PIPE: str(pulse)},
                pass_fds=(*self._listening, pulse),
                stdout=1,
                stderr=log,
            )
        self._log.say("daemon.spawned", child=child.pid)
        return child

    def _wait(self, child: _Child, ear: _Ear) -> int:
        """The daemon's end. When we are asked to end it, it is told to, and killed if it takes too long."""
        handle = os.pidfd_open(child.pid)
        deadline: float | None = None
        readers = [handle, self._woken, ear.descriptor]
        try:
            while True:
                ready, _, _ = select.select(readers, [], [], self._patience(deadline, ear))
                if handle in ready:
                    return child.wait()
                if self._woken in ready:
                    os.read(self._woken, 512)
                if ear.descriptor in ready and not self._listen(ear):
                    readers.remove(ear.descriptor)
                if self._hung_up:
                    self._hung_up = False
                    if ear.heard:  # a daemon that is only starting reads the file anyway
                        child.send_signal(signal.SIGHUP)
                now = time.monotonic()
                if self._wish and deadline is None:
                    deadline = now + _END_SECONDS
                    self._notifier.say(*((notify.STOPPING,) if self._wish == "stop" else notify.reloading()))
                    child.send_signal(signal.SIGTERM)
                elif deadline is not None and now >= deadline:
                    child.send_signal(signal.SIGKILL)
                elif deadline is None and ear.heard and now - ear.heard >= self._silence:
                    self._log.say("daemon.hung", "error", child=child.pid, silent_seconds=round(now - ear.heard, 1))
                    child.send_signal(signal.SIGKILL)
        finally:
            os.close(handle)

    def _patience(self, deadline: float | None, ear: _Ear) -> float | None:
        """Seconds until something has to be done although nothing happened."""
        until = deadline if deadline is not None else ear.heard + self._silence if ear.heard else None
        return None if until is None else max(0.0, until - time.monotonic())

    def _listen(self, ear: _Ear) -> bool:
        """Take what the daemon says, and pass it on; False when it will say no more."""
        said = os.read(ear.descriptor, 4096)
        *lines, ear.rest = (ear.rest + said).split(b"\n")
        for line in lines:
            ear.heard = time.monotonic()
            word, _, text = line.decode("ascii", "replace").partition(" ")
            if word == "ready":
                self._notifier.say(notify.READY, f"STATUS={text}")
            elif word == "alive":
                self._notifier.say(notify.WATCHDOG)
        return bool(said)

    def _replace(self) -> None:
        """Become the supervisor of the program that was asked for; on failure, go on with the present one."""
        asked = records.read(str(self._paths.state), REPLACE) or {}
        words = asked.get("program")
        usable = isinstance(words, list) and words and all(isinstance(word, str) and word for word in words)
        program = tuple(words) if usable and words else self._program
        self._log.say("supervisor.replaced", program=program)
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
        self._wish = ""
        try:
            self._become(program)
        except OSError as error:
            self._log.error("supervisor.replace_failed", error)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)


def supervisor_argv(program: Sequence[str], paths: FleetPaths, *more: str) -> list[str]:
    """The command line of a supervisor that keeps ``program`` alive; its interpreter is that of the program."""
    python = program[0] if os.path.isabs(program[0]) else sys.executable
    checkout = ("--checkout", str(paths.checkout))
    return [python, "-P", "-m", "fleet.daemon.supervisor", *checkout, *more, "--", *program]
