"""What an agent reads about itself: as its next run gets it, with the source of each part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fleet.config.loader import LoadedConfig
from fleet.config.validate import nearest
from fleet.control.context import Context, Handlers
from fleet.core.errors import NotFound
from fleet.core.principal import Principal
from fleet.runtime.instructions import handbook_of
from fleet.runtime.vendors import VENDORS


def handbook(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """The handbook of a member by the configuration in force. Raises what ``handbook_by`` raises."""
    return handbook_by(ctx.loaded, ctx.paths.config.parent, args["name"])


def handbook_by(loaded: LoadedConfig, settings: Path, name: str) -> dict[str, Any]:
    """The handbook of a member by this configuration; ``settings`` is the .fleet/ folder of the checkout.

    ``added`` is what its vendor tells it beside that.

    Raises NotFound FLT-AGT-001, PermanentError FLT-AGT-130 for instructions that cannot be used.
    """
    member = loaded.config.agent(name)
    if member is None:
        hint = nearest(name, [agent.name for agent in loaded.config.agents]) or "fleet agent list shows the names"
        raise NotFound("FLT-AGT-001", "no such agent", where=name, hint=hint)
    made = handbook_of(member, loaded, settings)
    added = VENDORS[member.vendor].adds(loaded.roles[member.role])
    return {
        "agent": name,
        "role": made.role,
        "text": made.text,
        "sha256": made.digest,
        "config": loaded.digest,
        "parts": made.provenance(),
        "added": [
            {
                "title": part.title,
                "text": part.text,
                "sha256": part.digest,
                "sources": [{"name": source.name, "sha256": source.digest} for source in part.sources],
            }
            for part in added
        ],
    }


HANDLERS: Handlers = {"handbook": handbook}
