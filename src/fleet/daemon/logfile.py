"""What the daemon says to operators: one JSON object a line, in a file that does not grow for ever."""

from __future__ import annotations

import json
import os
import threading
import traceback
from pathlib import Path

from fleet.core.clock import Clock
from fleet.core.errors import FleetError

_LIMIT = 8 * 1024 * 1024  # bytes; then the file becomes <name>.1


class LogFile:
    """Appends lines; never fails its caller: an operator's log is no reason to stop a fleet."""

    def __init__(self, path: Path, clock: Clock, who: str) -> None:
        """``who`` names the process in each line: daemon or supervisor."""
        self._path = path
        self._clock = clock
        self._who = who
        self._lock = threading.Lock()

    def say(self, action: str, level: str = "info", **facts: object) -> None:
        """Write one line. ``action`` is a stable ``noun.verb`` name to search for."""
        line = {
            "at": self._clock.now(),
            "who": self._who,
            "pid": os.getpid(),
            "level": level,
            "action": action,
            **facts,
        }
        data = json.dumps(line, default=str).encode("ascii") + b"\n"
        with self._lock:
            try:
                self._write(data)
            except OSError:
                return

    def error(self, action: str, error: BaseException, **facts: object) -> None:
        """An error: ours as its fields, anything else with its traceback."""
        if isinstance(error, FleetError):
            self.say(action, "error", error=error.as_dict(), **facts)
            return
        trace = "".join(traceback.format_exception(error))
        self.say(action, "error", error={"message": f"{type(error).__name__}: {error}"}, traceback=trace, **facts)

    def _write(self, data: bytes) -> None:
        """One write call, so that the lines of two processes never mix."""
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, data)
            full = os.fstat(handle).st_size > _LIMIT
        finally:
            os.close(handle)
        if full:
            os.replace(self._path, self._path.with_name(self._path.name + ".1"))
