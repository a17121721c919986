"""How agents look in lines for people: one of them, what they may still use, what their terminals showed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fleet.cli.output import Style, counted, duration, moment, table, visible
from fleet.cli.rows import runs_text
from fleet.core.money import dollars

Row = Mapping[str, Any]


def budgets_text(budgets: Iterable[Row], style: Style) -> str:
    """Run time as a table: what was used in the window, how much of the ceiling that is, and what is left.

    Below it tokens and money, of those who used some or have a budget of them.
    """
    budgets = list(budgets)
    rows = [
        (
            item.get("name") or item["budget"].removeprefix("agent/"),
            item["runs"],
            duration(item["used_seconds"]),
            duration(ceiling(item)) if item["budget_seconds"] is not None else "none",
            f"{item['used_percent']:.0f}%" if item["used_percent"] is not None else "-",
            window(item),
            duration(item["left_seconds"]) if item["left_seconds"] is not None else "-",
        )
        for item in budgets
    ]
    headings = ("NAME", "RUNS", "DURATION", "BUDGET", "USED", "WINDOW", "LEFT")
    return table(headings, rows, style) + _metered_text(budgets, style) if rows else "no agents\n"


def _metered_text(budgets: Iterable[Row], style: Style) -> str:
    """Tokens and money by the table of prices; what has no price is unknown, and said so."""
    rows = [
        (item.get("name") or item["budget"].removeprefix("agent/"), *_metered_row(item, key, shown))
        for item in budgets
        for key, shown in (("tokens", _tokens), ("usd_micros", dollars))
        if item[key]["used"] or item[key]["budget"] is not None or (key == "usd_micros" and item["unpriced_answers"])
    ]
    headings = ("NAME", "METERED", "BUDGET", "USED", "WINDOW", "LEFT")
    return "\n" + table(headings, rows, style) if rows else ""


def _metered_row(item: Row, key: str, shown: Callable[[int], str]) -> tuple[str, ...]:
    found = item[key]
    lacking = item["unpriced_answers"] if key == "usd_micros" else 0
    used = (
        f"{shown(found['used'])} + {counted(lacking, 'answer')} of unknown price" if lacking else shown(found["used"])
    )
    if found["budget"] is None:
        return used, "none", "-", "-", "-"
    when = f"{found['window']}, until {found['until']}" if found["until"] else str(found["window"])
    left = "unknown" if lacking else shown(found["left"])
    total = shown(found["budget"] + found["granted"])
    return used, total, "unknown" if lacking else f"{found['used_percent']:.0f}%", when, left


def _tokens(number: int) -> str:
    return f"{number:,} tokens"


def metered_line(budget: Row) -> str:
    """What an agent used of tokens and money, for one line; "" where nothing was and there is no budget."""
    parts = []
    for key, shown in (("tokens", _tokens), ("usd_micros", dollars)):
        used, total, percent, when, left = _metered_row(budget, key, shown)
        if total != "none":
            this = "" if when == "lifetime" else f" ({when})"
            parts.append(f"{used}, {percent} of {total}{this}, {left} left")
        elif budget[key]["used"] or (key == "usd_micros" and budget["unpriced_answers"]):
            parts.append(used)
    return "; ".join(parts)


def ceiling(budget: Row) -> float:
    """All seconds of a window: those of the configuration, and what people gave on top."""
    return float(budget["budget_seconds"]) + float(budget["granted_seconds"])


def window(budget: Row) -> str:
    """Which time a budget is for, and when it begins anew."""
    if budget["budget_seconds"] is None:
        return "-"
    return f"{budget['window']}, until {budget['until']}" if budget["until"] else str(budget["window"])


def agent_text(result: Row, style: Style) -> str:
    """One agent: state, configuration, budget, last runs, what waits, why it is idle."""
    found, budget = result["agent"], result["budget"]
    state = found["state"] if found["enabled"] or found["state"] != "active" else "disabled"
    text = f"{style.paint(visible(found['name']), 'bold')} {style.state(state)}, {visible(found['role'])}\n"
    if found["reason"]:
        text += f"  {visible(found['reason'])}\n"
    text += "".join(f"  {name.ljust(14)} {visible(value)}\n" for name, value in _facts(found) if value)
    text += f"  {'run time'.ljust(14)} {_budget(budget)}\n"
    metered = metered_line(budget)
    text += f"  {'metered'.ljust(14)} {visible(metered)}\n" if metered else ""
    text += "".join(f"  idle: {visible(reason)}\n" for reason in result["idle"])
    if result["waiting"]:
        text += "\n" + _waiting_text(result["waiting"], style)
    return text + "\n" + runs_text(result["runs"], style)


def _facts(found: Row) -> list[tuple[str, str]]:
    """What the configuration says, in the order in which people ask."""
    return [
        ("vendor", found["vendor"]),
        ("model", _model(found.get("model_used"))),
        ("subscribes to", ", ".join(found["subscribes_to"])),
        ("publishes", ", ".join(found.get("publishes", ()))),
        ("may start", ", ".join(found.get("may_start", ()))),
        ("department", found.get("department", "")),
        ("reports to", found.get("reports_to", "")),
        ("teams", ", ".join(found.get("teams", ()))),
        ("at once", str(found["max_concurrent"] or "")),
        ("one run", f"at most {duration(found['timeout_seconds'])}" if "timeout_seconds" in found else ""),
    ]


def _model(used: Row | None) -> str:
    """The model that its runs get, and by whose word."""
    return f"{used['model']} ({', then '.join(used['because'])})" if used is not None and used["model"] else ""


def _budget(budget: Row) -> str:
    number = budget["runs"]
    used = f"{duration(budget['used_seconds'])} in {number} run{'' if number == 1 else 's'}"
    if budget["budget_seconds"] is None:
        return f"{used}, no budget"
    promised = f", {duration(budget['reserved_seconds'])} promised to live runs" if budget["reserved_seconds"] else ""
    when = "" if budget["window"] == "lifetime" else f" this {budget['window']} (until {visible(budget['until'])})"
    others = f", with {', '.join(map(visible, budget['counts_with']))}" if budget["counts_with"] else ""
    return (
        f"{used}{others}{when}, {budget['used_percent']:.0f}% of {duration(ceiling(budget))}{promised},"
        f" {duration(budget['left_seconds'])} left"
    )


def _waiting_text(waiting: Iterable[Row], style: Style) -> str:
    rows = [
        (one["state"], one["subject"] or "-", one["event_type"], one["attempt"], one["reason"] or "-")
        for one in waiting
    ]
    return table(("WAITS", "SUBJECT", "EVENT", "TRY", "REASON"), rows, style)


def run_heading(run: Row, style: Style) -> str:
    """The line above what a run's terminal showed."""
    name = style.paint(f"== {visible(run['id'])}", "bold")
    about = f"on {visible(run['subject'])}" if run["subject"] else "on nothing in particular"
    return f"{name} {about} for {visible(run['event_type'])}, {moment(run['started_at'] or run['queued_at'])}\n"


def run_ending(run: Row, style: Style) -> str:
    """The line below: how the run ended; for a live one, that it goes on."""
    if run["finished_at"] is None:
        return f"-- {style.state(run['state'])}\n"
    outcome = f": {visible(run['outcome'])}" if run["outcome"] else ""
    return f"-- {style.state(run['state'])} after {duration(run['seconds'])}{outcome}\n"


def logs_text(result: Row, style: Style) -> str:
    """What the terminals of several runs showed, oldest first, every line made safe."""
    text = "(earlier runs are left out; fleet ps --all lists them)\n" if result["more"] else ""
    for run in result["runs"]:
        text += run_heading(run, style)
        text += "(earlier lines are left out; ask for more with --lines)\n" if run["more"] else ""
        text += "".join(f"{visible(line)}\n" for line in run["lines"]) + run_ending(run, style)
    return text or f"{visible(result['agent'])} has not run yet\n"
