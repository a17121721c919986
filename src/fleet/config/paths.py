"""Where a fleet keeps its things: state under XDG_STATE_HOME, sockets under XDG_RUNTIME_DIR."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet.core.errors import NotFound, PermanentError, UsageError

CONFIG_RELATIVE = Path(".fleet") / "config.yaml"
ORG_FILE = "org.yaml"  # in the folder of an org, beside its .fleet
_ORG_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
SOCKET_LIMIT = 100  # bytes; the kernel's limit is 108 with the closing zero


@dataclass(frozen=True, slots=True)
class FleetPaths:
    """Every place of one fleet. ``checkout`` is the person's repository."""

    checkout: Path
    fleet_id: str
    state: Path
    runtime: Path

    @property
    def config(self) -> Path:
        """The configuration file in the checkout."""
        return self.checkout / CONFIG_RELATIVE

    @property
    def database(self) -> Path:
        """The store."""
        return self.state / "fleet.db"

    @property
    def bare(self) -> Path:
        """The fleet's bare repository: the remote of every clone."""
        return self.state / "repo.git"

    @property
    def audit(self) -> Path:
        """The key that signs checkpoints, and the anchor file unless it is elsewhere."""
        return self.state / "audit"

    @property
    def runs(self) -> Path:
        """Run folders: launch file, capability, records of start and exit, output."""
        return self.state / "runs"

    @property
    def clones(self) -> Path:
        """Working copies of live runs."""
        return self.state / "clones"

    @property
    def artifacts(self) -> Path:
        """Contents of artifacts, each in a file named by its hash."""
        return self.state / "artifacts"

    @property
    def env_files(self) -> Path:
        """Files of variables for setup commands: <name>.env, mode 0600."""
        return self.state / "env"

    @property
    def log(self) -> Path:
        """What the daemon says to operators."""
        return self.state / "daemon.log"

    @property
    def daemon_lock(self) -> Path:
        """Held by the one daemon; contains its pid."""
        return self.state / "daemon.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor; contains its pid."""
        return self.state / "supervisor.lock"

    @property
    def socket(self) -> Path:
        """Where the daemon listens."""
        return self.runtime / "fleet.sock"

    @property
    def tmux_socket(self) -> Path:
        """The private tmux server of this fleet."""
        return self.runtime / "tmux.sock"


def find_checkout(start: Path) -> Path:
    """The nearest folder at or above ``start`` that holds .fleet/config.yaml. Raises NotFound FLT-CFG-001."""
    for folder in (start, *start.parents):
        if (folder / CONFIG_RELATIVE).is_file():
            return folder
    raise NotFound("FLT-CFG-001", "no .fleet/config.yaml here or above", where=str(start), hint="Make one: fleet init")


def org_home(name: str, env: Mapping[str, str]) -> Path:
    """The folder of an org, whether it is there or not. Raises UsageError FLT-ORG-001 for what is no name."""
    if not _ORG_NAME.fullmatch(name):
        raise UsageError(
            "FLT-ORG-001",
            "this is no name for an org",
            where=name[:100],
            hint="1 to 63 lower-case letters, digits, - or _, beginning with a letter or digit.",
        )
    config = Path(env.get("XDG_CONFIG_HOME") or Path(env.get("HOME") or "/") / ".config")
    return config / "fleet" / "orgs" / name


def find_org(name: str, env: Mapping[str, str]) -> Path:
    """The folder of an org that is there. Raises NotFound FLT-ORG-002."""
    home = org_home(name, env)
    if not (home / ORG_FILE).is_file():
        hint = f"Make one: fleet init --org {name}"
        raise NotFound("FLT-ORG-002", "there is no such org", where=str(home / ORG_FILE), hint=hint)
    return home


def fleet_paths(checkout: Path, env: Mapping[str, str], uid: int) -> FleetPaths:
    """Work out every place of the fleet of a checkout; creates nothing.

    ``env`` supplies XDG_STATE_HOME, XDG_RUNTIME_DIR and HOME. Raises PermanentError FLT-CFG-002 when the
    socket's path would be longer than a unix socket allows.
    """
    checkout = checkout.resolve()
    digest = hashlib.sha256(str(checkout).encode("utf-8", "surrogateescape")).hexdigest()[:10]
    name = re.sub(r"[^a-z0-9]+", "-", checkout.name.lower()).strip("-")[:20] or "repo"
    fleet_id = f"{name}-{digest}"
    home = Path(env.get("HOME") or "/")
    state_home = Path(env.get("XDG_STATE_HOME") or home / ".local" / "state")
    runtime_home = Path(env["XDG_RUNTIME_DIR"]) if env.get("XDG_RUNTIME_DIR") else Path(f"/tmp/fleet-{uid}")
    paths = FleetPaths(checkout, fleet_id, state_home / "fleet" / fleet_id, runtime_home / "fleet" / fleet_id)
    if len(str(paths.socket).encode()) > SOCKET_LIMIT:
        raise PermanentError(
            "FLT-CFG-002",
            "the socket's path is too long for a unix socket",
            where=str(paths.socket),
            hint="Set XDG_RUNTIME_DIR to a shorter folder that only you can enter.",
        )
    return paths


def make_private(folder: Path, uid: int) -> None:
    """Create a folder that only its owner enters. Raises PermanentError FLT-CFG-003 when it is somebody else's."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != uid or facts.st_mode & 0o077:
        raise PermanentError(
            "FLT-CFG-003",
            "this folder must be a real directory, yours, with mode 0700",
            where=str(folder),
            hint="Remove it or set XDG_RUNTIME_DIR elsewhere.",
        )
