"""The screen of ``fleet status``: what needs a person first, folded to the height of the terminal. Pure.

Every state is a word with a sign, never a colour alone. Long lines go on below, as wide as the terminal; what does not
fit is counted, with the command that shows it; a command to type is never cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fleet import __version__
from fleet.cli.output import Style, counted, duration, visible, wrapped
from fleet.core.clock import SECOND
from fleet.core.money import dollars

Row = Mapping[str, Any]

WIDTH, HEIGHT = 80, 24
UNFOLDED = 1_000_000
_MOST_LINES = 5  # of one text on a terminal; --all has all of it
_NAMES = 6  # idle agents named one by one; more are counted by role
_BAR = 10
_STOPS_ALL = frozenset({"halt", "record", "daemon", "disk", "service", "base"})
_BROKEN = _STOPS_ALL | {"dead_letter", "quarantine", "frozen"}
_RISKY = ("elevated", "high", "critical")
_REASONS_OF_NEEDS = frozenset({"approval", "review", "merge", "budget"})


@dataclass(frozen=True, slots=True)
class Block:
    """A titled list; each row is one or two lines. ``more`` says how many rows were folded away."""

    title: str
    rows: tuple[tuple[str, ...], ...]
    more: Callable[[int], str]

    def lines(self, shown: int) -> list[str]:
        """The block with its first rows."""
        text = [self.title, *(line for row in self.rows[:shown] for line in row)]
        left = len(self.rows) - shown
        return [*text, self.more(left)] if left else text


def screen(result: Row, style: Style, *, width: int = WIDTH, height: int = HEIGHT) -> str:
    """The whole screen; ``height`` counts the line of the prompt that follows."""
    head, foot = _head(result, style), [*_idle(result), *_foot(result)]
    found = (_needs(result, style, width), _held(result, style), _working(result, style))
    blocks = [_wrapped(block, width) for block in found if block.rows]
    foot = [part for line in foot for part in _lines(line, width)]
    room = height - 1 - len(head) - len(foot)
    # blank lines are the first to go
    gap = [""] if sum(len(block.lines(len(block.rows))) for block in blocks) + len(blocks) < room else []
    lines = [*head]
    for block, shown in zip(blocks, fit(blocks, room - len(gap) * (len(blocks) + 1)), strict=True):
        lines += [*gap, *block.lines(shown)]
    return "".join(f"{line}\n" for line in (*lines, *gap, *foot))


def fit(blocks: Sequence[Block], room: int) -> list[int]:
    """How many rows of each block to show: all, or the last blocks give way first, each down to one row."""
    shown = [len(block.rows) for block in blocks]
    for at in reversed(range(len(blocks))):
        while shown[at] > 1 and sum(len(b.lines(n)) for b, n in zip(blocks, shown, strict=True)) > room:
            shown[at] -= 1
    return shown


def _wrapped(block: Block, width: int) -> Block:
    """A block whose rows fit."""
    rows = tuple(tuple(part for line in row for part in _lines(line, width)) for row in block.rows)
    return replace(block, rows=rows)


def _lines(line: str, width: int) -> list[str]:
    """A line on as many as it needs. One with a command to type stays whole, and colours are not broken in two."""
    if "\x1b" in line or line.lstrip().startswith("do: "):
        return [line]
    found = wrapped(line[: width * (_MOST_LINES + 1)], width, indent=" " * min(6, width // 4))
    return (
        found if len(found) <= _MOST_LINES else [*found[: _MOST_LINES - 1], f"{found[_MOST_LINES - 1][: width - 1]}…"]
    )


def _head(result: Row, style: Style) -> list[str]:
    """The fleet's name and how it stands in a few words."""
    counts = (("need you", len(result["attention"])), ("working", len(result["runs"])), ("held", len(result["held"])))
    words = ", ".join(f"{count} {word}" for word, count in counts if count) or "all is quiet"
    lines = [f"{style.paint(visible(result['fleet']), 'bold')}  {words}"]
    if result["daemon"]["pid"] and result["daemon"]["version"] != __version__:
        other = visible(result["daemon"]["version"])
        lines.append(
            style.paint(f"! the daemon is version {other}, this command {__version__}: fleet restart", "yellow")
        )
    if result.get("halt"):
        lines.append(style.paint("! halted: nothing starts until a person types fleet resume", "red"))
    if result["daemon"]["paused"]:
        lines.append(style.paint("! going down: nothing new is started", "yellow"))
    return lines


def _needs(result: Row, style: Style, width: int) -> Block:
    items = result["attention"]
    title = style.paint(f"NEEDS YOU ({len(items)})", "bold", "red")
    rows = tuple(_need_lines(item, width) for item in items)
    return Block(title, rows, lambda left: f"  … and {left} more that need you: fleet status --all")


