"""``fleet fabric artifact``: keep results on the Fabric, by their content."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click

from fleet.cli.client import Client
from fleet.cli.door import Door
from fleet.cli.output import Style, moment, result_line, table, visible
from fleet.cli.remote import Call, Local, Remote, Result, ask, wants_json
from fleet.cli.words import given, pass_door
from fleet.control.arguments import PIECE
from fleet.core.errors import Conflict, FleetError, IntegrityError, Unreachable, UsageError

_TRIES = 3


@click.group()
def artifact() -> None:
    """Keep results on the Fabric, by their content."""


@contextmanager
def _opened(door: Door, source: str) -> Iterator[tuple[BinaryIO, int]]:
    """A file and its size, 0 where that is not known before reading. Raises UsageError FLT-CLI-008."""
    if source == "-":
        yield sys.stdin.buffer, 0
        return
    try:
        with open(Path(door.folder) / source, "rb") as file:
            facts = os.fstat(file.fileno())
            yield file, facts.st_size if stat.S_ISREG(facts.st_mode) else 0
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError("FLT-CLI-008", f"the artifact cannot be read: {reason}", where=source) from error


def _send(client: Client, file: BinaryIO, expected: int) -> tuple[str, str]:
    """Send a file in pieces; its upload and its hash. Nothing of it is read before the daemon agreed to its size."""
    digest, size = hashlib.sha256(), 0
    if expected:
        upload = client.call("artifact.send", {"size": expected})["upload"]
    else:
        upload = ""
    while True:
        piece = file.read(PIECE)
        if upload and not piece:
            return upload, digest.hexdigest()
        args = {"offset": size, "size": expected, "data": base64.b64encode(piece).decode("ascii")}
        upload = client.call("artifact.send", {**args, **given(upload=upload)})["upload"]
        digest.update(piece)
        size += len(piece)


def _put(door: Door, client: Client, file: str, names: dict[str, object]) -> dict[str, Any]:
    """Send and name a content. A file is sent again when the daemon was replaced meanwhile; a pipe cannot be."""
    for left in reversed(range(1 if file == "-" else _TRIES)):
        try:
            with _opened(door, file) as (source, expected):
                if not names["name"]:
                    raise UsageError("FLT-CLI-016", "standard input needs a --name")
                upload, sha256 = _send(client, source, expected)
            return client.call("artifact.put", {"upload": upload, "sha256": sha256, **names})
        except (Conflict, Unreachable) as error:
            if not left or error.code not in ("FLT-FAB-133", "FLT-CLI-005"):
                raise
    raise AssertionError("the last try returns or raises")


@artifact.command(
    cls=Local,
    examples=(
        "fleet fabric artifact put coverage.html --subject ticket/7",
        "make report | fleet fabric artifact put - --name report.txt",
    ),
)
@click.argument("file")
@click.option("--name", metavar="NAME", default="", help="Its name; default is that of the file.")
@click.option("--subject", metavar="SUBJECT", default="", help="What it is about, such as pr/8 or ticket/7.")
@click.pass_context
@pass_door
def put(door: Door, ctx: click.Context, file: str, name: str, subject: str) -> None:
    """Keep a file, or standard input for -.

    The same content is stored once. fabric.artifact_bytes in .fleet/config.yaml bounds one artifact,
    fabric.artifacts_bytes all of them.
    """
    label = name or (Path(file).name if file != "-" else "")
    client = door.client()
    try:
        made = _put(door, client, file, {"name": label, **given(subject=subject)})
    finally:
        client.close()
    found = made["artifact"]
    before = "kept before as" if made["repeated"] else "kept as"
    text = f"{before} artifact/{found['number']} {visible(found['name'])}, {found['size']} bytes, {found['sha256']}\n"
    sys.stdout.write(result_line(made) if wants_json(ctx) else text)


def _list(result: Result, style: Style) -> str:
    rows = [
        (
            item["number"],
            item["name"],
            item["size"],
            item["sha256"][:12],
            item["subject"] or "-",
            item["put_by"],
            moment(item["at"]),
        )
        for item in result["artifacts"]
    ]
    headings = ("ARTIFACT", "NAME", "BYTES", "SHA-256", "SUBJECT", "BY", "AT")
    return table(headings, rows, style) if rows else "no artifacts\n"


@artifact.command(
    "list",
    cls=Remote,
    show=_list,
    examples=("fleet fabric artifact list", "fleet fabric artifact list --subject ticket/7 --json"),
)
@click.option("--subject", metavar="SUBJECT", default="", help="Only about this, such as pr/8 or ticket/7.")
@click.option("--limit", type=click.IntRange(1, 10000), default=100, show_default=True, help="The newest so many.")
def list_(subject: str, limit: int) -> Call:
    """List artifacts, oldest first."""
    return Call("artifact.list", {**given(subject=subject), "limit": limit})


@artifact.command(
    cls=Local,
    examples=("fleet fabric artifact get 3 --output coverage.html", "fleet fabric artifact get 3 --output - | less"),
)
@click.argument("artifact")
@click.option("--output", "-o", metavar="FILE", required=True, help="Where to write it; - is standard output.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.pass_context
@pass_door
def get(door: Door, ctx: click.Context, artifact: str, output: str, force: bool) -> None:
    """Write an artifact's content to a file.

    ARTIFACT is its number, or the first digits of its hash. What arrives is verified against the hash.
    """
    if output == "-" and (wants_json(ctx) or sys.stdout.isatty()):
        raise UsageError(
            "FLT-CLI-016", "bytes go to a file or a pipe, not to a terminal or beside JSON", hint="Name a FILE."
        )
    pieces = _pieces(door, artifact.removeprefix("artifact/"))
    found = next(pieces)
    if output == "-":
        for piece in pieces:
            sys.stdout.buffer.write(piece["bytes"])
        sys.stdout.buffer.flush()
        return
    _save(Path(door.folder) / output, pieces, force=force)
    facts = found["artifact"]
    text = f"artifact/{facts['number']} {visible(facts['name'])} is in {visible(output)}, {facts['size']} bytes\n"
    sys.stdout.write(result_line({"artifact": facts, "output": output}) if wants_json(ctx) else text)


def _pieces(door: Door, ref: str) -> Iterator[dict[str, Any]]:
    """First what is known of the artifact, then its bytes. Raises IntegrityError FLT-FAB-135 at a wrong end."""
    answer = ask(door, Call("artifact.read", {"artifact": ref}))
    facts = answer["artifact"]
    yield {"artifact": facts}
    digest, offset = hashlib.sha256(), 0
    while data := base64.b64decode(answer["data"]):
        digest.update(data)
        offset += len(data)
        yield {"bytes": data}
        if offset >= facts["size"]:
            break
        answer = ask(door, Call("artifact.read", {"artifact": str(facts["number"]), "offset": offset}))
    if digest.hexdigest() != facts["sha256"]:
        raise IntegrityError("FLT-FAB-135", "the content that arrived has another hash", where=f"artifact/{ref}")


def _save(target: Path, pieces: Iterator[dict[str, Any]], *, force: bool) -> None:
    """Write beside the target and rename, so that nobody finds half a file; nothing is replaced unasked."""
    if target.exists() and not force:
        raise UsageError(
            "FLT-FAB-138", "the file is there already", where=str(target), hint="Add --force to replace it."
        )
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with open(draft, "xb") as file:
            for piece in pieces:
                file.write(piece["bytes"])
        draft.replace(target)
    except OSError as error:
        raise FleetError("FLT-CLI-011", error.strerror or str(error), where=str(target)) from error
    finally:
        draft.unlink(missing_ok=True)


def _removed(result: Result, style: Style) -> str:
    content = "and its content" if result["content_removed"] else "its content serves others and stays"
    return f"artifact/{result['artifact']['number']} is removed, {content}\n"


@artifact.command(cls=Remote, show=_removed, examples=('fleet fabric artifact remove 3 --reason "superseded"',))
@click.argument("artifact")
@click.option("--reason", metavar="TEXT", required=True, help="Why; stays on record.")
def remove(artifact: str, reason: str) -> Call:
    """Remove an artifact; its content goes with the last one that holds it. People only."""
    return Call("artifact.remove", {"artifact": artifact.removeprefix("artifact/"), "reason": reason})
