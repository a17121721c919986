"""Mounts MCP in the HTTP door. The door finds out who asks; the SDK is loaded when the first client comes.

By name: it costs most of a second and 60 MB, which a fleet without such clients should not pay, and the room of MCP
stands above the daemon.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fleet.core.principal import Principal

Handle = Callable[[Principal, str, Mapping[str, object]], dict[str, Any]]


class McpMount:
    """An ASGI application behind ``/mcp``."""

    def __init__(self, handle: Handle, now: Callable[[], int]) -> None:
        """``handle`` answers a verb, ``now`` is the wall time in microseconds."""
        self._handle = handle
        self._now = now
        self._endpoint: Any = None
        self._loading = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; refused by the door when its bearer is no live run's."""
        request = Request(scope)
        principal = await request.app.state.door.principal(request)
        await (await self._loaded()).serve(principal, scope, receive, send)

    async def _loaded(self) -> Any:
        async with self._loading:
            if self._endpoint is None:
                room = await asyncio.to_thread(importlib.import_module, "fleet.mcp.http")
                self._endpoint = room.Endpoint(self._handle, self._now)
            return self._endpoint


def mcp_route(handle: Handle, now: Callable[[], int]) -> Route:
    """The route for ``HttpDoor(more=…)``."""
    return Route("/mcp", McpMount(handle, now), methods=["GET", "POST", "DELETE"])
