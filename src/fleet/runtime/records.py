"""The files by which a shim and the daemon speak with each other: small JSON objects, replaced as a whole.

Takes and gives plain dicts; whoever reads one checks its fields. Launch, start and exit record name the version they
were written in: a daemon and a shim of two releases meet here. Also the lock and the fence of a run. The shim loads
this file at every start, so it imports almost nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
from typing import Any

LAUNCH = "launch.json"  # what to start; written by the daemon, once per epoch
STARTED = "started.json"  # the shim answers: who it is
STOP = "stop.json"  # the daemon asks for the end
ESCROW = "escrow.json"  # where the work was saved
FROZEN = "frozen.json"  # the work could not be saved, and the tree stays frozen until it can
DIED = "died.json"  # the agent is dead, all it left is saved and ended, and the shim waits for an answer
ANSWER = "answer.json"  # the daemon's answer to a death: by its count
EXIT = "exit.json"  # how it ended; the last thing that a shim writes
HALT = "halted.json"  # in the fleet's state folder: everything ends, and nothing starts until a person resumes
SCREEN = "screen.txt"  # what the terminal showed

# The version of these records. 1: they did not say. 2: they say. What is understood is OLDEST to PROTOCOL; a field may
# be added at any time, a changed meaning needs a new number.
PROTOCOL = 2
OLDEST = 1

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"  # where programs are looked for that are not the agent's own

SETUP_FAILED = 78  # exit status of a session whose setup failed, so that its agent never began

Record = dict[str, Any]


def write(folder: str, name: str, record: Record, *, durable: bool = False) -> None:
    """Replace a record; a reader sees the old one or the new one. ``durable`` waits for the disk."""
    write_bytes(os.path.join(folder, name), json.dumps(record).encode("ascii"), durable=durable)


def write_bytes(path: str, data: bytes, *, durable: bool = False) -> None:
    """Replace a file as a whole, readable by its owner only."""
    draft = f"{path}.{os.getpid()}.new"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(handle)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
    if durable:
        _sync_folder(os.path.dirname(path))


def _sync_folder(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(folder: str, name: str) -> Record | None:
    """A record; None when there is none, and an empty dict when the file is not one of ours."""
    try:
        with open(os.path.join(folder, name), "rb") as file:
            found = json.loads(file.read(1 << 22))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def version_of(record: Record) -> int:
    """The version that a record was written in; 0 when it names none that could be one."""
    found = record.get("protocol", 1)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def is_foreign(record: Record | None) -> bool:
    """Whether a record is of a version that this program does not know."""
    return bool(record) and not OLDEST <= version_of(record or {}) <= PROTOCOL


def lock_run(runs: str, run_id: str) -> int | None:
    """The lock that every epoch of a run shares: a descriptor to keep open, or None when somebody holds it."""
    handle = os.open(os.path.join(runs, f"{run_id}.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def fence(runs: str, run_id: str) -> int:
    """The newest epoch of a run that was ever launched; 0 before the first."""
    record = read(runs, f"{run_id}.epoch") or {}
    epoch = record.get("epoch", 0)
    return epoch if isinstance(epoch, int) else 0


def raise_fence(runs: str, run_id: str, epoch: int) -> None:
    """Let no shim of an older epoch start any more. Only for the holder of the run's lock."""
    write(runs, f"{run_id}.epoch", {"epoch": epoch}, durable=True)
