"""``fleet service``: let systemd start the fleet with the machine and look after its daemon."""

from __future__ import annotations

import getpass
import sys

import click

from fleet.cli.door import Door
from fleet.cli.output import json_line, visible
from fleet.cli.remote import Local, style_of, wants_json
from fleet.cli.services import service_of
from fleet.cli.words import pass_door


@click.group()
def service() -> None:
    """Have systemd start the fleet with the machine and look after its daemon."""


@service.command(
    cls=Local,
    examples=(
        "fleet service install",
        "fleet service install --no-start",
    ),
    exits={8: "the fleet runs already outside the service, or somebody else wrote the unit"},
)
@click.option("--no-start", is_flag=True, help="Only enable it; it starts with the next login or boot.")
@click.option("--force", is_flag=True, help="Replace a unit of this name that somebody else wrote.")
@click.pass_context
@pass_door
def install(door: Door, ctx: click.Context, no_start: bool, force: bool) -> None:
    """Install a systemd user service for this fleet, enable it and start it.

    systemd then starts the fleet with the machine, starts it again when it fails, and notices when it hangs. Agents
    outlive a stop or restart of the service. Without lingering a logout ends them all; what to type is printed.
    """
    door.people_only("install a service")
    found = service_of(door)
    before = found.facts()["running"]
    changed = found.install(start=not no_start, force=force)
    facts = found.facts()
    if wants_json(ctx):
        sys.stdout.write(json_line({"ok": True, "changed": changed, **facts}))
        return
    style = style_of(ctx)
    state = f"enabled, {visible(facts['state'])}"
    sys.stdout.write(f"{style.paint(found.name, 'green')}: {state}\n  unit  {visible(found.file)}\n")
    if changed and before:
        sys.stdout.write("  the unit changed; what runs already follows it after the next start of the service\n")
    sys.stdout.write(_linger(facts["lingers"]))


def _linger(lingers: object) -> str:
    """What to type so that the service outlives the logout."""
    if lingers is True:
        return ""
    command = f"loginctl enable-linger {visible(getpass.getuser())}"
    if lingers is False:
        return f"  a logout ends the service and all agents, until you type: {command}\n"
    return f"  whether the service outlives your logout is unknown; to make sure: {command}\n"


@service.command(cls=Local, examples=("fleet service uninstall",), exits={4: "no service is installed"})
@click.pass_context
@pass_door
def uninstall(door: Door, ctx: click.Context) -> None:
    """Stop the service and remove its unit; agents go on.

    The next fleet up takes the agents over; fleet down before this saves their work and ends them.
    """
    door.people_only("remove a service")
    found = service_of(door)
    found.uninstall()
    if wants_json(ctx):
        sys.stdout.write(json_line({"ok": True, "removed": str(found.file)}))
        return
    sys.stdout.write(f"{found.name} is stopped and removed; agents that live go on: fleet up takes them over\n")


@service.command(cls=Local, examples=("fleet service status", "fleet service status --json"))
@click.pass_context
@pass_door
def status(door: Door, ctx: click.Context) -> None:
    """Say whether the service is installed, up to date, enabled and running. Exit 0 either way."""
    found = service_of(door)
    facts = found.facts()
    if wants_json(ctx):
        sys.stdout.write(json_line({"ok": True, **facts}))
        return
    sys.stdout.write(_status_text(facts))


def _status_text(facts: dict[str, object]) -> str:
    if not facts["installed"]:
        return "no service is installed; make one: fleet service install\n"
    text = f"{facts['name']}\n  unit     {visible(facts['unit'])}\n"
    if not facts["current"]:
        text += "  changed  it is not what this version would write: fleet service install\n"
    if not facts["manager"]:
        return text + "  systemd  its user manager does not answer\n"
    says = f": {visible(facts['says'])}" if facts["says"] else ""
    text += f"  systemd  {'enabled' if facts['enabled'] else 'not enabled'}, {visible(facts['state'])}{says}\n"
    if facts["running"] and not facts["under_service"]:
        text += "  fleet    runs, but outside the service\n"
    return text + _linger(facts["lingers"])


@service.command("print", cls=Local, examples=("fleet service print", "fleet service print > my.service"))
@click.pass_context
@pass_door
def print_(door: Door, ctx: click.Context) -> None:
    """Print the unit that install would write; changes nothing."""
    found = service_of(door)
    facts = {"name": found.name, "unit": str(found.file), "text": found.text}
    sys.stdout.write(json_line({"ok": True, **facts}) if wants_json(ctx) else found.text)
