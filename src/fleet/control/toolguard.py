"""What ``policy.guard`` needs to know about a session: its role, its clone, what may be read beside it.

Looks at the disk, so it is asked before the transaction that records the answer.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet.config.loader import LoadedConfig
from fleet.config.scope import Scope
from fleet.control.context import Context
from fleet.core.work import Run
from fleet.policy.guard import Ground, Objection, judge
from fleet.policy.scope import protected_among

_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/opt")
_OF_THE_RUN = ("brief.json", "handbook.md", "system-prompt.md", "skills")
_UNLISTED = "FLT-GRD-002"
_MATCHES = 1000  # of a pattern that are looked at


def guarded(ctx: Context, run: Run, tool: str, given: Mapping[str, Any], cwd: str) -> tuple[Objection | None, bool]:
    """Why a tool may not be used, and whether the fleet answers for it when it may.

    The second is False where the client's own rules are to decide: for a command that the role does not list, when
    the configuration lets a person be asked or names further tools for this agent. ``cwd`` is the client's word.
    """
    loaded = ctx.config.at(run.config_hash)
    agent, scope = loaded.config.agent(run.agent), loaded.scope_of(run.agent)
    if agent is None or scope is None:
        return Objection("FLT-GRD-010", f"{run.agent} is no longer in the configuration"), False
    found = judge(tool, given, ground_of(ctx, run, loaded, scope, cwd))
    if (
        found is not None
        and found.code == _UNLISTED
        and (loaded.config.claude.unlisted == "ask" or agent.allowed_tools)
    ):
        return None, False
    return found, found is None and agent.permission_mode != "plan"


def ground_of(ctx: Context, run: Run, loaded: LoadedConfig, scope: Scope, cwd: str) -> Ground:
    """Where a run's session stands."""
    clone, folder = ctx.paths.clones / run.session, ctx.paths.runs / run.session
    real_clone = os.path.realpath(clone)
    protected = loaded.config.protected_paths
    return Ground(
        role=run.role,
        scope=scope,
        clone=real_clone,
        cwd=cwd if cwd.startswith("/") else real_clone,
        writable=(os.path.realpath(folder / "tmp"),),
        readable=(*_SYSTEM, *(os.path.realpath(folder / name) for name in _OF_THE_RUN)),
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
