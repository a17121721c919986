"""``fleet mcp serve``: a person's client speaks MCP to this process, and it calls the daemon as that person."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from mcp.server.stdio import stdio_server

from fleet.core.principal import Principal
from fleet.mcp.server import make_server


def serve(
    principal: Principal, call: Callable[[str, Mapping[str, object]], dict[str, Any]], now: Callable[[], int]
) -> None:
    """Serve until standard input ends. ``call`` asks the daemon, one call at a time; it may raise FleetError."""
    asyncio.run(_serve(principal, call, now))


async def _serve(
    principal: Principal, call: Callable[[str, Mapping[str, object]], dict[str, Any]], now: Callable[[], int]
) -> None:
    one_at_a_time = asyncio.Lock()  # the connection to the daemon carries one call at a time

    async def who(request: object) -> Principal:
        return principal

    async def ask(asker: Principal, verb: str, args: Mapping[str, object]) -> dict[str, Any]:
        async with one_at_a_time:
            return await asyncio.to_thread(call, verb, args)

    server = make_server(who, ask, now)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())
