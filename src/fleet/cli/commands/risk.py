"""``fleet risk``: how likely each agent is to do harm, on which facts, and how that is fitted on people's judgement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, counted, moment, table, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.cli.words import given, pass_door, since

Row = Mapping[str, Any]

_SHOWN = 5  # references of one signal in a line for people; --json has more


@click.group()
def risk() -> None:
    """Show how likely each agent is to do harm, why, and fit that on your judgement.

    At critical an agent is quarantined: see fleet agent release. Risk says nothing about quality: that is fleet eval.
    """


def _shown(result: Result, style: Style) -> str:
    rows = [
        (one["agent"], one["level"], f"{one['probability']:.0%}", _words(one["heaviest"]), _state(one))
        for one in result["agents"]
    ]
    text = table(("AGENT", "RISK", "P", "MOSTLY", "STATE"), rows, style)
    for one in result["agents"]:
        if one["quarantine"]:
            held = one["quarantine"]
            text += f"{visible(one['agent'])}: quarantined by {visible(held['actor'])}, {moment(held['at'])}:"
            text += f" {visible(held['reason'])}\n"
        for run in one["frozen"]:
            text += f"{visible(one['agent'])}: run {visible(run['run'])} stands frozen since {moment(run['since'])}:"
            text += f" {visible(run['error'])}\n"
    return text


def _words(keys: list[str]) -> str:
    return ", ".join(visible(key).replace("_", " ") for key in keys) or "-"


def _state(one: Row) -> str:
    if one["probation"]:
        return f"{visible(one['state'])}, on probation ({one['probation']['clean']} of {one['probation']['needed']})"
    return visible(one["state"])


@risk.command(cls=Remote, show=_shown, examples=("fleet risk show", "fleet risk show developer --json"))
@click.argument("name", default="")
def show(name: str) -> Call:
    """Show the level of risk of every agent, or of one; who is quarantined, on probation, or stands frozen."""
    return Call("risk.show", given(name=name))


def _explained(result: Result, style: Style) -> str:
    head = (
        f"{visible(result['agent'])}: risk {result['level']}, {result['probability']:.1%} ({visible(result['model'])})"
    )
    text = f"{style.paint(head, 'bold')}\n  {_state(result)}; looks back to {moment(result['since'])}"
    text += "" if result["whole"] else "; a part of that lies in an archive"
    text += f"\n\n  {'intercept':<20} {'':>8} {'':>8} {result['intercept']:>+8.2f}\n"
    text += "".join(_signal(part) for part in result["signals"])
    total = result["intercept"] + sum(part["contribution"] for part in result["signals"])
    text += f"  {'log-odds':<20} {'':>8} {'':>8} {total:>+8.2f}\n\n"
    bounds = ", ".join(
        f"{one['level']} from {one['enter']:.0%} until below {one['leave']:.0%}" for one in result["thresholds"]
    )
    text += f"  levels: {bounds}\n"
    for step in result["ways_down"]:
        text += f"  down to {step['level']} ({step['probability']:.0%}): {visible(step['text'])}\n"
    if result["quarantine"]:
        text += f"  to let it back: fleet agent release {visible(result['agent'])} --reason …\n"
    return text


def _signal(part: Row) -> str:
    """One signal: value, coefficient, what it adds; below it the entries it rests on."""
    value = "unknown" if part["value"] is None else f"{part['value']:.2f}"
    text = (
        f"  {part['signal'].replace('_', ' '):<20} {value:>8} {part['coefficient']:>8.2f} {part['contribution']:>+8.2f}"
    )
    text += f"  {visible(part['unit'])}, at most {part['cap']:g}"
    text += f"; counted as {part['used']:.2f}, as it was last known\n" if part["carried"] else "\n"
    for one in part["evidence"][:_SHOWN]:
        at = f"entry {one['seq']}" if one["seq"] else "no entry"
        text += f"      {at}: {visible(one['text'])}, {moment(one['at'])}\n"
    left = len(part["evidence"]) - _SHOWN
    return text + (f"      and {left} more: --json\n" if left > 0 else "")


@risk.command(cls=Remote, show=_explained, examples=("fleet risk explain developer",))
@click.argument("name")
def explain(name: str) -> Call:
    """Tell what an agent's risk is made of: each signal, what it adds, the entries behind it, and what leads down."""
    return Call("risk.explain", {"name": name})


def _history(result: Result, style: Style) -> str:
    rows = [
        (one["number"], moment(one["at"]), one["level"], f"{one['probability']:.0%}", visible(one["model"]),
         ", ".join(f"{key.replace('_', ' ')} {value:.2g}" for key, value in one["signals"].items()) or "-")
        for one in result["scores"]
    ]  # fmt: skip
    if not rows:
        return f"{visible(result['agent'])} was not assessed yet\n"
    return table(("NUMBER", "AT", "RISK", "P", "MODEL", "SIGNALS"), rows, style)


