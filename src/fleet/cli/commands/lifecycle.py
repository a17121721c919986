"""``fleet up``, ``fleet down`` and ``fleet watcher``: the daemon's life."""

from __future__ import annotations

import sys

import click

from fleet import __version__
from fleet.cli import starting
from fleet.cli.door import Door
from fleet.cli.orgs import described, lines, org_option, settled
from fleet.cli.output import Style, counted, json_line, visible
from fleet.cli.remote import Local, style_of, wants_json
from fleet.cli.starting import Started, Stopped
from fleet.cli.words import pass_door
from fleet.config.org import load_org
from fleet.health.isolation import MEANS


@click.command(
    cls=Local,
    examples=(
        "fleet up",
        "fleet up --json",
        "fleet up --org acme  # the fleets of all its repositories, in one daemon",
    ),
)
@org_option
@click.pass_context
@pass_door
def up(door: Door, ctx: click.Context, org: str | None) -> None:
    """Start the fleet of this repository.

    It runs in the background, under a supervisor that restarts the daemon (never agents). A daemon of another
    version that runs already is replaced, as by fleet restart.
    """
    door.people_only("start a fleet")
    door = door.at(org)
    _say_started(door, ctx, starting.start(door, supervised=True))


@click.command(
    cls=Local,
    examples=(
        "fleet restart",
        "fleet restart --json",
    ),
)
@org_option
@click.pass_context
@pass_door
def restart(door: Door, ctx: click.Context, org: str | None) -> None:
    """Put a fresh daemon of this version in the place of the one that runs; agents go on.

    Under a supervisor (fleet up) the calls of agents and people wait meanwhile, about a second. A new version brings
    the store up to date first and keeps a copy of it. A store that is newer than this program is refused before
    anything is stopped. Where nothing runs, the fleet is started.
    """
    door.people_only("restart a fleet")
    door = door.at(org)
    _say_started(door, ctx, starting.restart(door))


def _say_started(door: Door, ctx: click.Context, started: Started) -> None:
    """What came up, or in whose place; for an org also how each repository does."""
    _warn(started)
    found = settled(door)
    if wants_json(ctx):
        sys.stdout.write(json_line({"ok": True, **_facts(started), **found}))
        return
    style = style_of(ctx)
    text = _replaced(started, style) if started.replaced else _welcome(started, style)
    sys.stdout.write(text + lines(found, style))


def _warn(started: Started) -> None:
    sys.stderr.write("".join(f"warning: {visible(warning)}\n" for warning in started.loaded.warnings))


def _facts(started: Started) -> dict[str, object]:
    config = started.loaded.config
    return {
        "fleet": started.paths.fleet_id,
        "pid": started.pid,
        "supervised": started.supervised,
        "state": str(started.paths.state),
        "socket": str(started.paths.socket),
        "mode": started.mode,
        "agents": [agent.name for agent in config.agents if agent.enabled],
        "agents_may_merge": started.mode != "shared-uid" or config.allow_shared_uid_merge,
        "config_hash": started.loaded.digest,
        "warnings": list(started.loaded.warnings),
        "version": __version__,
        "replaced_version": started.replaced.before if started.replaced else None,
        "calls_waited": started.replaced.waited if started.replaced else None,
        "live_runs": list(started.live),
        "schema_changes": list(started.changes),
    }


def _replaced(started: Started, style: Style) -> str:
    """What became of the daemon before, of the agents and of the store."""
    done = started.replaced
    assert done is not None
    before = f"version {visible(done.before)}" if done.before else "one that did not answer"
    how = "supervised" if done.supervised else "without a supervisor"
    text = f"{style.paint(f'{started.paths.fleet_id} runs version {__version__}', 'green')} (pid {done.pid}, {how})\n"
    calls = "calls waited meanwhile" if done.waited else "calls found nobody for a moment: no supervisor that can wait"
    text += f"  before  {before}; {calls}\n"
    text += f"  agents  {counted(len(started.live), 'live run goes', 'live runs go')} on\n"
    if started.changes:
        kept = visible(started.paths.state / "backups")
        text += f"  store   changed by {', '.join(started.changes)}; as it was before: {kept}\n"
    return text


def _welcome(started: Started, style: Style) -> str:
    config = started.loaded.config
    agents = ", ".join(agent.name for agent in config.agents if agent.enabled) or "none is enabled"
    if config.allow_shared_uid_merge:
        merges = (
            f"by agents, as the configuration allows: {visible(config.shared_uid_merge_reason) or 'no reason given'}"
        )
    else:
        merges = "wait for your word: fleet approvals (allow_shared_uid_merge is false)"
    rows = (
        ("agents", agents),
        ("state", visible(started.paths.state)),
        ("mode", f"{started.mode}: {MEANS[started.mode]} (fleet doctor)"),
        ("merges", merges),
        ("next", 'fleet ticket create "…" --label ready, then fleet log -f'),
    )
    pid = f"pid {started.pid}{', supervised' if started.supervised else ''}"
    head = f"{style.paint(f'{started.paths.fleet_id} is up', 'green')} ({pid})\n"
    return head + "".join(f"  {name:<7} {text}\n" for name, text in rows)


