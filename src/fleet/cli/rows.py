"""How records look in lines for people: journal entries, runs, pull requests, remarks, the merge gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fleet.cli.output import Style, duration, moment, table, visible

Row = Mapping[str, Any]

_MARKS = {"event": ("*", "cyan"), "decision": ("=", "yellow"), "activity": (".", "dim")}
_VERDICTS = {
    "approve": ("approved", "green"),
    "request_changes": ("wants changes", "red"),
    "waived": ("waived", "yellow"),
}
_GATE = {"allow": ("✓", "green"), "hold": ("!", "yellow"), "deny": ("✗", "red")}


def entry_text(entry: Row, style: Style) -> str:
    """One journal entry on one line: number, time, stream, type, subject, who, and what was said."""
    mark, colour = _MARKS.get(str(entry["stream"]), ("?", "dim"))
    kind = style.paint(visible(entry["type"]).ljust(22), colour)
    about = (visible(entry["subject"]) or "-").ljust(10)
    actor, summary = visible(entry["actor"]), visible(entry["summary"])
    said = summary if summary.startswith(f"{actor} ") else f"{actor}: {summary}" if summary else actor
    return f"{entry['seq']:>5} {moment(entry['at'])} {style.paint(mark, colour)} {kind} {about} {said}\n"


def entries_text(entries: Iterable[Row], style: Style) -> str:
    """Journal entries, one a line."""
    return "".join(entry_text(entry, style) for entry in entries) or "no entries\n"


def runs_text(runs: Iterable[Row], style: Style) -> str:
    """Runs as a table."""
    rows = [
        (
            run["id"],
            run["agent"],
            run["state"],
            run["subject"],
            run["event_type"],
            run["attempt"],
            duration(run["seconds"]),
            f"stopping: {run['stopping']}" if run["stopping"] else run["outcome"] or _restart(run),
        )
        for run in runs
    ]
    headings = ("RUN", "AGENT", "STATE", "SUBJECT", "EVENT", "TRY", "TIME", "OUTCOME")
    return table(headings, rows, style) if rows else "no runs\n"


def _restart(run: Row) -> str:
    """What a live run says that was resumed, or is about to be; the fields are newer than some daemons."""
    if not run.get("restarts"):
        return ""
    due = f"at {moment(run['restart_at'])}" if run.get("restart_at") else "done"
    return f"restart {run['restarts']} {due}: {run.get('restart_why', '')}"


def labels_text(item: Row) -> str:
    """The labels of a ticket or pull request, in brackets; nothing when there are none."""
    return f"[{', '.join(map(visible, item['labels']))}] " if item["labels"] else ""


def pulls_text(pulls: Iterable[Row], style: Style) -> str:
    """Pull requests as a table."""
    rows = [
        (
            pull["number"],
            pull["state"],
            ", ".join(pull["labels"]) or "-",
            f"ticket/{pull['ticket']}" if pull["ticket"] else "-",
            pull["branch"],
            pull["head"][:10],
            pull["author"],
            pull["title"],
        )
        for pull in pulls
    ]
    headings = ("PR", "STATE", "LABELS", "FOR", "BRANCH", "HEAD", "AUTHOR", "TITLE")
    return table(headings, rows, style) if rows else "no pull requests\n"


def comments_text(comments: Iterable[Row], style: Style) -> str:
    """Remarks, each under who wrote it and when."""
    return "".join(
        f"\n{style.paint(visible(item['author']), 'bold')}, {moment(item['at'])}\n{quoted(item['body'])}"
        for item in comments
    )


def reviews_text(reviews: Iterable[Row], style: Style, *, bodies: bool = False) -> str:
    """Verdicts and waivers; one about an older head says so. ``bodies`` adds what each verdict said."""
    text = ""
    for item in reviews:
        words, colour = _VERDICTS.get(str(item["verdict"]), (visible(item["verdict"]), "dim"))
        who = f" for {visible(item['waived_agent'])}" if item["waived_agent"] else ""
        age = "" if item["current"] else " (an older head: no longer counts)"
        age = f" (counts no more: {visible(item['void'])})" if item["void"] and item["current"] else age
        text += f"{visible(item['by'])} {style.paint(words, colour)}{who} at {visible(item['head'])[:10]}{age}\n"
        text += (
            quoted(item["body"]) if item["waived_agent"] or bodies else ""
        )  # a verdict's words are among the remarks
    return text


def gate_text(gate: Row, style: Style) -> str:
    """The merge gate's answer with every condition."""
    word = style.paint("may be merged", "green") if gate["mergeable"] else style.paint("may not be merged", "yellow")
    text = f"pr/{gate['pr_number']} {word} at {visible(gate['head'])[:10]}\n"
    for reason in gate["reasons"]:
        mark, colour = _GATE.get(str(reason["verdict"]), ("?", "dim"))
        text += f"  {style.paint(mark, colour)} {visible(reason['text'])}\n"
    return text


def quoted(body: str) -> str:
    """Somebody's words, marked off on every line, so that they cannot pass for ours."""
    return "".join(f"  | {line}\n" for line in visible(body, lines=True).rstrip().split("\n")) if body else ""
