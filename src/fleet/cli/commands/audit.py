"""``fleet audit``: verify the journal, or erase a payload from it."""

from __future__ import annotations

import click

from fleet.cli.output import Style, visible
from fleet.cli.remote import Call, Remote, Result


@click.group()
def audit() -> None:
    """Verify the journal, or erase a payload from it."""


def _verified(result: Result, style: Style) -> str:
    head = result["head"]
    if result["ok"]:
        erased = f", {len(result['erased'])} erased payloads" if result.get("erased") else ""
        return (
            f"{style.paint('the journal is whole', 'green')}: {result['entries']} entries{erased}\n"
            f"head: entry {head['seq']}, {head['hash']}\n"
            "A chain cannot show that its tail was cut: note the head elsewhere.\n"
        )
    bad = ", ".join(f"{name} {visible(value)}" for name, value in result["first_bad"].items())
    return f"{style.paint('the journal is NOT whole', 'red')}: {bad}\n"


@audit.command(
    cls=Remote,
    show=_verified,
    code=lambda result: 0 if result["ok"] else 1,
    examples=(
        "fleet audit verify",
        "fleet audit verify --json",
    ),
    exits={0: "the journal is whole", 1: "it is not; the first bad entry is named"},
)
def verify() -> Call:
    """Walk the hash chain of the whole journal; exit 1 and name the first bad entry if it is broken."""
    return Call("audit.verify", {})


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
