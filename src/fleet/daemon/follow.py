"""News from the store's writer thread for whoever waits on the event loop: one wake-up for many."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from typing import Any, TypeVar

T = TypeVar("T")

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

    def mark(self) -> asyncio.Event:
        """Where the news stands now: taken before a look, so that what is committed during the look is not missed."""
        return self._news

    async def wait(self, news: asyncio.Event, seconds: float) -> None:
        """Return after the first commit since the mark, or when ``seconds`` are up; at most once in the gap."""
        await asyncio.sleep(min(seconds, _GAP_SECONDS))
        try:
            async with asyncio.timeout(max(0.0, seconds - _GAP_SECONDS)):
                await news.wait()
        except TimeoutError:
            return


def chained(pool: Executor, fn: Callable[[], Future[T]]) -> Future[T]:
    """What the future resolves to that ``fn`` returns on a thread of the pool; nobody waits in between."""
    outcome: Future[T] = Future()

    def hand_on(done: Future[T]) -> None:
        error = done.exception()
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(done.result())

    def begun(begin: Future[Future[T]]) -> None:
        error = CancelledError() if begin.cancelled() else begin.exception()
        if error is not None:
            outcome.set_exception(error)
        else:
            begin.result().add_done_callback(hand_on)

    pool.submit(fn).add_done_callback(begun)
    return outcome


class Completions:
    """Futures of the writer, awaited on the loop. A group commit that answers eight callers wakes the loop once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the loop on which callers wait."""
        self._loop = loop
        self._done: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._told = False

    def awaitable(self, future: Future[T]) -> asyncio.Future[T]:
        """A future of the loop that gets what ``future`` gets."""
        waiting: asyncio.Future[T] = self._loop.create_future()
        future.add_done_callback(lambda done: self._completed(waiting, done))
        return waiting

    def _completed(self, waiting: asyncio.Future[Any], done: Future[Any]) -> None:
        """Called on the writer's thread (or at once, if it was done already)."""
        self._done.append((waiting, done))
        if not self._told and not self._loop.is_closed():
            self._told = True
            self._loop.call_soon_threadsafe(self._hand_over)

    def _hand_over(self) -> None:
        self._told = False  # before looking: what is added from now on tells again
        while self._done:
            waiting, done = self._done.popleft()
            if waiting.done():  # its caller hung up
                continue
            error = done.exception()
            if error is not None:
                waiting.set_exception(error)
            else:
                waiting.set_result(done.result())
