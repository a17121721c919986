"""Whoever was let in when a daemon stops accepting is heard; whoever came later waits for the next one."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from fleet.daemon.accepting import stop_accepting


async def _heard(path: Path, turns: int) -> tuple[int, int]:
    """How many of five callers are heard when accepting ends ``turns`` turns after they knocked, and how many wait."""
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readline())
        writer.close()

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(16)
        server = await asyncio.start_server(hear, sock=listening.dup())
        callers = [socket.socket(socket.AF_UNIX) for _ in range(5)]
        for caller in callers:  # on the loop's own thread: none is accepted before the loop turns
            caller.connect(str(path))
            caller.sendall(b"hello\n")
        for _ in range(turns):
            await asyncio.sleep(0)
        await stop_accepting(server)
        server.close()
        for _ in range(50):
            await asyncio.sleep(0)
        listening.setblocking(False)
        waiting = 0
        while True:
            try:
                listening.accept()[0].close()
            except BlockingIOError:
                break
            waiting += 1
        for caller in callers:
            caller.close()
        return len(heard), waiting


@pytest.mark.parametrize("turns", range(8))
def test_a_caller_is_heard_or_waits_for_the_next_daemon_and_is_never_dropped(tmp_path: Path, turns: int) -> None:
    heard, waiting = asyncio.run(_heard(tmp_path / "s", turns))
    assert heard + waiting == 5
    assert (heard, waiting) in ((0, 5), (5, 0))
