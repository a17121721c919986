"""The process that owns one session: it starts the agent, bounds it, and ends all of it, daemon or no daemon.

Run as ``python -I -m fleet.runtime.shim <run folder>`` inside the terminal. Takes launch.json, gives
started.json and, whatever happened, exit.json. The end is always the same: freeze the whole tree, save the
work, kill, reap, record. Being the subreaper of its descendants, it also inherits what setsid, nohup and
double forks try to take away.
Weakness: its own death by SIGKILL; the daemon notices that and sweeps what carries the session's name.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import sys
import termios
import time

from fleet.runtime import proctree, records

_REFUSED = 3  # exit status: this shim may not start, nothing happened
_FREEZE_SECONDS = 1.0
_KILL_SECONDS = 5.0
_ESCROW_SECONDS = 65.0  # the saver has its own limit of 60
_HOLD_SECONDS = 10.0  # between two attempts to save the work of a tree that stays frozen
_LOCK_SECONDS = 1.0  # the lock may be held for a moment by a late shim that is about to refuse
_LONGEST_WAIT = 3600.0
_LOOK_SECONDS = 2.0  # for the answer to a death, should its signal have been missed
_CALM = b"\x1b[?1049l\x1b[?1000l\x1b[?2004l\x1b[?25h\x1b[!p\r\n"  # a terminal as programs expect to find it
_REAPED_AT_ONCE = 200
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_STOPPED_BEFORE_START = 143  # the agent was asked to end before it began: 128 + SIGTERM
# all that could end or stop this process; they are taken from the queue one by one instead
_HELD = frozenset((
    signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGALRM,
    signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGPIPE,
))  # fmt: skip
_HEEDED = frozenset({signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP})


class Session:
    """One agent and its tree, from the start to the record of the end."""

    def __init__(self, folder: str, launch: records.Record) -> None:
        """``folder`` is the run folder of this epoch, ``launch`` what launch.json says."""
        self.folder = folder
        self.launch = launch
        self.agent = 0  # pid, 0 while there is none
        self.code: int | None = None
        self.reason = "stopped"
        self.detail = ""
        self.begun = time.monotonic()
        self.stood: float | None = None  # seconds from the beginning until nothing moved any more
        self.deaths = 0
        self.modes = termios.tcgetattr(0) if os.isatty(0) else None

    def supervise(self) -> None:
        """Run the agent to its end, or to the end of what it is allowed. Always leaves exit.json."""
        try:
            self._announce()
            # the daemon writes its request first and looks for our record second; we do it the other way
            if not self._asked_to_end():
                self.reason = self._play()
            else:
                self.code = _STOPPED_BEFORE_START
        finally:
            failure = sys.exc_info()[1]
            if failure is not None:
                self.detail = f"the shim failed: {failure!r}"
            self._end()

    def _announce(self) -> None:
        """Say who we are, before there is an agent."""
        started = {
            "protocol": records.PROTOCOL,
            "session": self.launch["session"],
            "epoch": self.launch["epoch"],
            "pid": os.getpid(),
            "start": proctree.start_time(os.getpid()),
            "boot": proctree.boot_id(),
            "tty": os.ttyname(0) if os.isatty(0) else "",
            "agent": self.agent,
        }
        records.write(self.folder, records.STARTED, started)

    def _play(self) -> str:
        """The agent, as often as it is resumed; the reason of the end as the record names it."""
        argv = self.launch["argv"]
        self.begun = time.monotonic()
        while True:
            self._start(argv)
            reason = self._wait()
            if reason != "exited" or not self.code or not self.launch.get("again"):
                return reason
            reason, answer = self._hold()
            if answer not in ("resume", "afresh"):
                return reason
            argv = self.launch["again" if answer == "resume" else "argv"]
            self.code = None
            self._calm_terminal()

    def _hold(self) -> tuple[str, str]:
        """After a death: save and end what the agent left, say so, wait. The reason should it end, and the answer."""
        self.deaths += 1
        proctree.freeze(self._tree, seconds=_FREEZE_SECONDS)
        self._save()
        if proctree.kill(self._tree, seconds=_KILL_SECONDS, reap=self._reap_frozen):
            return "exited", ""  # something would not end: nothing may start beside it
        died = {"count": self.deaths, "code": self.code, "at": time.time_ns() // 1000}
        records.write(self.folder, records.DIED, {"protocol": records.PROTOCOL, **died})
        deadline = self.begun + float(self.launch["allowance_seconds"])
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return str(self.launch["allowance_kind"]), ""
            if self._asked_to_end():
                return "stopped", ""
            said = records.read(self.folder, records.ANSWER) or {}
            if said.get("count") == self.deaths:
                if said.get("answer") != "end":
                    os.unlink(os.path.join(self.folder, records.DIED))
                return "exited", str(said.get("answer"))
            got = signal.sigtimedwait({signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1}, min(left, _LOOK_SECONDS))
            if got is not None and got.si_signo != signal.SIGUSR1:
                return "hangup" if got.si_signo == signal.SIGHUP else "stopped", ""

    def _calm_terminal(self) -> None:
        """A program that was killed left the terminal as it had it."""
        with contextlib.suppress(termios.error):
            if self.modes is not None:
                termios.tcsetattr(0, termios.TCSANOW, self.modes)
                _write(_CALM)

    def _start(self, argv: list[str]) -> None:
        shim = os.getpid()
        self.agent = os.fork()
        if self.agent == 0:
            _become(self.launch, argv, shim)
        with contextlib.suppress(PermissionError, ProcessLookupError):  # it has begun already, or ended
            os.setpgid(self.agent, self.agent)  # whoever of the two is first
        self._announce()

    def _wait(self) -> str:
        """Until the agent ends, its time is up, or somebody asks; the reason as the record names it."""
        deadline = self.begun + float(self.launch["allowance_seconds"])
        while True:
            more = self._reap()
            if self.code is not None:
                # a terminal that goes away takes the agent with it: that is not the agent's own exit
                return "hangup" if signal.SIGHUP in signal.sigpending() else "exited"
            left = deadline - time.monotonic()
            if left <= 0:
                return str(self.launch["allowance_kind"])
            got = signal.sigtimedwait(_HEEDED, 0.0 if more else min(left, _LONGEST_WAIT))
            if got is not None and got.si_signo == signal.SIGHUP:
                return "hangup"
            if got is not None and got.si_signo == signal.SIGTERM:
                return "stopped"

    def _reap(self) -> bool:
        """Collect what has ended; an agent that stops itself is made to go on, for no shell is there to do it.

        Not without end: a tree that forks as fast as we collect must not keep us from looking at the clock. True when
        there may be more.
        """
        for _ in range(_REAPED_AT_ONCE):
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return False
            if pid == 0:
                return False
            if os.WIFSTOPPED(status):
                if pid == self.agent:
                    _signal_group(pid, signal.SIGCONT)
            elif pid == self.agent:
                code = os.waitstatus_to_exitcode(status)
                self.code = code if code >= 0 else 128 - code
        return True

    def _reap_frozen(self) -> None:
        """Collect what has ended and leave the stopped ones stopped. Not without end, as above."""
        for _ in range(_REAPED_AT_ONCE):
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.agent and self.code is None:
                code = os.waitstatus_to_exitcode(status)
                self.code = code if code >= 0 else 128 - code

    def _end(self) -> None:
        """Freeze, save, kill, reap, record. Each step is tried whatever became of the one before.

        What cannot be made to stand still is killed before its work is saved: it would go on for as long as that takes.
        """
        used = time.monotonic() - self.begun if self.agent else 0.0
        saved: records.Record = {}
        survivors: tuple[int, ...] = ()
        try:
            if not proctree.freeze(self._tree, seconds=_FREEZE_SECONDS):
                proctree.kill(self._tree, seconds=_KILL_SECONDS, reap=self._reap_frozen)
            self.stood = time.monotonic() - self.begun if self.agent else None
            saved = self._save_or_stay()
        finally:
            try:
                survivors = proctree.kill(self._tree, seconds=_KILL_SECONDS, reap=self._reap_frozen)
            finally:
                if self.agent and self.code is None:
                    _signal_group(self.agent, signal.SIGKILL)
                self._record(used, saved, survivors)

    def _asked_to_end(self) -> bool:
        """By the daemon; or the whole fleet was halted, in the state folder that holds the run folders."""
        halt = os.path.join(os.path.dirname(os.path.dirname(self.folder)), records.HALT)
        return records.read(self.folder, records.STOP) is not None or os.path.lexists(halt)

    def _tree(self) -> tuple[proctree.Process, ...]:
        return proctree.descendants(os.getpid())

    def _save_or_stay(self) -> records.Record:
        """Save the work. Where the request to stop says so, nothing is killed before that: everything stays frozen.

        It is tried again now and then, and whenever somebody asks; a request that says so no longer ends it.
        """
        saved = self._save()
        while not saved.get("ref") and (records.read(self.folder, records.STOP) or {}).get("hold"):
            error = str(saved.get("error", "")) or "the saver left no record"
            records.write(self.folder, records.FROZEN, {"error": error, "since": time.time_ns() // 1000})
            self._reap_frozen()
            signal.sigtimedwait({signal.SIGTERM}, _HOLD_SECONDS)
            proctree.freeze(self._tree, seconds=_FREEZE_SECONDS)  # should anything have been woken
            saved = self._save()
        return saved

    def _save(self) -> records.Record:
        """Have the work saved by a program of its own: whatever the clone does to it, we go on."""
        saver = os.fork()
        if saver == 0:
            _exec_saver(self.folder)
        deadline = time.monotonic() + _ESCROW_SECONDS
        while time.monotonic() < deadline:
            pid, _ = os.waitpid(saver, os.WNOHANG)
            if pid:
                return records.read(self.folder, records.ESCROW) or {}
            signal.sigtimedwait({signal.SIGCHLD}, max(0.0, deadline - time.monotonic()))
        return {"error": f"saving took longer than {_ESCROW_SECONDS:g} s"}

    def _record(self, used: float, saved: records.Record, survivors: tuple[int, ...]) -> None:
        stop = records.read(self.folder, records.STOP) or {}
        ref = str(saved.get("ref", ""))
        due = float(self.launch["allowance_seconds"]) if self.reason in ("timeout", "budget") else used
        record = {
            "protocol": records.PROTOCOL,
            "code": 128 + signal.SIGKILL if self.code is None else self.code,
            "reason": self.reason,
            "detail": self.detail or str(stop.get("reason", "")),
            "used_seconds": round(used, 6),
            "freeze_seconds": round(max(0.0, self.stood - due), 6) if self.stood is not None else None,
            "escrow_ref": ref,
            "escrow_sha": str(saved.get("sha", "")),
            "escrow_error": str(saved.get("error", "")) or ("" if ref else "the saver left no record"),
            "survivors": survivors,
            "ended_at": time.time_ns() // 1000,
        }
        records.write(self.folder, records.EXIT, record, durable=True)


def _become(launch: records.Record, argv: list[str], shim: int) -> None:
    """In the child: own process group, the terminal's foreground, exactly the given environment. Never returns."""
    try:
        os.setpgid(0, 0)
        if os.isatty(0):
            os.tcsetpgrp(0, os.getpid())  # SIGTTOU is still blocked here, which makes this allowed
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != shim:
            return  # it died before it could be watched
        os.chdir(launch["clone"])
        if launch.get("stdin"):
            os.dup2(os.open(launch["stdin"], os.O_RDONLY | os.O_NOFOLLOW), 0)
        _clear_signals()
        os.execvpe(argv[0], argv, launch["env"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        _say(f"cannot start the agent: {error}")
    finally:
        os._exit(127)


def _exec_saver(folder: str) -> None:
    """In the child: turn into the program that saves the work. Never returns."""
    try:
        os.setpgid(0, 0)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _clear_signals()
        argv = [sys.executable, "-I", "-m", "fleet.runtime.escrow", folder]
        os.execve(sys.executable, argv, {"PATH": records.SYSTEM_PATH, "LANG": "C.UTF-8"})
    finally:
        os._exit(127)


def _clear_signals() -> None:
    """Give a program the signals it expects: Python ignores two, and we block most."""
    for number in (*_HELD, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _say(text: str) -> None:
    """A line for whoever looks at the terminal; there may be none any more."""
    _write(f"fleet: {text}\r\n".encode("utf-8", "replace"))


def _write(data: bytes) -> None:
    try:
        os.write(2, data)
    except OSError as error:
        if error.errno not in (errno.EIO, errno.EPIPE, errno.EBADF):
            raise


def _take_lock(runs: str, run_id: str) -> int | None:
    """The run's lock, waiting a moment for somebody who is about to let it go."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        handle = records.lock_run(runs, run_id)
        if handle is not None or time.monotonic() >= deadline:
            return handle
        time.sleep(0.02)


def _refusal(folder: str, launch: records.Record) -> str:
    """Why this shim may not start, "" when it may. Asked while holding the run's lock."""
    newest = records.fence(os.path.dirname(folder), launch["run_id"])
    if newest != launch["epoch"]:
        return f"this is epoch {launch['epoch']} of the run and {newest or 'none'} is the one to start"
    if records.read(folder, records.STARTED) is not None:
        return "this session was started before"
    return ""


def _quiet_terminal() -> None:
    """Take away the suspend key: there is no shell that could wake a suspended agent."""
    if os.isatty(0):
        modes = termios.tcgetattr(0)
        modes[6][termios.VSUSP] = b"\0"
        termios.tcsetattr(0, termios.TCSANOW, modes)


def main(argv: list[str]) -> int:
    """Supervise the session of one run folder. 0 after a recorded end, 3 when it may not start."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    folder = os.path.abspath(argv[1])
    launch = records.read(folder, records.LAUNCH)
    if not launch or launch.get("session") != os.path.basename(folder):
        _say(f"{folder} holds no launch record of its own")
        return _REFUSED
    if records.is_foreign(launch):
        _say(f"the launch record is of version {launch.get('protocol')!r}, this shim knows {records.PROTOCOL}")
        return _REFUSED
    # the descriptor stays open until this process ends: at most one shim of a run lives, whatever its epoch
    lock = _take_lock(os.path.dirname(folder), launch["run_id"])
    if lock is None:
        _say("another shim of this run is alive")
        return _REFUSED
    refusal = _refusal(folder, launch)
    if refusal:
        _say(refusal)
        return _REFUSED
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _quiet_terminal()
    Session(folder, launch).supervise()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
