"""The demo in plain lines: what happens as it happens, and the summary. Nothing here needs a terminal."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from fleet.cli.demo.chain import Chain, Entry, told
from fleet.cli.demo.play import Outcome
from fleet.cli.demo.stage import Stage
from fleet.cli.output import Style, duration, table, visible

_NAME_WIDTH = 16


def line_of(entry: Entry, chain: Chain, style: Style) -> str:
    """One entry for a watcher; "" when it is nothing to look at."""
    found = told(entry, written=chain.written)
    if found is None:
        return ""
    who, text = found
    name = style.paint(visible(who).ljust(_NAME_WIDTH), "cyan")
    return f"  {chain.offset(int(entry['at'])):5.1f}s  {name} {visible(text)}"


class Lines:
    """Tells the demo line by line."""

    def __init__(self, style: Style) -> None:
        """Take how to colour."""
        self._style = style

    def say(self, text: str) -> None:
        """One line of the frame story."""
        sys.stdout.write(f"  {visible(text)}\n")
        sys.stdout.flush()

    def show(self, entry: Entry, chain: Chain) -> None:
        """One line for an entry worth looking at."""
        line = line_of(entry, chain, self._style)
        if line:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


class Silence:
    """Tells nothing: for --json."""

    def say(self, text: str) -> None:
        """Nothing."""

    def show(self, entry: Entry, chain: Chain) -> None:
        """Nothing."""


def facts(outcome: Outcome, repo: str | None) -> dict[str, Any]:
    """The one object of --json; ``repo`` is None when the folder is gone."""
    chain = outcome.chain
    return {
        "ok": outcome.ok,
        "ticket": chain.ticket,
        "pr": chain.pr,
        "review_rounds": chain.rounds,
        "approved_sha": chain.approved_head,
        "merged_sha": chain.merged_head,
        "merge_commit": chain.merge_commit,
        "journal_verified": bool(outcome.verified["ok"]),
        "journal_entries": outcome.verified["entries"],
        "chain_seconds": round(chain.seconds, 3),
        "events": chain.events,
        "tests_pass": outcome.tests_pass,
        "repo": repo,
        "scorecard": outcome.scores,
        "agents": _deeds(outcome),
    }


def _deeds(outcome: Outcome) -> list[dict[str, Any]]:
    """What each agent used and did."""
    used = {item["name"]: item for item in outcome.agents}
    return [
        {"name": name, "runs": used[name]["runs"], "seconds": used[name]["used_seconds"], "did": member.deeds}
        for name, member in outcome.chain.members.items()
    ]


def summary(outcome: Outcome, style: Style) -> str:
    """What came of it, for people."""
    chain = outcome.chain
    rows = [
        (item["name"], item["runs"], duration(item["seconds"]), ", ".join(item["did"]) or "nothing")
        for item in _deeds(outcome)
    ]
    head = outcome.verified["head"]
    scores = ", ".join(
        f"{name.replace('_', ' ')} {'-' if score is None else f'{score:.0f}'}" for name, score in outcome.scores.items()
    )
    return (
        f"\nThe chain took {chain.seconds:.1f} s: {chain.rounds} review rounds, {len(chain.events)} events. "
        f"Approved {chain.approved_head[:10]}, merged {chain.merged_head[:10]}.\n"
        f"The program's tests on the merged branch: {visible(outcome.tests_said)}.\n"
        f"The journal is verified: {outcome.verified['entries']} entries, head {head['hash'][:16]}.\n"
        f"The scorecard of the fleet, of 100 each: {scores}.\n\n"
        f"{table(('AGENT', 'RUNS', 'TIME', 'WHAT IT DID'), rows, style)}\n"
        f"main:\n{visible(outcome.log, lines=True)}\n"
    )


def how_to_look(stage: Stage, pr: int) -> str:
    """The commands for somebody who kept the folder."""
    folder = shlex.quote(str(stage.folder))
    return (
        "\nLook around (the daemon is down; reading needs none):\n"
        f"  . {folder}/env\n"
        "  fleet log\n"
        f"  fleet why pr/{pr or 2}\n"
        "  fleet audit verify\n"
        "  fleet eval compare --by fleet\n"
        "  git log --graph --stat\n"
        f"When you have seen enough: rm -rf {folder}\n"
    )
