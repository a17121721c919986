"""``fleet support-bundle``: a file for whoever helps you, without secrets and without people's work."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from fleet.cli.commands.doctor import asker, report_of
from fleet.cli.door import Door
from fleet.cli.output import Style, json_line, visible
from fleet.cli.remote import Local, style_of, wants_json
from fleet.cli.statusview import megabytes
from fleet.cli.words import pass_door
from fleet.config.paths import FleetPaths
from fleet.core.clock import SECOND
from fleet.core.errors import Conflict, FleetError, UsageError
from fleet.health import bundle
from fleet.health.bundle import Files


@click.command(
    "support-bundle",
    cls=Local,
    examples=(
        "fleet support-bundle --dry-run",
        "fleet support-bundle -o for-support.tar.gz",
    ),
)
@click.option("-o", "--output", metavar="FILE", default="", help="Where to write it; a name with the date by default.")
@click.option("--dry-run", is_flag=True, help="Say what would be in it and write nothing.")
@click.option(
    "--entries",
    type=click.IntRange(0, 10_000),
    default=bundle.ENTRIES,
    show_default=True,
    help="How many of the newest journal entries, without what they say.",
)
@click.pass_context
@pass_door
def support_bundle(door: Door, ctx: click.Context, output: str, dry_run: bool, entries: int) -> None:
    """Write a file for support, without secrets or your work.

    Nothing is sent. In it: what fleet doctor found, versions, the configuration's structure, the kinds of the
    newest journal entries, the services' states, the end of the daemon's log. Secrets, your home folder, user
    and host name are taken out; titles, texts, payloads and output are not put in at all.
    """
    door.people_only("make a support bundle")
    paths = _paths(door)
    now = door.clock.now()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now / SECOND))
    name = f"fleet-support-{stamp}"
    target = Path(door.folder) / (output or f"{name}.tar.gz")
    if not dry_run:
        _check(target)
    files = bundle.collect(door.env, paths, report_of(door), asker(door), entries=entries)
    if not dry_run:
        _write(target, bundle.pack(files, name, now))
    _say(ctx, files, None if dry_run else target)


def _paths(door: Door) -> FleetPaths | None:
    """The places of the fleet here; without one the machine alone is told of."""
    try:
        return door.paths()
    except FleetError:
        return None


def _check(target: Path) -> None:
    """Raise Conflict FLT-DOC-003 for a file that exists, UsageError FLT-DOC-004 for a folder that does not."""
    if target.exists() or target.is_symlink():
        raise Conflict(
            "FLT-DOC-003", "this file exists already", where=str(target), hint="Choose another name: -o FILE"
        )
    if not target.parent.is_dir() or not os.access(target.parent, os.W_OK):
        hint = "Choose another place: -o FILE"
        raise UsageError("FLT-DOC-004", "no file can be made there", where=str(target.parent), hint=hint)


def _write(target: Path, data: bytes) -> None:
    """Write beside the target, readable by its owner only, then give it its name; never half a file, never over one."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, target)
    except FileExistsError as error:
        raise Conflict(
            "FLT-DOC-003", "this file exists already", where=str(target), hint="Choose another name"
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _say(ctx: click.Context, files: Files, target: Path | None) -> None:
    sizes = {name: len(data) for name, data in files.items()}
    if wants_json(ctx):
        contents = [{"name": name, "bytes": size} for name, size in sizes.items()]
        sys.stdout.write(json_line({"ok": True, "file": str(target) if target else None, "contents": contents}))
        return
    sys.stdout.write(_text(sizes, target, style_of(ctx)))


def _text(sizes: dict[str, int], target: Path | None, style: Style) -> str:
    text = "".join(f"  {name:<14} {megabytes(size)}\n" for name, size in sizes.items())
    if target is None:
        return f"this would be in it; nothing was written:\n{text}"
    head = f"{style.paint('written', 'green')}: {visible(target)} (nothing was sent)\n"
    return f"{head}{text}Look into it before you pass it on: tar -xzOf {visible(target)} | less\n"
