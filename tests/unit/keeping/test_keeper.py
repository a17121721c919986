"""The service clears away by itself: now and then, sooner while the disk is low, in a worker, never twice at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

import pytest

from fleet.core.errors import TemporaryError
from fleet.keeping import keeper
from fleet.keeping.gauge import DiskGauge
from fleet.keeping.keeper import EVERY, FIRST_AFTER, WHILE_LOW, Keeper
from fleet.keeping.lock import keeping
from fleet.testing.desk import Desk


@dataclass
class Worker(Executor):
    """Does what it is given when the test says so."""

    waiting: list[tuple[Future[Any], Callable[[], Any]]] = field(default_factory=list)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        """Put it aside."""
        future: Future[Any] = Future()
        self.waiting.append((future, lambda: fn(*args, **more)))
        return future

    def work(self) -> int:
        """Do it all; how much that was."""
        jobs, self.waiting = self.waiting, []
        for future, job in jobs:
            try:
                future.set_result(job())
            except Exception as error:  # noqa: BLE001 - as a real executor does
                future.set_exception(error)
        return len(jobs)


def made(desk: Desk, *, low: bool = False, automatic: bool = True) -> tuple[Keeper, Worker]:
    """A keeper that has just started, and its worker."""
    worker = Worker()
    limits = desk.loaded.config.keeping.model_copy(
        update={"automatic": automatic, "low_disk_mb": 10**9 if low else 1, "low_disk_percent": 0}
    )
    config = desk.loaded.config.model_copy(update={"keeping": limits})
    gauge = DiskGauge(desk.paths.state, lambda: limits)
    return Keeper(desk.db, desk.paths, lambda: config, gauge, worker), worker


def tick(desk: Desk, service: Keeper, after: int = 0) -> int:
    """A tick some microseconds later; how much it did."""
    desk.clock.advance(after / 1_000_000)
    return service.tick(desk.clock.now()).did


def test_the_first_pass_waits_for_the_start_to_be_over_then_they_come_now_and_then(desk: Desk) -> None:
    service, worker = made(desk)
    assert tick(desk, service) == 0
    assert tick(desk, service, FIRST_AFTER) == 1
    assert worker.work() == 1
    assert tick(desk, service) == 0
    assert tick(desk, service, EVERY) == 1


def test_while_the_disk_is_low_passes_come_sooner(desk: Desk) -> None:
    service, worker = made(desk, low=True)
    tick(desk, service)
    worker.work()
    tick(desk, service)
    assert tick(desk, service, WHILE_LOW) == 1


def test_a_pass_at_work_is_not_joined_by_another(desk: Desk) -> None:
    service, worker = made(desk)
    tick(desk, service, FIRST_AFTER)
    assert tick(desk, service, 2 * EVERY) == 0
    assert len(worker.waiting) == 1


def test_whoever_switched_it_off_has_it_off(desk: Desk) -> None:
    service, worker = made(desk, automatic=False)
    tick(desk, service, 2 * EVERY)
    assert worker.waiting == []


def test_a_person_who_is_at_it_is_let_do_it_and_trouble_ends_no_fleet(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, worker = made(desk)
    tick(desk, service, FIRST_AFTER)
    with keeping(desk.paths.state):
        worker.work()
    assert tick(desk, service) == 0
    tick(desk, service, EVERY)

    def fail(*_: Any, **__: Any) -> None:
        raise TemporaryError("FLT-FRG-014", "git cannot work now")

    monkeypatch.setattr(keeper, "collect", fail)
    worker.work()
    with pytest.raises(TemporaryError):
        tick(desk, service)
    assert tick(desk, service) == 0


def test_it_really_clears_away_and_says_who_did(desk: Desk) -> None:
    left_over = desk.paths.runs / ".gone-r1-e1"
    left_over.mkdir()
    desk.clock.advance(10**9)  # the manual clock begins in the past of that folder
    service, worker = made(desk)
    tick(desk, service, FIRST_AFTER)
    worker.work()
    assert tick(desk, service) == 1
    assert not left_over.exists()
    assert [entry.actor for entry in desk.entries("gc.done")] == ["system:keeper"]
