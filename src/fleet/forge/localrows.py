"""The local forge's own rules for text, labels and branches, and its rows as the port's words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, cast

from fleet.core.errors import Conflict, Refused, UsageError
from fleet.forge.gitrepo import check_ref
from fleet.forge.port import LabelMark, Pull, Ticket
from fleet.store.forge_local import LabelRow, PullRow, TicketRow

TITLE_LIMIT = 256  # characters
BODY_LIMIT = 65_536  # characters

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,49}")
_BRANCH = re.compile(r"fleet/[^/]+")


def check_title(text: str) -> str:
    """Return a title without surrounding blanks. Raises UsageError FLT-FRG-012."""
    text = text.strip()
    if not text or len(text) > TITLE_LIMIT:
        raise _bad_text(f"a title has 1 to {TITLE_LIMIT} characters")
    if any(ord(char) < 32 or 127 <= ord(char) < 160 or char in "\u2028\u2029" for char in text):
        raise _bad_text("a title is one line without control characters")
    return _encodable(text)


def check_body(text: str, *, required: bool = False) -> str:
    """Return a body or comment as it is. Raises UsageError FLT-FRG-012."""
    if len(text) > BODY_LIMIT:
        raise _bad_text(f"the text has more than {BODY_LIMIT} characters")
    if "\0" in text:
        raise _bad_text("the text contains a NUL character")
    if required and not text.strip():
        raise _bad_text("the text is empty")
    return _encodable(text)


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _bad_text("the text is not valid Unicode") from error
    return text


def _bad_text(what: str) -> UsageError:
    return UsageError("FLT-FRG-012", what)


def check_labels(add: Sequence[str], remove: Sequence[str] = ()) -> None:
    """Raise UsageError FLT-FRG-013 unless every label is a plain ASCII name, and none is on both sides."""
    for label in (*add, *remove):
        if _LABEL.fullmatch(label) is None:
            raise UsageError(
                "FLT-FRG-013",
                "not a label name",
                where=ascii(label[:80]),
                hint="Use up to 50 ASCII letters, digits and . _ : / -",
            )
    if both := set(add) & set(remove):
        raise UsageError("FLT-FRG-013", "a label cannot be both added and removed", where=", ".join(sorted(both)))


def check_fleet_branch(branch: str) -> str:
    """Return the full ref of a branch the fleet may move. Raises UsageError FLT-FRG-011, Refused FLT-FRG-004."""
    check_ref(branch)
    if _BRANCH.fullmatch(branch) is None:
        raise Refused(
            "FLT-FRG-004",
            "the fleet moves only branches named fleet/<name>",
            where=branch,
            hint="Push to fleet/<ticket number>.",
        )
    return f"refs/heads/{branch}"


def branch_elsewhere(branch: str, present: str, expected: str) -> Conflict:
    """The error for a branch that somebody else moved."""
    return Conflict(
        "FLT-FRG-003",
        f"the branch is at {present[:12] or 'nothing'}, not at {expected[:12] or 'nothing'}",
        where=branch,
        hint="Fetch it, put your commits on top, and push again.",
    )


def as_ticket(row: TicketRow, labels: Sequence[LabelRow]) -> Ticket:
    """A row as the port's ticket."""
    return Ticket(
        number=row.number,
        title=row.title,
        body=row.body,
        state=cast('Literal["open", "closed"]', row.state),
        author=row.author,
        labels=_marks(labels),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def as_pull(row: PullRow, labels: Sequence[LabelRow], heads: Mapping[str, str]) -> Pull:
    """A row and the live refs as the port's pull request."""
    return Pull(
        number=row.number,
        title=row.title,
        body=row.body,
        state=cast('Literal["open", "closed", "merged"]', row.state),
        author=row.author,
        ticket=row.ticket,
        head_ref=row.head_ref,
        base_ref=row.base_ref,
        head_sha=heads.get(f"refs/heads/{row.head_ref}", ""),
        base_sha=heads.get(f"refs/heads/{row.base_ref}", ""),
        labels=_marks(labels),
        merged_head=row.merged_head,
        merge_commit=row.merge_commit,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _marks(labels: Sequence[LabelRow]) -> tuple[LabelMark, ...]:
    return tuple(LabelMark(row.label, row.actor, row.mark_id, row.at) for row in labels)


def require_mergeable(row: PullRow, head: str, wanted: str) -> None:
    """Raise Conflict FLT-FRG-005 unless a row is open and its branch at the wanted head."""
    where = f"pr/{row.number}"
    if row.state != "open":
        raise Conflict("FLT-FRG-005", f"the pull request is {row.state}, not open", where=where)
    if head != wanted:
        raise Conflict(
            "FLT-FRG-005",
            f"its head is {head[:12] or 'gone'}, not {wanted[:12]}",
            where=where,
            hint="What was approved is not what is there now; review the new head.",
        )
