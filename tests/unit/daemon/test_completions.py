"""Futures of the writer's thread reach whoever waits on the loop, several of them with one wake-up."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any

import pytest

from fleet.daemon.follow import Completions, chained


def test_what_the_writer_answers_arrives_on_the_loop() -> None:
    async def story() -> tuple[int, str]:
        completions = Completions(asyncio.get_running_loop())
        early: Future[int] = Future()
        early.set_result(1)
        late: Future[str] = Future()
        first, second = completions.awaitable(early), completions.awaitable(late)
        await asyncio.to_thread(late.set_result, "two")
        return await first, await second

    assert asyncio.run(story()) == (1, "two")


def test_an_error_of_the_writer_is_raised_where_it_is_awaited() -> None:
    async def story() -> None:
        failed: Future[int] = Future()
        waiting = Completions(asyncio.get_running_loop()).awaitable(failed)
        await asyncio.to_thread(failed.set_exception, KeyError("gone"))
        await waiting

    with pytest.raises(KeyError, match="gone"):
        asyncio.run(story())


def test_a_caller_that_hung_up_hinders_nobody_behind_it() -> None:
    async def story() -> int:
        completions = Completions(asyncio.get_running_loop())
        futures: list[Future[int]] = [Future(), Future()]
        gone, stays = (completions.awaitable(future) for future in futures)
        gone.cancel()
        for number, future in enumerate(futures):
            await asyncio.to_thread(future.set_result, number)
        return await stays

    assert asyncio.run(story()) == 1


def test_a_group_commit_wakes_the_loop_once() -> None:
    async def story() -> int:
        loop = asyncio.get_running_loop()
        completions = Completions(loop)
        futures: list[Future[int]] = [Future() for _ in range(8)]
        waiting = [completions.awaitable(future) for future in futures]
        wakes: list[object] = []
        wake = loop.call_soon_threadsafe

        def counted(callback: Any, *args: Any) -> asyncio.Handle:
            wakes.append(callback)
            return wake(callback, *args)

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign, assignment]
        for number, future in enumerate(futures):  # on this thread: nothing can be handed over in between
            future.set_result(number)
        assert await asyncio.gather(*waiting) == list(range(8))
        return len(wakes)

    assert asyncio.run(story()) == 1


def test_a_step_in_the_pool_is_answered_by_what_it_began_and_holds_no_thread_meanwhile() -> None:
    begun: Future[str] = Future()
    with ThreadPoolExecutor(1) as pool:
        outcome = chained(pool, lambda: begun)
        assert pool.submit(lambda: "free").result(60) == "free"
        assert not outcome.done()
        begun.set_result("answered")
        assert outcome.result(60) == "answered"


def test_whatever_goes_wrong_on_the_way_arrives() -> None:
    def broken() -> Future[int]:
        raise ZeroDivisionError

    failed: Future[int] = Future()
    failed.set_exception(KeyError("inside"))
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(KeyError, match="inside"):
            chained(pool, lambda: failed).result(60)
        with pytest.raises(ZeroDivisionError):
            chained(pool, broken).result(60)
        hold = threading.Event()
        pool.submit(hold.wait, 60)
        waiting = chained(pool, lambda: failed)
        pool.shutdown(wait=False, cancel_futures=True)
        hold.set()
        with pytest.raises(CancelledError):
            waiting.result(60)