def _need_lines(item: Row, width: int) -> tuple[str, ...]:
    """What it is and what to type: on one line where both fit, else on two.

    Words that look like our own advice get no chance to stand where it stands.
    """
    sign = "✗" if item["kind"] in _BROKEN else "!"
    about = " ".join(visible(item[key]) for key in ("subject", "agent") if item[key] and item["kind"] != "quarantine")
    text = visible(item["text"])
    line = f"  {sign} {visible(item['kind']).replace('_', ' ')}: {f'{about}: ' if about else ''}{text}"
    do = f"do: {visible(item['command'])}{', then: ' + visible(item['then']) if item['then'] else ''}"
    both = f"{line}  {do}"
    return (both,) if len(both) <= min(width, WIDTH) and "do:" not in line else (line, f"      {do}")


def _held(result: Row, style: Style) -> Block:
    """What waits by itself, alike things together; what waits for a person stands above."""
    told = {(item["agent"], item["subject"]) for item in result["attention"] if item["kind"] in _REASONS_OF_NEEDS}
    told |= {(item["agent"], None) for item in result["attention"] if item["kind"] == "budget"}
    groups: dict[tuple[str, str], list[str]] = {}
    for item in result["held"]:
        if (item["agent"], item["subject"]) not in told and (item["agent"], None) not in told:
            groups.setdefault((item["agent"], item["reason"]), []).append(item["subject"] or item["event_type"])
    count = sum(map(len, groups.values()))
    rows = tuple(
        (f"  … {visible(agent)} on {_few(subjects)}: {visible(reason)}",)
        for (agent, reason), subjects in sorted(groups.items(), key=lambda group: -len(group[1]))
    )
    title = style.paint(f"WAITING ({count})", "bold", "yellow")
    return Block(title, rows, lambda left: f"  … and {left} more reasons: fleet status --all")


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(visible(name) for name in names[:2])
    return f"{shown} and {len(names) - 2} more" if len(names) > 2 else shown


def _working(result: Row, style: Style) -> Block:
    runs = sorted(result["runs"], key=lambda run: (run["state"] == "queued", run["started_at"] or run["queued_at"]))
    names = max([len(visible(run["agent"])) for run in runs], default=0)
    rows = tuple((_run_line(run, result["now"], min(names, 24)),) for run in runs)
    title = style.paint(f"WORKING ({len(runs)})", "bold", "green")
    return Block(title, rows, lambda left: f"  … and {left} more runs: fleet ps")


_TURNS = {"permission": "waits for your word on", "stopped": "its turn is over", "starting": "begins"}


def _run_line(run: Row, now: int, names: int) -> str:
    sign = "▶" if run["state"] == "running" else "·"
    spent = run["seconds"] if run["started_at"] else (now - run["queued_at"]) / SECOND
    words = f"{visible(run['state'])} {duration(spent)}"
    text = f"  {sign} {visible(run['agent']):<{names}}  {visible(run['subject'] or '-'):<10} {words:<16}"
    if run["started_at"] and run["allowance_seconds"]:
        text += f" {bar(run['seconds'], run['allowance_seconds'])}"
    if run["attempt"] > 1:
        text += f", try {run['attempt']}"
    if run["turn"]:
        text += f", {_TURNS.get(run['turn'], run['turn'])}{' ' + visible(run['tool']) if run['tool'] else ''}"
    if run["usage"]:
        text += f", {_used(run['usage'])}"
    return (text + (f", stopping: {visible(run['stopping'])}" if run["stopping"] else "")).rstrip()


def _used(usage: Row) -> str:
    """Tokens of all kinds, and their price; a price that nobody knows is said to be unknown."""
    tokens = sum(usage[kind] for kind in ("input", "output", "cache_read", "cache_write"))
    price = "of unknown price" if usage["unpriced"] else dollars(usage["cost_micros"] or 0)
    return f"{tokens:,} tokens {price if usage['unpriced'] else '(' + price + ')'}"


def bar(used: float, whole: float) -> str:
    """How much of a time is used up, in signs and in words: [###-------] 31% of 30m00s."""
    part = min(1.0, max(0.0, used / whole)) if whole > 0 else 1.0
    full = int(part * _BAR)
    return f"[{'#' * full}{'-' * (_BAR - full)}] {int(part * 100)}% of {duration(whole)}"


