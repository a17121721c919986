"""Ends the accepting of connections so that nobody who was let in is dropped: the next daemon has all the others.

``asyncio.Server.close`` alone does not: a connection becomes one only some turns of the loop after it was accepted,
and on a server that is closed by then it is dropped unheard (the assertion in ``Server._attach``).
"""

from __future__ import annotations

import asyncio

_TURNS = 20  # from accepted to its task; asyncio takes four or five


async def stop_accepting(server: asyncio.Server) -> None:
    """Accept nobody more, and return when everybody accepted so far has a task; the server can be closed then.

    Whoever connects from now on waits in the queue of the listening socket.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(_TURNS):  # turns of the loop, not time: a busy machine takes long for each
        await asyncio.sleep(0)