@click.command(
    cls=Local,
    examples=(
        "fleet down",
        "fleet down --keep-runs  # the agents go on alone; the next fleet up takes them over",
    ),
)
@click.option("--keep-runs", is_flag=True, help="Leave the agents working; the next fleet up takes them over.")
@org_option
@click.pass_context
@pass_door
def down(door: Door, ctx: click.Context, keep_runs: bool, org: str | None) -> None:
    """Stop the fleet; work under way is saved and comes back.

    Saved means: in the fleet's repository, under refs/fleet/escrow. It comes back after the next fleet up. With an
    org its repositories' fleets stop too.
    """
    door.people_only("stop a fleet")
    _stop(door.at(org), ctx, keep_runs=keep_runs)


def _stop(door: Door, ctx: click.Context, *, keep_runs: bool) -> None:
    stopped = starting.stop(door, keep_runs=keep_runs)
    if wants_json(ctx):
        facts = {"ran": stopped.ran, "stopped_runs": list(stopped.asked), "live_runs": list(stopped.left)}
        sys.stdout.write(json_line({"ok": True, **facts}))
        return
    sys.stdout.write(_goodbye(stopped))


def _goodbye(stopped: Stopped) -> str:
    if not stopped.ran:
        return "no daemon was running\n"
    text = "the fleet is down\n"
    if stopped.asked:
        were = counted(len(stopped.asked), "run was", "runs were")
        text += f"  {were} stopped; what they did is saved and comes back\n"
    if stopped.left:
        text += (
            f"  {counted(len(stopped.left), 'run goes', 'runs go')} on alone: {', '.join(map(visible, stopped.left))}\n"
        )
    return text


@click.group()
def watcher() -> None:
    """Start, stop or look at the daemon."""


@watcher.command(
    "start",
    cls=Local,
    examples=(
        "fleet watcher start --supervised",
        "fleet watcher start --foreground  # for a service manager that wants no background",
        "fleet watcher start --org acme  # one daemon for all its repositories",
    ),
)
@click.option("--supervised", is_flag=True, help="Under a supervisor that restarts the daemon (never agents).")
@click.option("--foreground", is_flag=True, help="Stay in the foreground, for systemd and the like.")
@org_option
@click.pass_context
@pass_door
def start(door: Door, ctx: click.Context, supervised: bool, foreground: bool, org: str | None) -> int:
    """Start the daemon; fleet up does the same with --supervised.

    It answers when this returns. With --foreground it stays and becomes the daemon: for service managers; it
    understands systemd's Type=notify and watchdog.
    """
    door.people_only("start a fleet")
    door = door.at(org)
    if foreground:
        starting.become(door, supervised=supervised)
    started = starting.start(door, supervised=supervised)
    _warn(started)
    found = settled(door)
    how = "supervised" if supervised else "without a supervisor"
    text = f"the daemon of {started.paths.fleet_id} runs (pid {started.pid}, {how})\n"
    text += lines(found, style_of(ctx))
    sys.stdout.write(json_line({"ok": True, **_facts(started), **found}) if wants_json(ctx) else text)
    return 0


@watcher.command("stop", cls=Local, examples=("fleet watcher stop",))
@org_option
@click.pass_context
@pass_door
def stop(door: Door, ctx: click.Context, org: str | None) -> None:
    """Stop the daemon and leave the agents working; the next start takes them over."""
    door.people_only("stop a fleet")
    _stop(door.at(org), ctx, keep_runs=True)


@watcher.command(
    "status",
    cls=Local,
    examples=(
        "fleet watcher status",
        "fleet watcher status --json",
        "fleet watcher status --org acme  # also how each repository does",
    ),
)
@org_option
@click.pass_context
@pass_door
def status(door: Door, ctx: click.Context, org: str | None) -> None:
    """Say whether the daemon runs, and how its services do. Exit 0 either way."""
    door = door.at(org)
    facts = starting.state_of(door)
    found = described(door, load_org(door.paths().checkout, door.env), facts)
    if wants_json(ctx):
        sys.stdout.write(json_line({"ok": True, **facts, **found}))
        return
    sys.stdout.write(_state_text(facts, style_of(ctx)) + lines(found, style_of(ctx)))


def _state_text(facts: dict[str, object], style: Style) -> str:
    if not facts["running"]:
        return "no daemon runs here; start it: fleet up\n"
    how = "supervised" if facts["supervised"] else "without a supervisor"
    text = f"{style.paint('running', 'green')}, pid {facts['pid']}, {how}\n"
    if not facts.get("answers"):
        return text + style.paint("it does not answer\n", "red")
    services = facts["services"]
    assert isinstance(services, list)
    for service in services:
        trouble = "" if service["alive"] else style.paint(" has ended", "red")
        if service["last_error"]:
            trouble += f" {service['failures']} failures in a row, the last: {visible(service['last_error'])}"
        text += f"  {visible(service['name']):<12}  {counted(service['ticks'], 'tick')}{trouble}\n"
    return text
