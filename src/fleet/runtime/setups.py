"""What the setup of a configuration means for one session: its ports, its plan, and the words that start it."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fleet.config.model import SetupConfig
from fleet.core.errors import TemporaryError
from fleet.runtime import records
from fleet.runtime.envfiles import read_env_file
from fleet.runtime.ports import choose_ports, variables
from fleet.runtime.setup import PLAN
from fleet.runtime.vendors.port import VendorLaunch

PORTS = "ports.json"


class Setups:
    """Prepares setups, one at a time as far as ports are concerned."""

    def __init__(self, env_files: Path) -> None:
        """``env_files`` is the private folder that holds <name>.env."""
        self._env_files = env_files
        self._lock = threading.Lock()

    def prepare(
        self, folder: Path, setup: SetupConfig, agent: VendorLaunch, others: Callable[[], Sequence[Path]]
    ) -> VendorLaunch:
        """The start of a session in ``folder``, with its setup before the agent; ``others``: folders of live runs.

        Repeatable for the same session: it keeps its ports. Raises PermanentError FLT-CFG-120 for a file of
        variables that does not fit, TemporaryError FLT-CFG-121 when no port is free.
        """
        ports = self._ports(folder, setup.ports, others) if setup.ports else {}
        if not setup.commands:
            return replace(agent, env={**agent.env, **variables(ports)})
        paths = [str(self._env_files / f"{name}.env") for name in setup.env_files]
        for path in paths:
            read_env_file(path)  # now, where a fault is told at once; the values are read by the session itself
        plan = {"commands": setup.commands, "env_files": paths, "timeout_seconds": setup.timeout_seconds}
        # -I: neither the clone nor a variable decides what this program imports
        first = (sys.executable, "-I", "-m", "fleet.runtime.setup", str(folder), *agent.argv)
        files = {**agent.files, PLAN: json.dumps(plan).encode("ascii")}
        return replace(agent, argv=first, env={**agent.env, **variables(ports)}, files=files)

    def _ports(self, folder: Path, names: Sequence[str], others: Callable[[], Sequence[Path]]) -> dict[str, int]:
        """Ports that are written down before anybody else chooses."""
        with self._lock:
            known = _written(folder)
            if set(known) == set(names):
                return known
            taken = {port for other in others() for port in _written(other).values()}
            found = choose_ports(names, taken, folder.name)
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                records.write(str(folder), PORTS, dict(found))
            except OSError as error:
                text = f"the files of a session cannot be written: {error.strerror or error}"
                raise TemporaryError("FLT-RUN-010", text, where=str(folder)) from error
            return found


def _written(folder: Path) -> dict[str, int]:
    """The ports of a session, as far as it has any."""
    found = records.read(str(folder), PORTS) or {}
    return {name: port for name, port in found.items() if isinstance(port, int)}
