"""What ``fleet top`` shows: two looks at the fleet become rates, and a table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleet.cli.output import Style, counted, duration, shortened, table, visible
from fleet.cli.statusview import bar, megabytes
from fleet.core.clock import SECOND
from fleet.health.processes import Usage

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """One look: the daemon's answer, what the trees cost, and when by a clock that never jumps (seconds)."""

    answer: Mapping[str, Any]
    costs: Mapping[int, Usage]
    at: float


def facts_of(look: Look, before: Look | None) -> Facts:
    """One refresh as --json prints it; rates are None until there was a look before."""
    answer = look.answer
    daemon = answer["daemon"]
    return {
        "fleet": answer["fleet"],
        "now": answer["now"],
        "runs": [_run(run, look, before) for run in answer["runs"]],
        "deliveries": answer["deliveries"],
        "entries": answer["journal"]["entries"],
        "entries_per_second": _rate(look, before),
        "writer": answer["writer"],
        "daemon": {**daemon, **_cost(daemon["pid"], look, before)},
    }


def _run(run: Mapping[str, Any], look: Look, before: Look | None) -> Facts:
    kept = ("id", "agent", "state", "subject", "attempt", "seconds", "allowance_seconds", "last_entry_at", "pid")
    return {**{name: run[name] for name in kept}, **_cost(run["pid"], look, before)}


def _cost(pid: int | None, look: Look, before: Look | None) -> Facts:
    """What a tree costs: percent of one processor since the look before, memory, processes."""
    now = look.costs.get(pid) if pid else None
    if now is None:
        return {"cpu_percent": None, "rss_bytes": None, "processes": None}
    then = before.costs.get(pid) if before is not None and pid else None
    percent = None
    if then is not None and before is not None and look.at > before.at:
        # a process that ended took its time along, so a tree can seem to have gained
        percent = round(max(0.0, now.cpu_seconds - then.cpu_seconds) / (look.at - before.at) * 100, 1)
    return {"cpu_percent": percent, "rss_bytes": now.rss_bytes, "processes": now.processes}


def _rate(look: Look, before: Look | None) -> float | None:
    if before is None or look.at <= before.at:
        return None
    written: int = look.answer["journal"]["entries"] - before.answer["journal"]["entries"]
    return round(max(0, written) / (look.at - before.at), 2)


def text_of(facts: Facts, style: Style, *, width: int, height: int) -> str:
    """One refresh for people; runs that do not fit are counted."""
    lines = [_head(facts, style), _machinery(facts)]
    if facts["daemon"]["failing"]:
        failing = ", ".join(map(visible, facts["daemon"]["failing"]))
        lines.append(style.paint(f"✗ failing: {failing} (fleet watcher status)", "red"))
    runs = sorted(facts["runs"], key=lambda run: -(run["cpu_percent"] or 0.0))
    room = max(1, height - len(lines) - 3)
    shown = runs if len(runs) <= room else runs[: max(1, room - 1)]
    rows = table(("AGENT", "STATE", "SUBJECT", "CPU", "MEM", "PROCS", "QUIET", "TIME"), map(_row(facts), shown), style)
    lines += ["", *(rows.splitlines() if runs else ["nobody works"])]
    if len(shown) < len(runs):
        lines.append(f"… and {len(runs) - len(shown)} more runs: fleet ps")
    return "".join(f"{line if chr(27) in line else shortened(line, width)}\n" for line in lines)


def _head(facts: Facts, style: Style) -> str:
    waiting = sum(facts["deliveries"].get(state, 0) for state in ("pending", "claimed"))
    held = facts["deliveries"].get("held", 0)
    name = style.paint(visible(facts["fleet"]), "bold")
    looks = counted(waiting, "delivery", "deliveries")
    return f"{name}  {counted(len(facts['runs']), 'run')}, {looks} to look at, {held} held"


def _machinery(facts: Facts) -> str:
    rate, writer, daemon = facts["entries_per_second"], facts["writer"], facts["daemon"]
    return (
        f"{facts['entries']} entries, {'-' if rate is None else f'{rate:.1f}'}/s; "
        f"writer {writer['queue']} waiting, {writer['commit_ms']:.1f} ms; "
        f"daemon {_percent(daemon)}, {_memory(daemon)}"
    )


def _row(facts: Facts) -> Any:
    def row(run: Facts) -> tuple[object, ...]:
        last = run["last_entry_at"]
        quiet = duration(max(0.0, (facts["now"] - last) / SECOND)) if last else "-"
        time = bar(run["seconds"], run["allowance_seconds"]) if run["seconds"] else "-"
        processes = "-" if run["processes"] is None else run["processes"]
        about = (run["agent"], run["state"], run["subject"] or "-")
        return (*about, _percent(run), _memory(run), processes, quiet, time)

    return row


def _percent(cost: Facts) -> str:
    return "-" if cost["cpu_percent"] is None else f"{cost['cpu_percent']:.0f}%"


def _memory(cost: Facts) -> str:
    return "-" if cost["rss_bytes"] is None else megabytes(cost["rss_bytes"])
