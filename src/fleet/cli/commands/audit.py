"""``fleet audit``: verify the journal, sign it, show who signs; or erase a payload from it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fleet.cli.commands.auditfiles import archive, export, verifier
from fleet.cli.door import Door
from fleet.cli.output import Style, counted, json_line, moment, table, visible
from fleet.cli.remote import Call, Local, Remote, Result, ask, style_of, wants_json
from fleet.cli.words import given, pass_door

_STEP = 50_000  # entries a call: longer journals show how far the walk has come


@click.group()
def audit() -> None:
    """Verify the journal, sign its head, or erase a payload from it."""


# -- verify --------------------------------------------------------------------------------------------


@audit.command(
    cls=Local,
    examples=(
        "fleet audit verify",
        "fleet audit verify --since-checkpoint  # only what is new since the last signature",
        "fleet audit verify --json",
    ),
    exits={0: "the journal is whole", 1: "it is not; the first bad entry is named"},
)
@click.option("--since-checkpoint", is_flag=True, help="Walk only the entries after the last signed checkpoint.")
@click.option("--key", metavar="HEX", default="", help="A public key noted earlier; it must be one that signed here.")
@click.option("--archive", "archives", metavar="FILE", multiple=True, help="Check this export or archive as well.")
@click.option("--against-git", is_flag=True, help="Compare it with the fleet's branches and runs as well.")
@click.pass_context
@pass_door
def verify(
    door: Door, ctx: click.Context, since_checkpoint: bool, key: str, archives: tuple[str, ...], against_git: bool
) -> int:
    """Walk the journal's hash chain and compare it with every signed checkpoint.

    Exit 1, and the first bad entry, when anything was edited, inserted, removed, moved, cut off or signed by
    another key. What a checkpoint does not cover yet is proved by the chain alone. Several --archive are one
    journal in pieces, in their order; they must agree with this one.
    """
    found = _walk(door, since_checkpoint, key.lower())
    if archives and found["ok"]:
        files = [str(Path(door.folder, name).absolute()) for name in archives]
        found["files"] = ask(door, Call("audit.verify_files", given(files=files, key=key.lower())), quiet=True)
        found["ok"] = found["files"]["ok"]
    if against_git:
        found["git"] = ask(door, Call("audit.verify_git", {}), quiet=True)
        found["ok"] = found["ok"] and found["git"]["ok"]
    if wants_json(ctx):
        sys.stdout.write(json_line(found))
    else:
        sys.stdout.write(_verified(found, style_of(ctx)) + _compared(found.get("git"), style_of(ctx)))
    return 0 if found["ok"] else 1


def _walk(door: Door, quick: bool, key: str) -> dict[str, Any]:
    """The answers of all steps as one; says on a terminal how far it has come."""
    show = sys.stderr.isatty()
    entries, erased = 0, []
    place: dict[str, object] = {"quick": quick}
    while True:
        found = ask(door, Call("audit.verify", given(limit=_STEP, key=key, **place)), quiet=entries > 0)
        entries += found["entries"]
        erased += found["erased"]
        if found["done"]:
            if show and entries > _STEP:
                sys.stderr.write("\r\x1b[K")
            return {**found, "entries": entries, "erased": erased}
        place = {"after": found["head"]["seq"], "hash": found["head"]["hash"]}
        if show:
            sys.stderr.write(f"\r{entries} entries fit so far")
            sys.stderr.flush()


# A backup from before a change of keys, or from another machine, brings a record that another key signed.
_KEY_HINT = "  If you restored a backup, or lost the key: fleet audit rotate-key --lost --reason TEXT\n"


def _verified(result: Result, style: Style) -> str:
    head, signed, files = result["head"], result["checkpoints"], result.get("files")
    if files and not files["ok"]:
        return f"{style.paint('the files do NOT fit', 'red')}: {visible(files['problem'])}\n"
    if result["first_bad"]:
        bad = result["first_bad"]
        name = f"{visible(bad['kind'])} at entry {bad['seq']}" if bad["kind"] != "entry" else f"entry {bad['seq']}"
        text = (
            f"{style.paint('the journal is NOT whole', 'red')}: {name} {visible(bad['id'])}\n  {visible(bad['what'])}\n"
        )
        return text + (_KEY_HINT if bad["kind"] == "key" else "")
    erased = f", {counted(len(result['erased']), 'erased payload')}" if result["erased"] else ""
    text = (
        f"{style.paint('the journal is whole', 'green')}: {result['entries']} entries{erased}\n"
        f"head: entry {head['seq']}, {head['hash']}\n"
    )
    if signed["count"]:
        text += (
            f"signed: up to entry {signed['seq']} by {counted(signed['count'], 'checkpoint')},"
            f" {signed['anchored']} of them in the anchor;"
            f" newer entries: {signed['unsigned']}\nkey: {signed['public']}\n"
        )
    if files:
        text += f"files: {files['entries']} entries fit, up to entry {files['last']}\n"
    text += "".join(f"note: {visible(remark)}\n" for remark in result["remarks"])
    return text


def _compared(git: Result | None, style: Style) -> str:
    """The journal against the repository."""
    if git is None:
        return ""
    told = f"{git['movements']} movements of the base, {git['merges']} merges, {git['runs']} runs"
    if git["ok"]:
        return f"{style.paint('git agrees', 'green')}: {told}\n"
    lines = "".join(f"  {visible(line)}\n" for line in git["findings"])
    return f"{style.paint('git does NOT agree', 'red')} ({told}):\n{lines}"


# -- checkpoints and keys ------------------------------------------------------------------------------


def _points(result: Result, style: Style) -> str:
    rows = [(row["number"], moment(row["at"]), row["seq"], row["hash"], row["key"]) for row in result["checkpoints"]]
    text = table(("NUMBER", "WHEN", "ENTRY", "HASH", "KEY"), rows, style) if rows else "nothing is signed yet\n"
    anchor = result["anchor"]
    text += "".join(
        f"archive {row['number']}: entries {row['first']} to {row['last']} in {visible(row['file'])}\n"
        for row in result["archives"]
    )
    return (
        f"{text}{counted(result['total'], 'checkpoint')}; {anchor['lines']} in the anchor {visible(anchor['path'])}\n"
    )


@audit.command(cls=Remote, show=_points, examples=("fleet audit checkpoints --limit 5",))
@click.option("--limit", type=click.IntRange(1, 10000), default=20, show_default=True, help="The newest so many.")
def checkpoints(limit: int) -> Call:
    """List the signed heads of the journal."""
    return Call("audit.checkpoints", {"limit": limit})


def _point(result: Result, style: Style) -> str:
    word = "signed" if result["made"] else "nothing is new since"
    return f"{word} checkpoint {result['number']}: entry {result['seq']}, {visible(result['hash'])}\n"


@audit.command(cls=Remote, show=_point, examples=("fleet audit checkpoint",))
def checkpoint() -> Call:
    """Sign the journal's head now, after computing the chain anew."""
    return Call("audit.checkpoint", {})


