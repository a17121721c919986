"""``fleet eval``: how well agents work, by numbers that the journal holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, counted, moment, table, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.cli.words import given, pass_door, since

Row = Mapping[str, Any]

_WINDOW = "7d"
_SHOWN = 8  # references in a line for people; --json has more


@click.group("eval")
def eval_() -> None:
    """Score agents from the journal: six dimensions, 0 to 100, each with its evidence.

    Scores never stop anybody. What the formulas are: docs/reference/evaluation.md
    """


def _window(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --since and --until."""
    function = click.option("--until", metavar="WHEN", default="", help="Only before this: 7d or an ISO time.")(
        function
    )
    return click.option(
        "--since", "since_", metavar="WHEN", default=_WINDOW, show_default=True, help="Only from this on."
    )(function)


def _bounds(door: Door, since_: str, until: str) -> dict[str, object]:
    now = door.clock.now()
    return given(since=since(since_, now), until=since(until, now) or None)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _card(card: Row, style: Style) -> str:
    """A scorecard: what it stands on, six lines, each with the numbers of its formula and what counts against it."""
    until = moment(card["until"]) if card["until"] else "now"
    begin = moment(card["since"]) if card["since"] else "the beginning"
    text = f"{style.paint(visible(card['name']), 'bold')}  {counted(card['runs'], 'run')}, {begin} to {until}\n"
    for score in card["scores"]:
        inputs = ", ".join(_input(name, score["inputs"]) for name in score["inputs"] if not name.endswith("_of"))
        value = _number(score["score"])
        text += f"  {score['dimension'].replace('_', ' '):<15} {value:>4}  "
        text += inputs if score["score"] is not None else f"insufficient data ({inputs})"
        text += f"\n{'':23} against: {_references(score['against'])}\n" if score["against"] else "\n"
    return text + f"  {'overall':<15} {_number(card['overall']):>4}\n"


def _input(name: str, inputs: Mapping[str, float]) -> str:
    """A number of a formula in words; with its total where it is a share."""
    total = f" of {inputs[f'{name}_of']:g}" if f"{name}_of" in inputs else ""
    return f"{name.replace('_', ' ')} {inputs[name]:g}{total}"


def _references(seqs: list[int]) -> str:
    more = f" and {len(seqs) - _SHOWN} more" if len(seqs) > _SHOWN else ""
    return ", ".join(f"#{seq}" for seq in seqs[-_SHOWN:]) + more


@eval_.command(cls=Remote, show=_card, examples=("fleet eval show developer", "fleet eval show developer --since 30d"))
@click.argument("agent", metavar="AGENT")
@_window
@pass_door
def show(door: Door, agent: str, since_: str, until: str) -> Call:
    """Score one agent now and show what each score is made of.

    Numbers with # are journal entries: fleet log --json has them. Below three counted facts a dimension says
    "insufficient data" and shows a dash.
    """
    return Call("eval.show", {"agent": agent, **_bounds(door, since_, until)})


def _side_by_side(result: Result, style: Style) -> str:
    cards = result["cards"]
    rows = [
        (card["name"] or "-", card["runs"], *(_number(score["score"]) for score in card["scores"]),
         _number(card["overall"]))
        for card in cards
    ]  # fmt: skip
    headings = (result["by"].upper(), "RUNS", "OUTPUT", "RELIABLE", "QUALITY", "EFFICIENT", "TOGETHER", "COST", "ALL")
    return table(headings, rows, style) if rows else "no run ended in this window\n"


@eval_.command(
    cls=Remote,
    show=_side_by_side,
    examples=("fleet eval compare", "fleet eval compare --by model --since 30d", "fleet eval compare ann-dev bob-dev"),
)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--by",
    type=click.Choice(["agent", "role", "model", "fleet"]),
    default="agent",
    show_default=True,
    help="What is compared; fleet: one card of everybody.",
)
@_window
@pass_door
def compare(door: Door, names: tuple[str, ...], by: str, since_: str, until: str) -> Call:
    """Put scorecards side by side: agents, roles, the models that they were given, or the fleet as a whole.

    A role that scores as well on a cheaper model can be moved to it: fleet config set agents.NAME.model MODEL.
    """
    return Call("eval.compare", {"names": list(names), "by": by, **_bounds(door, since_, until)})


def _kept(result: Result, style: Style) -> str:
    if not result["cards"]:
        return "no run ended in this window; nothing was scored\n"
    return "".join(f"{_card(card, style)}  kept as journal entry {card['seq']}\n" for card in result["cards"])


@eval_.command(cls=Remote, show=_kept, examples=("fleet eval run", "fleet eval run developer --since 30d"))
@click.argument("agent", metavar="[AGENT]", default="")
@_window
@pass_door
def run(door: Door, agent: str, since_: str, until: str) -> Call:
    """Score one agent, or everybody with runs in the window, and keep the scores on record. People only."""
    return Call("eval.run", {**given(agent=agent), **_bounds(door, since_, until)})


def _listed(result: Result, style: Style) -> str:
    rows = [
        (row["seq"], moment(row["at"]), row["name"], row["runs"], _number(row["overall"]), row["by"])
        for row in result["evaluations"]
    ]
    headings = ("ENTRY", "KEPT", "AGENT", "RUNS", "ALL", "BY")
    return table(headings, rows, style) if rows else "no scorecard was kept: fleet eval run\n"


@eval_.command("list", cls=Remote, show=_listed, examples=("fleet eval list", "fleet eval list --agent developer"))
@click.option("--agent", metavar="NAME", default="", help="Only of this agent.")
@click.option("--limit", type=click.IntRange(1, 10000), default=20, show_default=True, help="The newest so many.")
def list_(agent: str, limit: int) -> Call:
    """List the scorecards that were kept, newest first."""
    return Call("eval.list", given(agent=agent, limit=limit))
