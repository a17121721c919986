"""The whole examination: every check of the machine and, where there is a fleet, of its places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleet.config.paths import FleetPaths
from fleet.core.errors import FleetError
from fleet.health import gather, leftovers
from fleet.health.gather import Ask
from fleet.health.isolation import MEANS, Way, isolation_checks, ways
from fleet.health.machine import git_checks, machine_checks
from fleet.health.mend import mend
from fleet.health.places import config_checks, daemon_checks, disk_checks, folder_checks
from fleet.health.record import leftover_checks, record_checks
from fleet.health.words import Check, Machine, Place, Ways

MODE = "shared-uid"  # the only one so far


@dataclass(frozen=True, slots=True)
class Report:
    """What an examination found: checks, the isolation mode with the ways round it, and what was mended."""

    checks: tuple[Check, ...]
    mode: str
    ways: tuple[Way, ...]
    did: tuple[str, ...] = ()

    @property
    def well(self) -> bool:
        """Whether nothing failed; a warning is no failure."""
        return all(check.state != "fail" for check in self.checks)

    def as_dict(self) -> dict[str, object]:
        """The report as doors print it."""
        states = [check.state for check in self.checks]
        return {
            "ok": self.well,
            "counts": {state: states.count(state) for state in ("ok", "warn", "fail")},
            "checks": [check.as_dict() for check in self.checks],
            "isolation": {
                "mode": self.mode,
                "means": MEANS[self.mode],
                "escapes": [way.as_dict() for way in self.ways],
            },
            "did": list(self.did),
        }


def examine(
    env: Mapping[str, str],
    paths: FleetPaths | None,
    ask: Ask,
    now: int,
    *,
    trouble: FleetError | None = None,
    fix: bool,
) -> Report:
    """Look at everything; with ``fix`` mend what is safe to mend and look again.

    ``paths`` is None where there is no fleet; ``trouble`` says why its places could not be worked out.
    """
    checks, machine, offered = _look(env, paths, ask, now, trouble)
    did: list[str] = []
    if fix:
        did = mend(checks, paths, machine, env)
        if did:
            checks, machine, offered = _look(env, paths, ask, now, trouble)
    return Report(checks, offered.mode, ways(offered), tuple(did))


def _look(
    env: Mapping[str, str], paths: FleetPaths | None, ask: Ask, now: int, trouble: FleetError | None
) -> tuple[tuple[Check, ...], Machine, Ways]:
    machine = gather.machine(env)
    offered = leftovers.ways(env, paths, MODE)
    checks = [*machine_checks(machine), *isolation_checks(offered)]
    if trouble is not None:
        why = "Nothing of this fleet can be looked at."
        checks.append(Check("fleet.place", "fail", f"{trouble.where}: {trouble.message}", why, trouble.hint))
    elif paths is None:
        checks.append(Check("fleet.place", "ok", "no fleet in this folder"))
    else:
        checks += place_checks(gather.place(paths, env, ask, now))
    return tuple(checks), machine, offered


def place_checks(place: Place) -> Iterator[Check]:
    """Every check of one fleet."""
    yield from folder_checks(place.state, place.sockets, place.parts)
    yield from disk_checks(place.disk)
    yield from config_checks(place.config)
    yield from git_checks(place.git)
    yield from daemon_checks(place.daemon, place.config, place.now)
    yield from record_checks(place.record, place.now)
    yield from leftover_checks(place.leftovers)
