"""What the forge asks that this fleet cannot meet: for ``fleet doctor``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fleet.control.context import Context, Handlers
from fleet.core.principal import Principal


def check(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Everything that is known to be in the way. Raises what the forge raises where it cannot be asked."""
    return {"forge": ctx.forge.name, "hurdles": [asdict(one) for one in ctx.forge.hurdles()]}


HANDLERS: Handlers = {"forge.check": check}