def _idle(result: Row) -> Iterator[str]:
    """Who does nothing, and why: counts, and names where there are few. On one line where it fits."""
    working = {run["agent"] for run in result["runs"]}
    groups: dict[str, list[Row]] = {"idle": []}
    for agent in result["agents"]:
        if agent["name"] in working or agent["state"] in ("retired", "quarantined"):
            continue
        word = "idle" if agent["state"] == "active" else visible(agent["state"])
        groups.setdefault(word if agent["enabled"] else "disabled", []).append(agent)
    lines = [f"{word:<8} {_who(members)}" for word, members in groups.items()]
    if len("; ".join(lines)) <= WIDTH:
        yield "; ".join([lines[0], *(" ".join(line.split()) for line in lines[1:])])
    else:
        yield from lines
    risky = [
        one for one in result["agents"] if one["risk"] in _RISKY and one["state"] not in ("retired", "quarantined")
    ]
    if risky:
        shown = ", ".join(f"{visible(one['name'])} {one['risk']}" for one in risky[:_NAMES])
        yield f"risk     ! {shown}{f' and {len(risky) - _NAMES} more' if len(risky) > _NAMES else ''}: fleet risk show"


def _who(members: Sequence[Row]) -> str:
    if not members:
        return "nobody"
    if len(members) <= _NAMES:
        return ", ".join(visible(one["name"]) for one in members)
    roles = Counter(visible(one["role"]) for one in members)
    return f"{len(members)} agents: {', '.join(f'{count} {role}' for role, count in roles.most_common())}"


def _foot(result: Row) -> Iterator[str]:
    yield f"daemon   {_daemon(result)}"
    journal = result["journal"]
    yield f"forge    {_forge(result)}"
    quota = result["forge"]["quota"]
    if quota is not None:
        left = duration(max(0.0, (quota["reset_at"] - result["now"]) / SECOND))
        yield f"quota    {quota['remaining']} of {quota['limit']} requests left, all again in {left}"
    yield f"disk     {_disk(result)}"
    waiting = sum(result["deliveries"].get(state, 0) for state in ("pending", "claimed"))
    entries = f"{journal['entries']} entries, {journal['last_day']} in the last day"
    yield f"journal  {entries}; {counted(waiting, 'delivery', 'deliveries')} to look at"
    unread = sum(result["inbox"]["people"].values())
    if unread:
        yield f"inbox    {unread} unread: fleet inbox"
    if result["config"]["warnings"]:
        yield f"config   ! {counted(len(result['config']['warnings']), 'warning')}: fleet config validate"


def _forge(result: Row) -> str:
    """Where tickets live: last and next look, and what is wrong."""
    forge, now = result["forge"], result["now"]
    parts = [" ".join(visible(word) for word in (forge["kind"], forge["repo"]) if word)]
    if forge["last_look_at"]:
        looked = f"looked at {duration(max(0.0, (now - forge['last_look_at']) / SECOND))} ago"
        ahead = ((forge["next_look_at"] or now) - now) / SECOND
        parts.append(looked + (f", again in {duration(ahead)}" if forge["repo"] and ahead >= 0.1 else ""))
    else:
        parts.append("nobody looks at it now")
    if forge["failures"]:  # first: what stands behind may be cut off
        parts.insert(1, f"✗ fails: {visible(forge['last_error'])}")
    return ", ".join(parts)


def _daemon(result: Row) -> str:
    daemon = result["daemon"]
    if not daemon["pid"]:
        return f"none runs; {result['mode']}"
    up = duration((result["now"] - daemon["started_at"]) / SECOND)
    kept = "supervised" if daemon["supervised"] else "! not supervised"
    version = f"version {visible(daemon['version'])}"
    return f"pid {daemon['pid']}, {kept}, up {up}, {version}, {result['mode']}"


def _disk(result: Row) -> str:
    disk, journal = result["disk"], result["journal"]
    if disk["free"] is None:
        return "cannot be asked"
    text = f"{megabytes(disk['free'])} free (starts wait below {megabytes(disk['floor'])})"
    if disk["store"] is not None and journal["entries"]:
        growth = disk["store"] / journal["entries"] * journal["last_day"]
        text += f"; store {megabytes(disk['store'])}, +{megabytes(growth)} a day"
    return text


def megabytes(size: float) -> str:
    """Bytes in the units of the configuration (1 MB is 1,000,000 bytes): 12 kB, 0.4 MB, 512 MB, 5.4 GB, 41 GB."""
    mega = size / 1_000_000
    if mega >= 1000:
        return f"{mega / 1000:.1f} GB" if mega < 10_000 else f"{mega / 1000:.0f} GB"
    if mega >= 0.1:
        return f"{mega:.1f} MB" if mega < 10 else f"{mega:.0f} MB"
    return f"{size / 1000:.1f} kB" if size < 10_000 else f"{size / 1000:.0f} kB"
