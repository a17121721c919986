"""The tmux adapter: a private server, exact targets, and only the eight verbs that sessions need.

Takes session names and argv lists, gives what tmux says. The server is ours alone: own socket, own
configuration, an environment that holds nothing of the daemon's. What cannot be asked is an error, never an
empty answer, or a dead server would look like the end of every session.
Weakness: whoever has this user's uid can open the socket.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleet.core.errors import NotFound, PermanentError, TemporaryError, TimedOut
from fleet.process import run
from fleet.runtime import proctree, records
from fleet.runtime.controlmode import ControlClient, TmuxDied, TmuxRefused, cannot_ask

KEEPER = "fleet-keeper"  # the session that our own connection is attached to
WIDTH, HEIGHT = 200, 50
OLDEST = (3, 2, "a")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_VERSION = re.compile(r"(\d+)\.(\d+)([a-z]?)")
_FIELDS = "\t".join(("#{session_name}", "#{pane_pid}", "#{pane_dead}"))
# -q: an older tmux does not know that one. update-environment: who attaches brings no variables along. The keys
# that remain let a person scroll and leave, and not split, respawn or kill by mistake.
_CONFIG = """\
set -s exit-empty off
set -s exit-unattached off
set -s escape-time 10
set -s set-clipboard off
set -g status off
set -g history-limit 2000
set -g update-environment ""
set -g default-shell /bin/sh
set -g default-command ""
set -g default-terminal screen-256color
set -g set-titles off
set -g destroy-unattached off
set -g bell-action none
set -gw remain-on-exit on
set -gw automatic-rename off
set -gw allow-rename off
set -gwq allow-passthrough off
set -gwq remain-on-exit-format ""
unbind-key -a -T root
unbind-key -a -T prefix
bind-key d detach-client
bind-key [ copy-mode
bind-key C-b send-prefix
"""


@dataclass(frozen=True, slots=True)
class Pane:
    """One session as tmux lists it. ``pid`` is the process that was started in it; ``dead`` once that ended."""

    session: str
    pid: int
    dead: bool


class Tmux:
    """One private server, reached through one control-mode connection that is made again when it breaks."""

    def __init__(
        self,
        socket: Path,
        *,
        program: str = "tmux",
        path: str = records.SYSTEM_PATH,
        answer_seconds: float = 10.0,
    ) -> None:
        """``socket`` lies in a folder that only we enter; its neighbours hold configuration and server record.

        ``path`` is where ``program`` and, later, the sessions' first programs are found. A server that does
        not answer within ``answer_seconds`` cannot be asked.
        """
        self.socket = socket
        self._seconds = answer_seconds
        self._program = program
        self._env = {"PATH": path, "HOME": "/", "LANG": "C.UTF-8", "TERM": "screen-256color", "SHELL": "/bin/sh"}
        self._config = socket.with_name(socket.name + ".conf")
        self._record = socket.name + ".server"
        self._lock = threading.RLock()
        self._client: ControlClient | None = None
        self._version_known = False

    # --- the server ----------------------------------------------------------------------------------

    def start_server(self) -> None:
        """Make sure that the server runs and its keeper session exists.

        A server whose socket was removed is asked to make it again, not replaced. Raises PermanentError
        FLT-RTM-003 when tmux is missing or too old, TemporaryError FLT-RTM-001 when it does not come up.
        """
        with self._lock:
            self._check_version()
            if not self._answers() and not self._wake_lost_server():
                self._start()
            self._remember()

    def server_pid(self) -> int:
        """The pid of the server. Raises TemporaryError FLT-RTM-001 when it cannot be asked."""
        return int(self._command(["display-message", "-p", "#{pid}"])[0])

    def known_server_pid(self) -> int:
        """The pid of the server from our own record; 0 when it does not live. Asks nobody."""
        record = records.read(os.fspath(self.socket.parent), self._record) or {}
        pid, start = record.get("pid", 0), record.get("start", 0)
        return pid if pid and proctree.is_alive(pid, start) else 0

    def server_gone(self) -> bool:
        """True only when a server was on record and that very process has ended: so have all its panes."""
        record = records.read(os.fspath(self.socket.parent), self._record)
        return bool(record) and not self.known_server_pid()

    def kill_server(self) -> None:
        """End our server with all its sessions; harmless when it does not run."""
        with self._lock:
            self.close()
            pid = self.known_server_pid()
            self._outside("kill-server")
            deadline = time.monotonic() + self._seconds
            while pid and self.known_server_pid() == pid and time.monotonic() < deadline:
                time.sleep(0.005)

    def close(self) -> None:
        """Let the connection go; the server and its sessions stay."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    # --- sessions ------------------------------------------------------------------------------------

    def new_session(
        self, name: str, argv: Sequence[str], *, cwd: str = "/", env: Mapping[str, str] | None = None
    ) -> int:
        """Start ``argv`` in a new session, directly and not through a shell; the pid of that process.

        A session of that name is left as it is, and its pid is the answer. Raises PermanentError FLT-RTM-004
        for a name, folder or argv that tmux would read as something else.
        """
        _check_name(name)
        if len(argv) < 2:
            raise PermanentError("FLT-RTM-004", "tmux gives a command of one word to a shell", where=name)
        if "#" in cwd:
            raise PermanentError("FLT-RTM-004", "tmux would expand the # in this folder's name", where=cwd)
        words = ["new-session", "-d", "-P", "-F", "#{pane_pid}", "-x", str(WIDTH), "-y", str(HEIGHT)]
        words += ["-n", "agent", "-s", name, "-c", cwd]
        for variable, value in (env or {}).items():
            words += ["-e", f"{variable}={value}"]
        try:
            return int(self._command([*words, "--", *argv])[0])
        except PermanentError as error:
            if "duplicate session" not in error.message:
                raise
        return self._pane(name).pid

    def survey(self) -> dict[str, Pane]:
        """Every session of the server by name, the keeper left out.

        Raises TemporaryError FLT-RTM-001 when the server cannot be asked: never an empty answer for a dead one.
        """
        found: dict[str, Pane] = {}
        for line in self._command(["list-panes", "-a", "-F", _FIELDS]):
            session, pid, dead = line.split("\t")
            if session != KEEPER:
                found.setdefault(session, Pane(session, int(pid), dead == "1"))
        return found

    def has(self, name: str) -> bool:
        """Whether a session of exactly this name exists. Raises as ``survey``."""
        return name in self.survey()

    def capture(self, name: str, lines: int) -> str:
        """The last ``lines`` lines of a session's terminal, as text without colours.

        Raises NotFound FLT-RTM-002 when there is no such session, TemporaryError FLT-RTM-001.
        """
        # in a process of its own: a screen may show anything, also what looks like a control-mode answer
        code, out, err = self._outside("capture-pane", "-p", "-S", f"-{max(lines, 0)}", "-t", _target(name))
        if code != 0:
            if self.has(name):
                raise cannot_ask(os.fspath(self.socket), err)
            raise NotFound("FLT-RTM-002", "there is no such session", where=name)
        shown = out.decode("utf-8", "replace").rstrip().splitlines()
        return "".join(f"{line.rstrip()}\n" for line in shown[-lines:]) if lines > 0 else ""

    def kill_session(self, name: str) -> bool:
        """End exactly this session; False when there was none. Raises TemporaryError FLT-RTM-001."""
        try:
            self._command(["kill-session", "-t", _target(name)])
        except PermanentError as error:
            if "can't find session" not in error.message:
                raise
            return False
        return True

    def attach_argv(self, name: str) -> tuple[str, ...]:
        """What a person types to see a session."""
        return (self._program, "-u", "-N", "-S", os.fspath(self.socket), "attach-session", "-t", _target(name))

    # --- how it is done ------------------------------------------------------------------------------

    def _command(self, words: Sequence[str]) -> list[str]:
        """One command over the connection. Sent again once if an older connection turns out to be broken.

        Every command here may be done twice: a session that exists is found by its name.
        """
        with self._lock:
            for attempt in (1, 2):
                fresh = self._client is None
                try:
                    if self._client is None:
                        self._client = self._connect()
                    return self._client.command(words)
                except TmuxRefused as error:
                    raise PermanentError("FLT-RTM-004", f"tmux refused {words[0]}: {error}") from error
                except TmuxDied as error:
                    self.close()
                    if attempt == 2 or fresh:
                        raise cannot_ask(os.fspath(self.socket), str(error)) from error
            raise AssertionError("unreachable")

    def _connect(self) -> ControlClient:
        argv = [*self._base(), "-N", "-C", "attach-session", "-f", "no-output,ignore-size", "-t", _target(KEEPER)]
        return ControlClient(argv, self._env, seconds=self._seconds)

    def _base(self) -> list[str]:
        # -u: without it tmux replaces the tabs of a listing
        return [self._program, "-u", "-S", os.fspath(self.socket), "-f", os.fspath(self._config)]

    def _outside(self, *words: str) -> tuple[int, bytes, str]:
        """One command by a process of its own that never starts a server: exit code, output, error text."""
        try:
            done = run([*self._base(), "-N", *words], timeout=self._seconds, env=self._env)
        except TimedOut as error:
            raise cannot_ask(os.fspath(self.socket), f"{words[0]}: {error.message}") from error
        return done.code, done.out, done.error_text

    def _answers(self) -> bool:
        try:
            self.server_pid()
        except TemporaryError:
            return False
        return True

    def _start(self) -> None:
        """Start the server. Its environment is what it will give to every pane: nothing of ours."""
        records.write_bytes(os.fspath(self._config), _CONFIG.encode())
        keeper = ["new-session", "-d", "-s", KEEPER, "-n", "keeper", "-c", "/", "--", "tail", "-f", "/dev/null"]
        done = run([*self._base(), *keeper], timeout=self._seconds, env=self._env, cwd="/")
        # "duplicate": the server lives, only our connection could not be made
        if not done.ok and "duplicate session" not in done.error_text:
            raise cannot_ask(os.fspath(self.socket), done.error_text or f"exit status {done.code}")

    def _wake_lost_server(self) -> bool:
        """A server on record that lives but does not answer makes its socket again on SIGUSR1."""
        pid = self.known_server_pid()
        if not pid:
            return False
        deadline = time.monotonic() + 2.0
        while True:
            os.kill(pid, signal.SIGUSR1)
            if self._answers():
                return True
            if time.monotonic() >= deadline:
                raise cannot_ask(os.fspath(self.socket), f"the server (pid {pid}) lives but does not answer")
            time.sleep(0.02)

    def _remember(self) -> None:
        pid = self.server_pid()
        record = {"pid": pid, "start": proctree.start_time(pid)}
        records.write(os.fspath(self.socket.parent), self._record, record)

    def _pane(self, name: str) -> Pane:
        pane = self.survey().get(name)
        if pane is None:
            raise cannot_ask(os.fspath(self.socket), f"session {name} came and went")
        return pane

    def _check_version(self) -> None:
        if self._version_known:
            return
        hint = "Install tmux 3.2a or newer."
        try:
            said = run([self._program, "-V"], timeout=self._seconds, env=self._env).text.strip()
        except PermanentError as error:
            raise PermanentError("FLT-RTM-003", "tmux cannot be started", where=self._program, hint=hint) from error
        if not new_enough(said):
            raise PermanentError("FLT-RTM-003", f"tmux is too old: {said}", where=self._program, hint=hint)
        self._version_known = True


def new_enough(said: str) -> bool:
    """Whether the answer of ``tmux -V`` names 3.2a or newer; a build without a number is newer than any."""
    found = _VERSION.search(said)
    if found is None:
        return bool(said)
    return (int(found[1]), int(found[2]), found[3]) >= OLDEST


def _target(name: str) -> str:
    """An exact target: without the marks tmux would also take a beginning or a window of that name."""
    _check_name(name)
    return f"={name}:"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise PermanentError("FLT-RTM-004", "not a name for a session", where=repr(name[:120]))
