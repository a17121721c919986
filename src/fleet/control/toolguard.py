"""What ``policy.guard`` needs to know about a session: its role, its clone, what may be read beside it.

Looks at the disk, so it is asked before the transaction that records the answer.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from fleet.config.model import AgentConfig
from fleet.config.paths import FleetPaths
from fleet.config.scope import Scope
from fleet.control.context import Context
from fleet.core.principal import Principal
from fleet.policy.guard import Ground, Objection, judge
from fleet.policy.scope import protected_among
from fleet.store import runs

_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/opt")
_OF_THE_RUN = ("brief.json", "handbook.md", "system-prompt.md", "skills")
_UNLISTED = "FLT-GRD-002"
_REMEMBERED = 1000  # sessions; far more than live at once
_MATCHES = 1000  # of a pattern that are looked at


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a run keeps from its start to its end, and where its session stands; ``cwd`` of the ground is the clone."""

    agent: AgentConfig
    unlisted: str
    ground: Ground


class ToolGuard:
    """Judges uses of tools. Remembers of each session only what cannot change while it lives. Thread-safe."""

    def __init__(self, ctx: Context) -> None:
        """Take the rooms to speak to."""
        self._ctx = ctx
        self._config_of = lru_cache(_REMEMBERED)(self._read_config_of)
        self._terms = lru_cache(_REMEMBERED)(self._look_up)

    def guarded(
        self, principal: Principal, tool: str, given: Mapping[str, Any], cwd: str
    ) -> tuple[Objection | None, bool]:
        """Why a tool may not be used by a run, and whether the fleet answers for it when it may.

        The second is False where the client's own rules are to decide: for a command that the role does not list, when
        the configuration lets a person be asked or names further tools for this agent. ``cwd`` is the client's word.
        Raises NotFound FLT-RUN-001 for an unknown run.
        """
        loaded = self._ctx.config.at(self._config_of(principal.run_id))
        session = f"{principal.run_id}-e{principal.epoch}"
        terms = self._terms(session, principal.name, principal.role, loaded.digest)
        if terms is None:
            return Objection("FLT-GRD-010", f"{principal.name} is no longer in the configuration"), False
        found = judge(tool, given, replace(terms.ground, cwd=cwd) if cwd.startswith("/") else terms.ground)
        if found is not None and found.code == _UNLISTED and (terms.unlisted == "ask" or terms.agent.allowed_tools):
            return None, False
        return found, found is None and terms.agent.permission_mode != "plan"

    def _read_config_of(self, run_id: str) -> str:
        return self._ctx.db.read(lambda tx: runs.get(tx, run_id)).config_hash

    def _look_up(self, session: str, agent: str, role: str, digest: str) -> _Terms | None:
        loaded = self._ctx.config.at(digest)
        member, scope = loaded.config.agent(agent), loaded.scope_of(agent)
        if member is None or scope is None:
            return None
        ground = _ground(self._ctx.paths, session, role, scope, loaded.config.protected_paths)
        return _Terms(member, loaded.config.claude.unlisted, ground)


def _ground(paths: FleetPaths, session: str, role: str, scope: Scope, protected: tuple[str, ...]) -> Ground:
    """Where a run's session stands. A place in its own folder is meant as such, wherever a link there leads to."""
    clone, folder = os.path.realpath(paths.clones / session), os.path.realpath(paths.runs / session)
    return Ground(
        role=role,
        scope=scope,
        clone=clone,
        cwd=clone,
        writable=(f"{folder}/tmp",),
        readable=(*_SYSTEM, *(f"{folder}/{name}" for name in _OF_THE_RUN)),
        secret=("/proc", "/sys"),
        protected=lambda path: bool(protected_among([path], protected)),
        real=os.path.realpath,
        matches=_matches,
    )


def _matches(pattern: str) -> tuple[str, ...]:
    """What a pattern stands for now; one that means more than can be looked at means everything in its folder."""
    found: list[str] = []
    for path in glob.iglob(pattern, include_hidden=True):
        found.append(path)
        if len(found) > _MATCHES:
            return (str(Path(pattern).parent),)
    return tuple(found)
