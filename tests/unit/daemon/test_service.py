"""The only loop: when it ticks, when it waits, what wakes it, and what ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.clock import SECOND, SystemClock
from fleet.core.errors import FleetError, NotFound, PermanentError, Refused, TemporaryError
from fleet.core.service import Tick
from fleet.daemon.service import LONGEST_BACKOFF_SECONDS, Loop, backoff_seconds
from fleet.testing.waiting import wait_until

Step = Callable[[int], Tick]


class Service:
    """A service whose ticks a test writes down; the last one is repeated."""

    name = "probe"

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.ticks = 0

    def tick(self, now: int) -> Tick:
        step = self.steps[min(self.ticks, len(self.steps) - 1)]
        self.ticks += 1
        return step(now)


class Rig:
    """Loops under test, and what they reported."""

    def __init__(self) -> None:
        self.loops: list[Loop] = []
        self.troubles: list[BaseException] = []
        self.failures: list[BaseException] = []

    def run(self, *steps: Step, gap: float = 0.001) -> tuple[Service, Loop]:
        service = Service(*steps)
        loop = Loop(
            service,
            SystemClock(),
            on_trouble=lambda name, error: self.troubles.append(error),
            on_failure=lambda name, error: self.failures.append(error),
            gap_seconds=gap,
        )
        self.loops.append(loop)
        loop.start()
        return service, loop


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    for loop in made.loops:
        loop.stop()
        assert loop.join(60)


def idle(now: int) -> Tick:
    return Tick(0)


def busy(now: int) -> Tick:
    return Tick(1)


def fails_with(error: BaseException) -> Step:
    def step(now: int) -> Tick:
        raise error

    return step


def test_a_tick_that_did_something_is_followed_by_another_at_once(rig: Rig) -> None:
    service, _ = rig.run(busy, busy, busy, idle)
    wait_until(lambda: service.ticks == 4)


def test_an_idle_service_waits_until_it_is_woken(rig: Rig) -> None:
    service, loop = rig.run(idle)
    wait_until(lambda: loop.state().ticks == 1)
    for expected in (2, 3, 4):
        loop.wake()
        wait_until(lambda expected=expected: service.ticks == expected)  # type: ignore[misc]


def test_a_date_in_the_near_future_wakes_it_by_itself(rig: Rig) -> None:
    service, _ = rig.run(lambda now: Tick(0, now + SECOND // 50), idle)
    wait_until(lambda: service.ticks == 2)


def test_a_wake_up_during_a_tick_is_not_lost(rig: Rig) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(now: int) -> Tick:
        entered.set()
        assert go_on.wait(60)
        return Tick(0)

    service, loop = rig.run(slow, idle)
    assert entered.wait(60)
    loop.wake()
    go_on.set()
    wait_until(lambda: service.ticks == 2)


def test_a_flood_of_news_costs_few_ticks(rig: Rig) -> None:
    service, loop = rig.run(idle, gap=0.05)
    wait_until(lambda: loop.state().ticks == 1)
    stop = threading.Event()

    def flood() -> None:
        while not stop.is_set():
            loop.wake()

    thread = threading.Thread(target=flood)
    before, begun = service.ticks, time.monotonic()
    thread.start()
    stop.wait(0.3)
    stop.set()
    thread.join()
    assert service.ticks - before <= (time.monotonic() - begun) / 0.05 + 2


def test_a_temporary_error_is_tried_again_and_forgotten_when_it_passed(rig: Rig) -> None:
    service, loop = rig.run(fails_with(TemporaryError("FLT-RTM-001", "away", retry_after=0.05)), idle)
    wait_until(lambda: service.ticks == 2)
    wait_until(lambda: loop.state().failures == 0)
    assert [str(error) for error in rig.troubles] == ["away [FLT-RTM-001]"]
    assert rig.failures == []


@pytest.mark.parametrize("error", [Refused("FLT-GHB-005", "no"), NotFound("FLT-GHB-006", "gone")])
def test_what_github_refuses_is_waited_out_and_ends_nothing(rig: Rig, error: FleetError) -> None:
    _, loop = rig.run(fails_with(error), idle)
    wait_until(lambda: loop.state().failures == 1)
    assert (loop.state().alive, rig.failures) == (True, [])
    assert [str(one) for one in rig.troubles] == [str(error)]


@pytest.mark.parametrize("error", [PermanentError("FLT-STO-007", "the disk"), KeyError("a bug"), SystemExit(3)])
def test_any_other_error_ends_the_loop_and_is_reported(rig: Rig, error: BaseException) -> None:
    _, loop = rig.run(fails_with(error))
    assert loop.join(60)
    assert rig.failures == [error]
    state = loop.state()
    assert state.alive is False
    assert type(error).__name__ in state.last_error


def test_stopping_ends_a_wait_and_a_back_off(rig: Rig) -> None:
    _, waiting = rig.run(idle)
    _, backing_off = rig.run(fails_with(TemporaryError("FLT-RTM-001", "away", retry_after=30)))
    wait_until(lambda: waiting.state().ticks == 1 and rig.troubles)
    for loop in (waiting, backing_off):
        loop.stop()
        assert loop.join(60)


def test_a_loop_that_never_started_can_be_stopped() -> None:
    loop = Loop(Service(idle), SystemClock(), on_trouble=lambda *_: None, on_failure=lambda *_: None)
    loop.stop()
    assert loop.join(60)


@given(st.integers(1, 1000), st.floats(0, 1000), st.floats(0, 1, exclude_max=True))
def test_back_off_grows_with_jitter_and_stays_below_the_cap(failures: int, after: float, chance: float) -> None:
    pause = backoff_seconds(failures, after, chance)
    assert 0.02 < pause <= LONGEST_BACKOFF_SECONDS
    assert backoff_seconds(failures, after, 0.0) >= pause / 2.01
    assert backoff_seconds(failures + 1, after, chance) >= pause * 0.99


def test_the_state_is_plain_data(rig: Rig) -> None:
    _, loop = rig.run(idle)
    assert set(loop.state().as_dict()) == {
        "name", "alive", "ticks", "last_tick_at", "last_change_at", "next_at", "failures", "last_error",
    }  # fmt: skip
