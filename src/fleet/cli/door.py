"""What a command knows of its surroundings: environment, folder, clock, and the way to the daemon."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from fleet.cli import hot
from fleet.cli.client import Client
from fleet.config.paths import FleetPaths, find_checkout, find_org, fleet_paths
from fleet.core.clock import Clock, SystemClock
from fleet.core.errors import Refused, UsageError


@dataclass(frozen=True, slots=True)
class Door:
    """The surroundings of one call. ``in_daemon``: the words came over the socket, and only they count."""

    env: Mapping[str, str]
    folder: str
    clock: Clock = field(default_factory=SystemClock)
    in_daemon: bool = False

    @property
    def is_agent(self) -> bool:
        """Whether an agent's run calls; it speaks to the daemon or not at all."""
        return bool(self.env.get("FLEET_CAPABILITY_FILE") or self.env.get("FLEET_RUN"))

    def paths(self) -> FleetPaths:
        """The places of the fleet around this folder. Raises NotFound FLT-CFG-001 where there is none."""
        return fleet_paths(find_checkout(Path(self.folder)), self.env, os.getuid())

    def at(self, org: str | None) -> Door:
        """The same call in the folder of an org; as it is without one. Raises as ``find_org`` does."""
        return self if org is None else replace(self, folder=str(find_org(org, self.env)))

    def client(self) -> Client:
        """The way to the daemon. Raises Refused FLT-CLI-006 for a capability file that cannot be read."""
        try:
            secret = hot.secret(self.env)
        except (OSError, ValueError) as error:
            raise Refused(
                "FLT-CLI-006",
                "the run's capability cannot be read, so nothing says which run this is",
                where=self.env.get("FLEET_CAPABILITY_FILE", ""),
                hint="It is gone once the run has ended; a person calls without FLEET_CAPABILITY_FILE.",
            ) from error
        return Client(self.env.get("FLEET_SOCKET") or str(self.paths().socket), secret)

    def people_only(self, what: str) -> None:
        """Refuse an agent what only makes sense for people. Raises Refused FLT-CLI-007."""
        if self.is_agent:
            raise Refused("FLT-CLI-007", f"an agent's run may not {what}", hint="A person does this.")

    def read(self, source: str, limit: int, what: str) -> str:
        """The text of a file, or of standard input for ``-``, at most ``limit`` bytes of UTF-8.

        Raises UsageError FLT-CLI-008, and FLT-CLI-009 for more bytes than the limit.
        """
        if self.in_daemon:
            raise UsageError("FLT-CLI-008", f"{what} from a file cannot be read from here", where=source)
        try:
            if source == "-":
                data = sys.stdin.buffer.read(limit + 1)
            else:
                with open(Path(self.folder) / source, "rb") as file:
                    data = file.read(limit + 1)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError("FLT-CLI-008", f"{what} cannot be read: {reason}", where=source) from error
        if len(data) > limit:
            raise UsageError(
                "FLT-CLI-009",
                f"{what} is larger than {limit} bytes",
                where=source,
                hint="Put large content into the repository and send its path.",
            )
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UsageError("FLT-CLI-008", f"{what} is not UTF-8 text: {error.reason}", where=source) from error
