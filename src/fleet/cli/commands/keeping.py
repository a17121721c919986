"""``fleet backup``, ``restore`` and ``gc``: everything of a fleet as one file and back; what can go from the disk."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, counted, duration, json_line, moment, visible
from fleet.cli.remote import Call, Local, Remote, Result, wants_json
from fleet.cli.words import pass_door
from fleet.config.catalogue import load_roles
from fleet.config.loader import load_config
from fleet.config.paths import CONFIG_RELATIVE
from fleet.core.errors import UsageError
from fleet.daemon import upkeep
from fleet.daemon.upkeep import Restored

_MB = 1_000_000


@click.command(
    cls=Local,
    examples=(
        "fleet backup",
        "fleet backup /mnt/disk/",
        "fleet backup shop.tar --json",
    ),
)
@click.argument("target", required=False)
@click.pass_context
@pass_door
def backup(door: Door, ctx: click.Context, target: str | None) -> None:
    """Write everything of this fleet into one file, while it works.

    TARGET is a new file or a folder; without it the file goes to a folder beside the fleet's state. The file holds
    the journal, tickets and pull requests, every branch, saved work, artifacts and the configuration; it is
    verified before it gets its name. Keep it safe: it holds all that agents and people wrote.
    """
    door.people_only("make a backup")
    paths = door.paths()
    loaded = load_config(paths.config, roles=load_roles(), name=str(CONFIG_RELATIVE))
    wanted = Path(door.folder) / target if target else None
    if wanted is not None and str(target).endswith("/") and not wanted.is_dir():  # a disk that is not there now
        raise UsageError("FLT-KEP-020", "there is no such folder to write to", where=str(wanted))
    made = upkeep.backup(paths, loaded, wanted, clock=door.clock, progress=_progress(ctx))
    found = made.manifest
    if wants_json(ctx):
        facts = {
            "path": str(made.path),
            "bytes": made.size,
            "seconds": round(made.seconds, 3),
            "fleet": found.fleet,
            "made_at": found.made_at,
            "schema": found.schema,
            "journal": {"entries": found.entries, "head": found.head},
            "refs": len(found.refs),
            "parts": [{"name": part.name, "bytes": part.size, "sha256": part.sha256} for part in found.parts],
        }
        sys.stdout.write(json_line({"ok": True, **facts}))
        return
    sys.stdout.write(
        f"{visible(made.path)}\n"
        f"  {made.size / _MB:.1f} MB in {duration(made.seconds)}, verified: {found.entries} journal entries, "
        f"{counted(len(found.refs), 'ref')}, {counted(len(found.parts), 'part')}\n"
        f"  head: {found.head}\n"
    )


@click.command(
    cls=Local,
    examples=(
        "fleet restore shop.tar --dry-run",
        "fleet restore shop.tar",
    ),
    exits={8: "a daemon runs, agents still work, or the backup is of another fleet"},
)
@click.argument("source", metavar="FILE")
@click.option("--dry-run", is_flag=True, help="Only check the file, to the last byte; change nothing.")
@click.option("--force", is_flag=True, help="Also a backup of another fleet; end agents that still work.")
@click.pass_context
@pass_door
def restore(door: Door, ctx: click.Context, source: str, dry_run: bool, force: bool) -> None:
    """Put a backup in the place of this fleet's state.

    Only while no daemon runs. Everything is checked before anything is touched; the present state is moved aside,
    not deleted. Runs that lived when the backup was made are ended, and their work comes back after fleet up. The
    configuration in the checkout stays as it is.
    """
    door.people_only("restore a backup")
    paths = door.paths()
    loaded = load_config(paths.config, roles=load_roles(), name=str(CONFIG_RELATIVE))
    done = upkeep.restore(
        paths,
        loaded,
        Path(door.folder) / source,
        clock=door.clock,
        dry_run=dry_run,
        force=force,
        progress=_progress(ctx),
    )
    sys.stdout.write(json_line({"ok": True, **_facts(done)}) if wants_json(ctx) else _text(done, str(paths.state)))


def _facts(done: Restored) -> dict[str, object]:
    came, left = done.incoming, done.incoming.abandoned
    return {
        "dry_run": done.dry_run,
        "fleet": came.manifest.fleet,
        "made_at": came.manifest.made_at,
        "journal": {"entries": came.manifest.entries, "head": came.manifest.head},
        "left": {"entries": left.entries, "head": left.head} if left else None,
        "aside": str(done.aside) if done.aside else None,
        "ended_runs": [run.id for run in came.ended],
        "migrated": came.migrated,
        "config_differs": came.config_differs,
        "earlier_restore": done.settled,
    }


def _text(done: Restored, state: str) -> str:
    came, left = done.incoming, done.incoming.abandoned
    made = f"{visible(came.manifest.fleet)} as of {moment(came.manifest.made_at)}, entry {came.manifest.entries}"
    text = f"an earlier restore was interrupted and is {done.settled}\n" if done.settled else ""
    text += f"{'could be restored' if done.dry_run else 'restored'}: {made}\n"
    if left is not None:
        text += f"  the present journal has {left.entries} entries, head {left.head}\n"
    if came.ended:
        text += f"  {counted(len(came.ended), 'run')} lived then; what they did comes back\n"
    if came.migrated:
        text += "  an older schema, brought up to this program's\n"
    if came.config_differs:
        text += f"  its configuration differs from the present one, which stays (see {visible(state)})\n"
    if done.aside is not None:
        text += f"  the state that was left is in {visible(done.aside)}; remove it when nobody misses it\n"
    return text + ("nothing was changed\n" if done.dry_run else "next: fleet up\n")


def _progress(ctx: click.Context) -> Callable[[str, int, int], None]:
    """One line on standard error that says what is being done, for a person who watches."""
    if wants_json(ctx) or not sys.stderr.isatty():
        return lambda _what, _done, _all: None

    def show(what: str, done: int, whole: int) -> None:
        share = f" {100 * done // whole} %" if whole > 1 else ""
        sys.stderr.write(f"\r\x1b[K{what}{share}" if what else "\r\x1b[K")
        sys.stderr.flush()

    ctx.call_on_close(lambda: show("", 0, 0))
    return show


_SHOWN = 20  # lines of a list


def _cleared(result: Result, style: Style) -> str:
    size = f"{result['bytes'] / _MB:.1f} MB"
    if "goes" in result:
        text = f"{style.paint('could go', 'yellow')}: {_things(result['goes'])}, {size}\n{_listed(result['goes'])}"
        text += f"stays: {_things(result['kept'])}\n{_listed(result['kept'])}"
        return text + ("nothing was removed; fleet gc --yes removes it\n" if result["goes"] else "nothing can go now\n")
    text = f"{style.paint('removed', 'green')}: {_things(result['removed'])}, {size}\n{_listed(result['removed'])}"
    text += f"stays: {_things(result['kept'])}\n{_listed(result['kept'])}"
    return text + (f"{result['left']} more can go: fleet gc --yes again\n" if result["left"] else "")


def _things(found: list[Result]) -> str:
    return counted(len(found), "thing")


def _listed(things: list[Result]) -> str:
    largest = sorted(things, key=lambda thing: -thing["bytes"])
    lines = [
        f"  {thing['kind']:<14} {visible(thing['name'])}  {thing['bytes'] / _MB:.1f} MB: {visible(thing['why'])}\n"
        for thing in largest[:_SHOWN]
    ]
    more = len(things) - _SHOWN
    return "".join(lines) + (f"  and {more} more (--json names all)\n" if more > 0 else "")


@click.command(
    cls=Remote,
    show=_cleared,
    examples=(
        "fleet gc",
        "fleet gc --yes",
        "fleet gc --dry-run --json",
    ),
    exits={8: "a backup or another clearing away is under way"},
)
@click.option("--yes", is_flag=True, help="Remove what can go. Without it nothing is removed.")
@click.option("--dry-run", is_flag=True, help="Only show it; that is also what happens without --yes.")
def gc(yes: bool, dry_run: bool) -> Call:
    """Show what can go from the disk and why the rest stays; --yes removes it.

    Clones and folders of ended runs, branches of merged pull requests, saved work, copies of the store, unused
    objects: each stays for as long as keeping: in the configuration says. Never removed is a commit that is neither
    merged nor saved, a clone whose work cannot be saved first, or anything of a run that lives. The daemon does the
    same by itself, a little at a time (keeping.automatic).
    """
    if yes and dry_run:
        raise UsageError("FLT-KEP-022", "--yes and --dry-run exclude each other")
    return Call("gc.run" if yes else "gc.plan", {})
