"""What process trees cost: processor time and memory, read from /proc. Of this machine only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from fleet.runtime import proctree

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """One tree now: seconds of processor time that its living processes have used, bytes in memory, how many."""

    cpu_seconds: float
    rss_bytes: int
    processes: int


def usage(roots: Iterable[int]) -> dict[int, Usage]:
    """The trees below some processes, themselves included; nothing for one that is gone."""
    wanted = set(roots)
    if not wanted:
        return {}
    table = proctree.table()
    children: dict[int, list[int]] = {}
    for process in table.values():
        children.setdefault(process.ppid, []).append(process.pid)
    return {root: _tree(root, children) for root in wanted if root in table}


def _tree(root: int, children: dict[int, list[int]]) -> Usage:
    cpu, rss, count, todo = 0.0, 0, 0, [root]
    while todo:
        pid = todo.pop()
        todo += children.get(pid, ())
        spent = _spent(pid)
        if spent is not None:
            cpu, rss, count = cpu + spent[0], rss + spent[1], count + 1
    return Usage(cpu, rss, count)


def _spent(pid: int) -> tuple[float, int] | None:
    """Processor seconds and resident bytes of one process; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            line = file.read(4096)
    except OSError:
        return None
    # the name in parentheses may hold anything, so count from the last one
    fields = line[line.rindex(b")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS, int(fields[21]) * _PAGE
