"""Wake-ups from the store's writer thread to whoever waits on the event loop."""

from __future__ import annotations

import asyncio

# Under a flood of commits a follower looks this often, not at each one.
_GAP_SECONDS = 0.05


class CommitFollower:
    """Lets many followers of the log wait for the next commit without a thread each."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the loop on which followers wait."""
        self._loop = loop
        self._news = asyncio.Event()
        self._told = False

    def committed(self) -> None:
        """There is something new. Called on the writer's thread; costs nothing while the loop was told already."""
        if self._told or self._loop.is_closed():
            return
        self._told = True
        self._loop.call_soon_threadsafe(self.wake)

    def wake(self) -> None:
        """Let everybody who waits return; on the loop."""
        self._told = False
        self._news.set()
        self._news = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return after the next commit, or when ``seconds`` are up; at most once in the gap."""
        news = self._news
        await asyncio.sleep(min(seconds, _GAP_SECONDS))
        try:
            async with asyncio.timeout(max(0.0, seconds - _GAP_SECONDS)):
                await news.wait()
        except TimeoutError:
            return