def _key(result: Result, style: Style) -> str:
    if not result["key"]:
        return "there is no key yet; the daemon makes one\n"
    older = "".join(f"before: {visible(row['public'])}\n" for row in result["keys"][-2::-1])
    return f"{visible(result['public'])}\n{older}"


@audit.command(cls=Remote, show=_key, examples=("fleet audit key",))
def key() -> Call:
    """Print the public key that checkpoints are signed with; note it outside this machine."""
    return Call("audit.key", {})


def _rotated(result: Result, style: Style) -> str:
    return f"{visible(result['public'])} signs from now on; recorded as entry {result['seq']}\n"


@audit.command(
    cls=Remote,
    show=_rotated,
    examples=(
        'fleet audit rotate-key --reason "once a year"',
        'fleet audit rotate-key --lost --reason "the disk with the key died"',
    ),
)
@click.option("--reason", metavar="TEXT", required=True, help="Why; stays on record.")
@click.option("--lost", is_flag=True, help="The old key is gone and cannot sign for the new one.")
def rotate_key(reason: str, lost: bool) -> Call:
    """Replace the key that signs checkpoints; the old one signs for the new one."""
    return Call("audit.rotate_key", {"reason": reason, "lost": lost})


def _accepted(result: Result, style: Style) -> str:
    left = "".join(f"  {visible(line)}\n" for line in result["open"])
    more = f"still unanswered:\n{left}" if left else "merges go on\n"
    return f"accepted, recorded as entry {result['seq']}; {more}"


@audit.command(
    cls=Remote,
    show=_accepted,
    examples=('fleet audit accept-base 5d1c0cb0d8e4a4d1f2b7f0a3b1c2d3e4f5a6b7c8 --reason "my own hotfix"',),
)
@click.argument("sha")
@click.option("--reason", metavar="TEXT", required=True, help="What it was; stays on record.")
def accept_base(sha: str, reason: str) -> Call:
    """Say what a movement of the base branch was that no entry explains; merges wait for that.

    SHA is the full commit that it moved to.
    """
    return Call("audit.accept_base", {"sha": sha, "reason": reason})


# -- erase ---------------------------------------------------------------------------------------------


def _erased(result: Result, style: Style) -> str:
    text = f"erased; recorded as entry {result['seq']}\n"
    if not result["log_emptied"]:
        text += "somebody was reading: the bytes leave the write-ahead log with the next erasure or fleet down\n"
    return text + "Backups made before still hold it: delete those, or keep them as safe as the secret.\n"


@audit.command(cls=Remote, show=_erased, examples=('fleet audit erase 01JD8 --reason "a password was pasted"',))
@click.argument("entry")
@click.option("--reason", metavar="TEXT", required=True, help="Why; stays on record.")
def erase(entry: str, reason: str) -> Call:
    """Erase the payload of an entry (its id), for good. The entry and the proof stay."""
    return Call("audit.erase", {"entry": entry, "reason": reason})


audit.add_command(archive)
audit.add_command(export)
audit.add_command(verifier)
