"""Rounds, percentiles and tables: the tools of every bench."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Result:
    """One row: a name, its rate per second (0 when it has none), latencies in milliseconds, ratio to the first row."""

    name: str
    rate: float
    p50: float
    p99: float
    worst: float


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of the sorted values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def timed(step: Callable[[], object], count: int) -> list[float]:
    """Milliseconds of each of ``count`` calls."""
    spent: list[float] = []
    for _ in range(count):
        start = time.perf_counter()
        step()
        spent.append((time.perf_counter() - start) * 1000)
    return spent


def spent_cpu(pid: int) -> float:
    """Seconds of processor time of a process and of the children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def summary(name: str, seconds: float, latencies: Sequence[float], units: int | None = None) -> Result:
    """A row from a stretch of time and what each unit took."""
    number = len(latencies) if units is None else units
    return Result(
        name, number / seconds, percentile(latencies, 0.5), percentile(latencies, 0.99), max(latencies, default=0.0)
    )


def spread(workers: int, work: Callable[[], list[float]]) -> tuple[float, list[float]]:
    """Seconds of ``workers`` threads that each do ``work``, and all the latencies they measured."""
    spent: list[float] = []
    lock = threading.Lock()

    def one() -> None:
        mine = work()
        with lock:
            spent.extend(mine)

    threads = [threading.Thread(target=one) for _ in range(workers)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start, spent


def interleaved(rounds: int, contestants: dict[str, Callable[[], Result]]) -> list[Result]:
    """Run every contestant once a round, in turn, and keep the median of each figure."""
    kept: dict[str, list[Result]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contest in contestants.items():
            kept[name].append(contest())
    return [
        Result(
            name,
            statistics.median(row.rate for row in rows),
            statistics.median(row.p50 for row in rows),
            statistics.median(row.p99 for row in rows),
            max(row.worst for row in rows),
        )
        for name, rows in kept.items()
    ]


def table(title: str, note: str, results: Sequence[Result], *, by: str = "rate") -> str:
    """A Markdown table; ratios are to the first row, by ``rate`` or by ``p50``."""
    base = getattr(results[0], by)
    lines = [
        f"### {title}",
        "",
        note,
        "",
        "| | per second | p50 ms | p99 ms | worst ms | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for row in results:
        ratio = getattr(row, by) / base if base else 0.0
        rate = f"{row.rate:,.0f}" if row.rate else ""
        lines.append(f"| {row.name} | {rate} | {row.p50:.2f} | {row.p99:.2f} | {row.worst:.1f} | {ratio:.2f} |")
    return "\n".join(lines) + "\n"
