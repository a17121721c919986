#!/usr/bin/env python3
"""A stand-in for ``systemctl`` and ``loginctl``: starts units from their files as a user manager would, and no more.

State is in the folder MINI_SYSTEMD. A service of Type=notify counts as started when the file ``ready`` appears there,
written by whoever listens on ``notify``. Stopping follows KillMode=process: only the main process is told.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HOME = Path(os.environ["MINI_SYSTEMD"])
sys.path.insert(0, os.environ["MINI_SYSTEMD_CODE"])

from tests.surface import unitfile  # noqa: E402


def unit(name: str) -> unitfile.Unit:
    """A unit as it lies in the user's folder."""
    return unitfile.parse((Path(os.environ["XDG_CONFIG_HOME"]) / "systemd" / "user" / name).read_text())


def main_pid(name: str) -> int:
    """The main process of a unit; 0 when it does not run."""
    try:
        pid = int((HOME / f"{name}.pid").read_text())
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if state == "Z" else pid


def start(name: str) -> int:
    """Start a unit and wait until it says that it is ready."""
    if main_pid(name):
        return 0
    found = unit(name)
    assert found["Service.Type"] == ["notify"]
    (line,) = found["Service.ExecStart"]
    # what a user manager gives: its own environment is none of the caller's
    env = {"HOME": os.environ["HOME"], "NOTIFY_SOCKET": str(HOME / "notify"), "WATCHDOG_USEC": "180000000"}
    env.update(unitfile.environment(found))
    (HOME / "ready").unlink(missing_ok=True)
    with open(HOME / "journal", "ab") as journal:
        child = subprocess.Popen(
            unitfile.command(line, env),
            cwd="/",
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=journal,
            stderr=journal,
            start_new_session=True,
        )
    (HOME / f"{name}.pid").write_text(str(child.pid))
    deadline = time.monotonic() + 60
    while not (HOME / "ready").exists():
        if child.poll() is not None or time.monotonic() > deadline:
            sys.stderr.write(f"Job for {name} failed because the control process exited with error code.\n")
            return 1
        time.sleep(0.02)
    return 0


def stop(name: str) -> int:
    """Tell the main process, and wait for it."""
    pid = main_pid(name)
    if pid:
        assert unit(name)["Service.KillMode"] == ["process"]
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 60
        while main_pid(name) and time.monotonic() < deadline:
            time.sleep(0.02)
    return 0


def show(name: str) -> int:
    """The properties of a unit."""
    pid = main_pid(name)
    enabled = (HOME / f"{name}.enabled").exists()
    sys.stdout.write(
        f"LoadState=loaded\nActiveState={'active' if pid else 'inactive'}\nSubState={'running' if pid else 'dead'}\n"
        f"UnitFileState={'enabled' if enabled else 'disabled'}\nMainPID={pid}\nResult=success\nStatusText=\n"
    )
    return 0


def main(argv: list[str]) -> int:
    """One command."""
    with open(HOME / "calls", "a") as calls:
        calls.write(" ".join(argv[1:]) + "\n")
    if Path(argv[0]).name == "loginctl":
        sys.stdout.write("Linger=no\n")
        return 0
    if (HOME / "broken").exists():
        sys.stderr.write("Failed to connect to bus: No medium found\n")
        return 1
    words = [word for word in argv[1:] if not word.startswith("--")]
    verb, name = words[0], words[1] if len(words) > 1 else ""
    if verb == "show":
        return show(name) if name else 0
    if verb in ("enable", "disable"):
        mark = HOME / f"{name}.enabled"
        mark.touch() if verb == "enable" else mark.unlink(missing_ok=True)
        return stop(name) if "--now" in argv and verb == "disable" else 0
    if verb == "kill-hup":
        os.kill(main_pid(name), signal.SIGHUP)
        return 0
    return {"start": start, "stop": stop}[verb](name) if verb != "daemon-reload" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
