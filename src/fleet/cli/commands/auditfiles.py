"""``fleet audit export`` and ``verifier``: the record in a file, and the program that checks it elsewhere."""

from __future__ import annotations

import shutil
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import click

from fleet.cli.door import Door
from fleet.cli.output import json_line, visible
from fleet.cli.remote import Call, Local, ask, wants_json
from fleet.cli.words import PR, TICKET, given, pass_door, since
from fleet.control.arguments import EXPORT_FORMATS
from fleet.core.errors import UsageError


@click.command(
    cls=Local,
    examples=(
        "fleet audit export -o journal.jsonl  # all of it, with its proof",
        "fleet audit export --since 30d --format csv -o month.csv",
        "fleet audit export --ticket 7 --type pr_approved",
    ),
)
@click.option("--since", "since_", metavar="WHEN", default="", help="Only from then on: 7d or an ISO time.")
@click.option("--until", "until_", metavar="WHEN", default="", help="Only before then.")
@click.option("--agent", metavar="NAME", default="", help="Only about this agent.")
@click.option("--type", "type_", metavar="TYPE", default="", help="Only this type, such as pr_approved.")
@click.option("--ticket", type=TICKET, help="Only what belongs to this ticket.")
@click.option("--pr", type=PR, help="Only about this pull request.")
@click.option("--format", "format_", type=click.Choice(EXPORT_FORMATS), default="jsonl", show_default=True, help="How.")
@click.option("-o", "--output", metavar="FILE", default="", help="A new file; else standard output.")
@click.pass_context
@pass_door
def export(
    door: Door,
    ctx: click.Context,
    since_: str,
    until_: str,
    agent: str,
    type_: str,
    ticket: int | None,
    pr: int | None,
    format_: str,
    output: str,
) -> None:
    """Write the journal into a file that others can check.

    Only JSON lines without a filter carry the proof; `fleet audit verifier` prints the program that checks it
    without Fleet. CSV and CEF are for reading.
    """
    door.people_only("export the record")
    if not output and wants_json(ctx):
        raise UsageError("FLT-CLI-010", "--json needs -o FILE", hint="Standard output takes the entries or the answer.")
    now = door.clock.now()
    times = {"since": since(since_, now), "until": since(until_, now)}
    wanted = given(**times, agent=agent, type=type_, ticket=ticket, pr=pr, format=format_)
    if not output:
        _to_standard_output(door, wanted)
        return
    found = ask(door, Call("audit.export", {**wanted, "file": str(Path(door.folder, output).absolute())}))
    sys.stdout.write(json_line({"ok": True, **found}) if wants_json(ctx) else _exported(found))


def _to_standard_output(door: Door, wanted: dict[str, object]) -> None:
    """By way of a private file, so that the daemon writes and this process only copies."""
    with tempfile.TemporaryDirectory(prefix="fleet-export-") as folder:
        target = Path(folder, "journal")
        ask(door, Call("audit.export", {**wanted, "file": str(target)}))
        with target.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)


def _exported(found: dict[str, Any]) -> str:
    text = f"{found['entries']} entries in {visible(found['file'])}\n"
    if not found["whole"]:
        return f"{text}it is a selection, or in a format that carries no proof: it cannot be verified as a chain\n"
    signed = "signed" if found["signed"] else "NOT signed: the key is missing"
    return f"{text}head: entry {found['last']}, {visible(found['head'])}; {signed}\n"


@click.command(
    cls=Local,
    examples=(
        "fleet audit archive --before 90d --dry-run  # what would go",
        "fleet audit archive --before 90d -o /srv/archive/journal-1.jsonl",
        "fleet audit archive --keep 10000 -o journal-2.jsonl",
    ),
)
@click.option("--before", metavar="WHEN", default="", help="Entries before then: 90d or an ISO time.")
@click.option("--keep", type=click.IntRange(1), metavar="N", help="All but the newest N entries.")
@click.option("-o", "--output", metavar="FILE", default="", help="A new file, which is never overwritten.")
@click.option("--dry-run", is_flag=True, help="Only count what would go and what would stay.")
@click.pass_context
@pass_door
def archive(door: Door, ctx: click.Context, before: str, keep: int | None, output: str, dry_run: bool) -> None:
    """Seal the oldest part of the journal in a file and take it out of the store.

    The file is read back before anything is removed. What open work, the merge gate and the check against git
    need stays in the store as well, whatever its age. At most 50,000 entries a time. Keep the file: from then on
    it is part of the record (fleet audit verify --archive FILE).
    """
    door.people_only("archive the record")
    file = str(Path(door.folder, output).absolute()) if output else ""
    wanted = given(file=file, before=since(before, door.clock.now()), keep=keep, dry_run=dry_run or None)
    found = ask(door, Call("audit.archive", wanted))
    sys.stdout.write(json_line({"ok": True, **found}) if wants_json(ctx) else _archived(found))


def _archived(found: dict[str, Any]) -> str:
    what = f"entries {found['first']} to {found['last']}"
    if found["dry_run"]:
        return f"{what} would be sealed; {found['removed']} would leave the store, {found['kept']} stay in it\n"
    place = visible(found["file"])
    return f"{what} are sealed in {place}; {found['removed']} left the store, {found['kept']} stay in it\n"


@click.command(cls=Local, examples=("fleet audit verifier > verify_fleet_audit.py",))
@click.pass_context
def verifier(ctx: click.Context) -> None:
    """Print the program that checks an export without Fleet.

    It needs Python 3.11 and nothing else: python3 verify_fleet_audit.py FILE --key HEX
    """
    source = resources.files("fleet.audit").joinpath("verify_fleet_audit.py").read_text("utf-8")
    answer = {"ok": True, "name": "verify_fleet_audit.py", "source": source}
    sys.stdout.write(json_line(answer) if wants_json(ctx) else source)
