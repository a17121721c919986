"""Followers of the journal: what is committed while one of them looks is not missed."""

from __future__ import annotations

import asyncio

from fleet.daemon.follow import CommitFollower


def test_a_commit_during_a_look_wakes_who_looked() -> None:
    async def story() -> None:
        follower = CommitFollower(asyncio.get_running_loop())
        news = follower.mark()
        follower.committed()  # the look has read before this, and waits only after it
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await follower.wait(news, 3600)

    asyncio.run(story())


def test_what_was_committed_before_the_look_wakes_nobody_again() -> None:
    async def story() -> bool:
        follower = CommitFollower(asyncio.get_running_loop())
        follower.committed()
        await asyncio.sleep(0)
        waiting = asyncio.create_task(follower.wait(follower.mark(), 3600))
        await asyncio.wait([waiting], timeout=0.2)
        over = waiting.done()
        waiting.cancel()
        return over

    assert asyncio.run(story()) is False
