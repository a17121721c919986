"""``/mcp`` of the daemon's HTTP door: one server for the clients of all agents, stateless, in both eras."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import Receive, Scope, Send

from fleet.core.principal import Principal
from fleet.mcp.server import make_server

PRINCIPAL = "fleet.principal"  # in the scope of a request, put there by the door that knew the caller
Handle = Callable[[Principal, str, Mapping[str, object]], dict[str, Any]]


class Endpoint:
    """Serves a request whose caller is known already."""

    def __init__(self, handle: Handle, now: Callable[[], int]) -> None:
        """``handle`` answers a call on some thread; it may raise FleetError."""

        async def who(request: Any) -> Principal:
            principal: Principal = request.scope[PRINCIPAL]
            return principal

        async def call(principal: Principal, verb: str, args: Mapping[str, object]) -> dict[str, Any]:
            return await asyncio.to_thread(handle, principal, verb, args)

        self._server = make_server(who, call, now)

    async def serve(self, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Nothing is kept between two: each call says who calls."""
        manager = StreamableHTTPSessionManager(self._server, json_response=True, stateless=True)
        async with manager.run():
            await manager.handle_request({**scope, PRINCIPAL: principal}, receive, send)
