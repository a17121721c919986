"""What ``fleet service`` does to systemd's user manager, by way of systemctl and loginctl."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet import process
from fleet.cli.door import Door
from fleet.cli.starting import PROGRAM
from fleet.config.catalogue import load_roles
from fleet.config.loader import load_config
from fleet.config.paths import CONFIG_RELATIVE, FleetPaths
from fleet.core.errors import Conflict, FleetError, NotFound, PermanentError
from fleet.daemon import supervisor
from fleet.daemon.keeper import supervisor_argv
from fleet.daemon.unit import MARK, START_SECONDS, unit_name, unit_text

_ASK_SECONDS = 15.0
_SHOWN = ("LoadState", "ActiveState", "SubState", "UnitFileState", "MainPID", "Result", "StatusText")
_FALLBACK_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Service:
    """The service of one fleet: where its unit is, and what should stand in it."""

    paths: FleetPaths
    env: Mapping[str, str]
    name: str
    file: Path
    text: str

    # -- asking systemd ------------------------------------------------------------------------

    def systemctl(self, *words: str, seconds: float = _ASK_SECONDS) -> process.Completed:
        """``systemctl --user`` to its end."""
        return process.run(["systemctl", "--user", "--no-pager", *words], timeout=seconds, env=self._surroundings())

    def demand_manager(self) -> None:
        """Raise PermanentError FLT-SVC-001, -002 or -003 where there is no user manager that could be used."""
        if os.uname().sysname != "Linux":
            raise PermanentError(
                "FLT-SVC-001",
                f"services are only made for systemd on Linux, this is {os.uname().sysname}",
                hint="Let your system's own manager run: fleet watcher start --supervised --foreground",
            )
        if shutil.which("systemctl", path=self.env.get("PATH")) is None:
            raise PermanentError(
                "FLT-SVC-002",
                "there is no systemctl here, so no systemd that could run a service",
                hint="Start the fleet by hand: fleet up",
            )
        done = self.systemctl("show", "--property=Version")
        if not done.ok:
            why = (done.error_text.splitlines() or ["no reason given"])[0]
            raise PermanentError(
                "FLT-SVC-003",
                f"systemd's user manager does not answer: {why}",
                hint="Log in as this user in a session of its own, not through su or sudo; or start by hand: fleet up",
            )

    def facts(self) -> dict[str, object]:
        """What is installed, and what systemd makes of it; asks nothing where there is no manager."""
        running = supervisor.running(self.paths)
        found = self._shown()
        pid = int(found["MainPID"]) if found.get("MainPID", "").isdigit() else 0
        return {
            "name": self.name,
            "unit": str(self.file),
            "installed": self.file.is_file(),
            "current": self._written() == self.text,
            "manager": bool(found),
            "enabled": found.get("UnitFileState") == "enabled",
            "state": found.get("ActiveState", "unknown"),
            "substate": found.get("SubState", ""),
            "result": found.get("Result", ""),
            "says": found.get("StatusText", ""),
            "pid": pid,
            "running": running is not None,
            "under_service": running is not None and running.pid == pid,
            "lingers": self.lingers(),
        }

    def lingers(self) -> bool | None:
        """Whether the user's services outlive the logout; None when nobody can tell."""
        try:
            done = process.run(
                ["loginctl", "show-user", str(os.getuid()), "--property=Linger"], timeout=_ASK_SECONDS, env=self.env
            )
        except FleetError:
            return None
        return {"Linger=yes": True, "Linger=no": False}.get(done.text.strip())

    # -- changing it ---------------------------------------------------------------------------

    def install(self, *, start: bool, force: bool) -> bool:
        """Write the unit, enable it, and start it; whether the file changed.

        Raises ConfigError, what ``demand_manager`` raises, Conflict FLT-SVC-004 when a daemon runs outside the
        service, Conflict FLT-SVC-006 for a unit that somebody else wrote, PermanentError FLT-SVC-005.
        """
        load_config(self.paths.config, roles=load_roles(), name=str(CONFIG_RELATIVE))
        self.demand_manager()
        there = supervisor.running(self.paths)
        if start and there is not None and not self.facts()["under_service"]:
            raise Conflict(
                "FLT-SVC-004",
                f"the fleet runs already, outside the service (pid {there.pid})",
                where=str(self.paths.checkout),
                hint="Stop the daemon, not the agents: fleet down --keep-runs. Then again: fleet service install",
            )
        written = self._written()
        if written and not written.startswith(MARK) and not force:
            raise Conflict(
                "FLT-SVC-006",
                "this unit was not written by fleet",
                where=str(self.file),
                hint="Look at it; --force replaces it.",
            )
        self.file.parent.mkdir(parents=True, exist_ok=True)
        draft = self.file.with_name(f".{self.file.name}.new")
        draft.write_text(self.text, "utf-8")
        draft.replace(self.file)
        self._must("daemon-reload")
        self._must("enable", self.name)
        if start:
            self._must("start", self.name, seconds=START_SECONDS + _ASK_SECONDS)
        return written != self.text

    def uninstall(self) -> None:
        """Stop the service, agents excepted, and remove its unit. Raises NotFound FLT-SVC-007."""
        if not self.file.exists():
            raise NotFound(
                "FLT-SVC-007", "no service is installed", where=str(self.file), hint="fleet service install makes one."
            )
        self.demand_manager()
        self._must("disable", "--now", self.name, seconds=60)
        self.file.unlink()
        self._must("daemon-reload")

    def _must(self, *words: str, seconds: float = _ASK_SECONDS) -> None:
        done = self.systemctl(*words, seconds=seconds)
        if not done.ok:
            why = (done.error_text.splitlines() or [f"exit code {done.code}"])[0]
            raise PermanentError(
                "FLT-SVC-005",
                f"systemctl --user {' '.join(words)} failed: {why}",
                where=self.name,
                hint=f"Look: systemctl --user status {self.name}; the daemon's log: {self.paths.log}",
            )

    def _shown(self) -> dict[str, str]:
        """systemd's view of the unit; empty when it cannot be asked."""
        try:
            done = self.systemctl("show", self.name, f"--property={','.join(_SHOWN)}")
        except FleetError:
            return {}
        rows = (line.partition("=") for line in done.text.splitlines()) if done.ok else ()
        return {key: value for key, _, value in rows}

    def _written(self) -> str:
        try:
            return self.file.read_text("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def _surroundings(self) -> dict[str, str]:
        """The caller's environment; the user manager's socket is where logins have it, also for shells that say not."""
        usual = f"/run/user/{os.getuid()}"
        named = self.env.get("XDG_RUNTIME_DIR") or (usual if Path(usual).is_dir() else "")
        return {**self.env, **({"XDG_RUNTIME_DIR": named} if named else {})}


def service_of(door: Door) -> Service:
    """The service of the fleet around this folder, installed or not. Raises NotFound FLT-CFG-001, FLT-SVC-008."""
    paths = door.paths()
    home = door.env.get("XDG_CONFIG_HOME") or os.path.join(door.env.get("HOME") or "/", ".config")
    name = unit_name(paths)
    folders = [folder for folder in door.env.get("PATH", "").split(":") if folder.startswith("/")]
    text = unit_text(paths, supervisor_argv(PROGRAM, paths), ":".join(dict.fromkeys(folders)) or _FALLBACK_PATH)
    return Service(paths, door.env, name, Path(home) / "systemd" / "user" / name, text)