@risk.command(cls=Remote, show=_history, examples=("fleet risk history developer",))
@click.argument("name")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many, the newest ones.")
def history(name: str, limit: int) -> Call:
    """List how an agent's risk came to be what it is, oldest first."""
    return Call("risk.history", {"name": name, "limit": limit})


def _labelled(result: Result, style: Style) -> str:
    word = "was to be held back" if result["bad"] else "did as it should"
    return f"label {result['label']}: {visible(result['agent'])} {word} ({visible(result['about'])})\n"


@risk.command(
    cls=Remote,
    show=_labelled,
    examples=(
        "fleet risk label r0gh8brkddbnva553a3 ok",
        'fleet risk label developer bad --at 2h --reason "it pushed the same fix nine times"',
    ),
)
@click.argument("ref")
@click.argument("verdict", type=click.Choice(["ok", "bad"]))
@click.option("--at", metavar="WHEN", default="", help="For an agent: the moment meant, 2h ago or an ISO time.")
@click.option("--reason", metavar="TEXT", default="", help="Why; stays on record.")
@pass_door
def label(door: Door, ref: str, verdict: str, at: str, reason: str) -> Call:
    """Say whether an agent was to be held back at the end of a run, or at a moment. People only.

    REF is a run or an agent. The signals are kept as they were then; fleet risk fit learns from such labels.
    """
    instant = since(at, door.clock.now())
    return Call("risk.label", {"ref": ref, "verdict": verdict, **given(reason=reason, at=instant or None)})


def _labels(result: Result, style: Style) -> str:
    rows = [
        (one["label"], visible(one["about"]), visible(one["agent"]), "bad" if one["bad"] else "ok", visible(one["by"]),
         moment(one["at"]), visible(one["reason"]) or "-")
        for one in result["labels"]
    ]  # fmt: skip
    return table(("LABEL", "ABOUT", "AGENT", "WAS", "BY", "AT", "REASON"), rows, style) if rows else "no labels\n"


@risk.command(cls=Remote, show=_labels, examples=("fleet risk labels",))
def labels() -> Call:
    """List what people said about the past."""
    return Call("risk.labels", {})


def _fitted(result: Result, style: Style) -> str:
    brier = result["brier"]
    text = f"{counted(result['labels'], 'label')}, {result['bad']} bad; in force: {visible(result['in_force'])}\n\n"
    rows = [("intercept", *(f"{result['intercept'][key]:+.3f}" for key in ("shipped", "now", "fitted")), "")]
    rows += [
        (one["signal"].replace("_", " "), *(f"{one[key]:+.3f}" for key in ("shipped", "now", "fitted")),
         "held at 0" if one["held_at_zero"] else "")
        for one in result["coefficients"]
    ]  # fmt: skip
    text += table(("COEFFICIENT", "SHIPPED", "NOW", "FITTED", ""), rows, style)
    text += f"\nBrier score (0 is perfect, 0.25 a coin): now {brier['now']:.4f}, fitted {brier['fitted']:.4f},"
    text += f" on labels it was not fitted on {brier['held_out']:.4f}\n\n"
    bins = [
        (
            name,
            f"{one['low']:.0%} to {one['high']:.0%}",
            one["count"],
            f"{one['predicted']:.0%}",
            f"{one['observed']:.0%}",
        )
        for name in ("now", "fitted")
        for one in result["calibration"][name]
    ]
    text += table(("CALIBRATION", "PREDICTED", "LABELS", "MEAN", "OBSERVED"), bins, style) + "\n"
    for one in result["changes"]:
        said = "" if one["bad"] is None else f" (said to be {'bad' if one['bad'] else 'ok'})"
        text += f"{visible(one['about'])}: {one['now']} would be {one['fitted']}{said}\n"
    if not result["changes"]:
        text += "no level would be another one\n"
    if result["applied"]:
        return text + f"\nin force from now on: {visible(result['version'])}\n"
    return text + "\nnothing was changed; to let this hold: fleet risk fit --apply\n"


@risk.command(
    cls=Remote,
    show=_fitted,
    examples=("fleet risk fit", 'fleet risk fit --apply --reason "a month of labels"'),
    exits={6: "too few labels, or an agent asked"},
)
@click.option("--apply", "apply_", is_flag=True, help="Let the fitted coefficients hold from now on. People only.")
@click.option("--reason", metavar="TEXT", default="", help="Why; stays on record.")
def fit(apply_: bool, reason: str) -> Call:
    """Fit the coefficients on the labels, with the shipped ones as prior, and tell what would change."""
    return Call("risk.apply", given(reason=reason)) if apply_ else Call("risk.fit", {})
