"""GitHub's JSON as the port's words, and the marks that the fleet leaves in texts it writes there. Pure.

A mark is believed only in a text that our own login wrote: anybody may write the same characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleet.core.clock import SECOND
from fleet.forge.port import Comment, LabelMark, Pull, Ticket

Json = Mapping[str, Any]
Principal = Callable[[Json | None], str]  # an account -> human:<login>, bot:<login> or outsider:<login>

_MARK = re.compile(r"\n*<!-- fleet:([a-z]+) ([A-Za-z0-9:._/-]{1,200}) -->\s*\Z")
_NAME = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")
GONE = "fleet_branch_gone"  # a key that the view adds where the events say so
_BRANCH = re.compile(r"fleet/([1-9][0-9]{0,14})")


@dataclass(frozen=True, slots=True)
class LabelEvent:
    """A label put on (or taken off): GitHub's id of the event, in rising order."""

    id: int
    number: int
    label: str
    on: bool
    login: str
    account: int
    at: int


def marked(text: str, kind: str, value: str) -> str:
    """A text with the fleet's mark at its end; readers on the web do not see it."""
    return f"{text.rstrip()}\n\n<!-- fleet:{kind} {value} -->"


def unmarked(text: str) -> tuple[str, dict[str, str]]:
    """A text without the marks at its end, and the marks."""
    found: dict[str, str] = {}
    while (mark := _MARK.search(text)) is not None:
        found.setdefault(mark[1], mark[2])
        text = text[: mark.start()]
    return text, found


def instant(text: str | None) -> int:
    """GitHub's time as microseconds; 0 for none."""
    return round(datetime.fromisoformat(text).timestamp() * SECOND) if text else 0


def label_events(items: Iterable[Json]) -> list[LabelEvent]:
    """The changes of labels among issue events, oldest first. A deleted account has no login."""
    found = [
        LabelEvent(
            int(item["id"]),
            int((item.get("issue") or {}).get("number", 0)),
            str((item.get("label") or {}).get("name", "")),
            item["event"] == "labeled",
            str((item.get("actor") or {}).get("login", "")),
            int((item.get("actor") or {}).get("id") or 0),
            instant(item.get("created_at")),
        )
        for item in items
        if item.get("event") in ("labeled", "unlabeled")
    ]
    return sorted(found, key=lambda event: event.id)


def branch_events(items: Iterable[Json], after: int) -> list[tuple[int, bool]]:
    """Pull requests whose branch was deleted (True) or restored among issue events past ``after``, oldest first."""
    words = {"head_ref_deleted": True, "head_ref_restored": False}
    found = sorted((item for item in items if item.get("event") in words), key=lambda item: int(item["id"]))
    return [
        (int((item.get("issue") or {}).get("number", 0)), words[item["event"]])
        for item in found
        if int(item["id"]) > after
    ]


def label_names(item: Json) -> list[str]:
    """The names of an issue's or pull request's labels."""
    return [str(label["name"]) for label in item.get("labels") or ()]


def repository_name(item: Json) -> str:
    """The repository that an issue or pull request says it is in; "" where it says nothing usable."""
    base = item.get("base")
    name = str(base["repo"]["full_name"]) if base else "/".join(str(item.get("repository_url") or "").split("/")[-2:])
    return name if _NAME.fullmatch(name) else ""


def as_ticket(item: Json, marks: tuple[LabelMark, ...], who: Principal, own_login: str) -> Ticket:
    """An issue."""
    body, author = _written(item, who, own_login)
    return Ticket(
        number=int(item["number"]),
        title=str(item.get("title") or ""),
        body=body,
        state="open" if item.get("state") == "open" else "closed",
        author=author,
        labels=marks,
        created_at=instant(item.get("created_at")),
        updated_at=instant(item.get("updated_at")),
    )


def as_pull(
    item: Json, marks: tuple[LabelMark, ...], who: Principal, own_login: str, repo: str, base: tuple[str, str]
) -> Pull:
    """A pull request; ``base`` is the fleet's base branch by name and commit.

    A branch of another repository is named with its owner, so that it is never one of ours. One that was merged into
    another branch than the base is closed: what it holds is not where the fleet's work goes.
    """
    body, author = _written(item, who, own_login)
    base_name, base_sha = base
    head, merged = item["head"], bool(item.get("merged_at")) and item["base"]["ref"] == base_name
    ours = str((head.get("repo") or {}).get("full_name", "")).lower() == repo.lower()
    ref = str(head["ref"]) if ours else f"{(head.get('user') or {}).get('login', 'unknown')}:{head['ref']}"
    branch = _BRANCH.fullmatch(ref)
    sha = "" if item.get(GONE) and not merged else str(head["sha"])
    return Pull(
        number=int(item["number"]),
        title=str(item.get("title") or ""),
        body=body,
        state="merged" if merged else "open" if item.get("state") == "open" else "closed",
        author=author,
        ticket=int(branch[1]) if branch else 0,
        head_ref=ref,
        base_ref=str(item["base"]["ref"]),
        head_sha=sha,
        base_sha=base_sha,
        labels=marks,
        merged_head=str(head["sha"]) if merged else "",
        merge_commit=str(item.get("merge_commit_sha") or "") if merged else "",
        created_at=instant(item.get("created_at")),
        updated_at=instant(item.get("updated_at")),
    )


def as_comment(item: Json, number: int, who: Principal, own_login: str) -> Comment:
    """A remark."""
    body, author = _written(item, who, own_login)
    return Comment(number, author, body, instant(item.get("created_at")))


def _written(item: Json, who: Principal, own_login: str) -> tuple[str, str]:
    """Text and author of something; our own login speaks for whom its mark names."""
    login, body = str((item.get("user") or {}).get("login", "")), str(item.get("body") or "")
    if login != own_login:
        return body, who(item.get("user"))
    body, marks = unmarked(body)
    return body, marks.get("by") or who(item.get("user"))
