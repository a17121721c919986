"""``fleet doctor``: is this machine fit, and what protects you."""

from __future__ import annotations

import sys

import click

from fleet.cli import checkup
from fleet.cli.checkup import Finding
from fleet.cli.door import Door
from fleet.cli.output import Style, json_line, visible
from fleet.cli.remote import Local, style_of, wants_json
from fleet.cli.words import pass_door
from fleet.config.loader import load_config
from fleet.config.roles import load_roles
from fleet.core.errors import FleetError, NotFound
from fleet.keeping.gauge import DiskGauge

MODE = "shared-uid"
MODE_MEANS = "all agents run as you: protects against mistakes and self-declared names, not against a hostile process"

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "wrong": ("✗", "red")}


@click.command(
    cls=Local,
    examples=(
        "fleet doctor",
        "fleet doctor --json",
    ),
)
@click.pass_context
@pass_door
def doctor(door: Door, ctx: click.Context) -> int:
    """Check this machine, this fleet, and what does not protect you.

    Lists the known ways round the isolation mode. Exit 1 when something is wrong.
    """
    findings = [*checkup.machine(door.env), *_fleet(door)]
    ways = checkup.escapes(door.env)
    well = all(finding.state != "wrong" for finding in findings)
    if wants_json(ctx):
        isolation = {"mode": MODE, "means": MODE_MEANS, "known_escapes": ways}
        found = [finding.as_dict() for finding in findings]
        sys.stdout.write(json_line({"ok": well, "findings": found, "isolation": isolation}))
    else:
        style = style_of(ctx)
        sys.stdout.write("".join(_line(finding, style) for finding in findings))
        sys.stdout.write(f"\nisolation: {MODE}; {MODE_MEANS}.\nKnown ways round it here:\n")
        sys.stdout.write("".join(f"  - {way}\n" for way in ways))
    return 0 if well else 1


def _line(finding: Finding, style: Style) -> str:
    mark, colour = _MARKS[finding.state]
    advice = f"\n             {visible(finding.advice)}" if finding.advice else ""
    return f"{style.paint(mark, colour)} {finding.name:<10} {visible(finding.found)}{advice}\n"


def _fleet(door: Door) -> list[Finding]:
    """Findings about the fleet of this folder, if there is one."""
    try:
        paths = door.paths()
    except NotFound:
        return [Finding("config", "ok", "no fleet in this folder")]
    except FleetError as error:
        return [Finding("config", "wrong", f"{error.where}: {error.message}", error.hint)]
    findings = list(checkup.place(paths))
    try:
        loaded = load_config(paths.config, roles=load_roles())
        findings.append(Finding("config", "ok", f"{paths.config}, {len(loaded.config.agents)} agents"))
        findings += [Finding("config", "warning", warning) for warning in loaded.warnings]
        findings += checkup.disk(DiskGauge(paths.state, lambda: loaded.config.keeping))
    except FleetError as error:
        findings.append(Finding("config", "wrong", error.message, "See: fleet config validate"))
    client = door.client()
    try:
        answer = client.call("ping", {}, seconds=10)
        findings.append(Finding("daemon", "ok", f"{answer['version']}, pid {answer['pid']}"))
    except FleetError as error:
        findings.append(Finding("daemon", "ok" if error.exit_code == 5 else "wrong", error.message, error.hint))
    finally:
        client.close()
    return findings
