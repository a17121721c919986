"""The REST answers: method and path in, status and JSON out, over a ``Hub``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fleet.testing.github.hub import REPO, Hub, Item, Json, Wrong, stamp

Answer = tuple[int, Any]
Handler = Callable[["Rest", str, re.Match[str], Json], Answer]

_ROOT = rf"/repos/{REPO}"
_ROUTES: list[tuple[str, re.Pattern[str], Handler]] = []
_WRITERS = ("write", "maintain", "admin")


def route(method: str, pattern: str) -> Callable[[Handler], Handler]:
    """Enter a handler for a method and a path."""

    def enter(handler: Handler) -> Handler:
        _ROUTES.append((method, re.compile(pattern), handler))
        return handler

    return enter


class Rest:
    """Answers requests of known logins."""

    def __init__(self, hub: Hub) -> None:
        """Take the state."""
        self.hub = hub
        self.query: dict[str, str] = {}

    def answer(self, login: str, method: str, target: str, body: Json) -> Answer:
        """One request; refusals are answers."""
        parts = urlsplit(target.replace(f"/repos/{self.hub.repo}", f"/repos/{REPO}", 1))
        with self.hub.lock:
            self.query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
            self.hub.look_at_heads()
            for verb, pattern, handler in _ROUTES:
                found = pattern.fullmatch(parts.path)
                if verb == method and found is not None:
                    try:
                        return handler(self, login, found, body)
                    except Wrong as error:
                        return error.status, error.body
        return 404, {"message": "Not Found", "status": "404"}

    def may_write(self, login: str) -> None:
        """Raises Wrong 403 for a reader."""
        if self.hub.permissions.get(login) not in _WRITERS:
            raise Wrong(403, "Resource not accessible by integration")

    # -- shapes --------------------------------------------------------------------------------

    def user(self, login: str) -> Json:
        """An account."""
        return {"login": login, "id": sum(map(ord, login)), "type": "User"}

    def issue(self, item: Item) -> Json:
        """An issue; a pull request carries its key."""
        shape: Json = {
            "number": item.number,
            "title": item.title,
            "body": item.body,
            "state": item.state,
            "user": self.user(item.user),
            "labels": [{"name": name} for name in item.labels],
            "created_at": stamp(item.created),
            "updated_at": stamp(item.updated),
        }
        return shape | ({"pull_request": {"merged_at": stamp(item.merged_at)}} if item.head else {})

    def pull(self, item: Item) -> Json:
        """A pull request."""
        repo = {"full_name": self.hub.repo}
        return {
            **{key: value for key, value in self.issue(item).items() if key != "pull_request"},
            "head": {"ref": item.head, "sha": item.head_sha, "repo": repo, "user": self.user(self.hub.owner)},
            "base": {"ref": item.base, "sha": self.hub.heads.get(item.base, ""), "repo": repo},
            "merged_at": stamp(item.merged_at),
            "merge_commit_sha": item.merge_commit or None,
        }

    def event(self, event: Json, *, with_issue: bool) -> Json:
        """A change of labels."""
        shape: Json = {
            "id": event["id"],
            "event": event["event"],
            "actor": self.user(event["actor"]),
            "label": {"name": event["label"]},
            "created_at": stamp(event["at"]),
        }
        return shape | ({"issue": self.issue(self.hub.items[event["number"]])} if with_issue else {})

    def comment(self, comment: Json) -> Json:
        """A remark."""
        return {
            "id": comment["id"],
            "user": self.user(comment["user"]),
            "body": comment["body"],
            "created_at": stamp(comment["at"]),
        }

    def listed(self, items: list[Item]) -> list[Item]:
        """State and order of a listing."""
        wanted = self.query.get("state", "open")
        items = [item for item in items if wanted in ("all", item.state)]
        key = (lambda item: (item.updated, item.number)) if self.query.get("sort") == "updated" else _by_creation
        return sorted(items, key=key, reverse=self.query.get("direction", "desc") == "desc")


def _by_creation(item: Item) -> tuple[int, int]:
    return (item.created, item.number)


@route("GET", r"/")
def _root(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, {"current_user_url": "https://api.github.com/user"}


@route("GET", r"/user")
def _user(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, rest.user(login)


@route("GET", _ROOT)
def _repo(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    permission = rest.hub.permissions.get(login, "read")
    return 200, {
        "full_name": rest.hub.repo,
        "permissions": {"push": permission in _WRITERS, "admin": permission == "admin"},
    }


@route("GET", rf"{_ROOT}/collaborators/([^/]+)/permission")
def _permission(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    rest.may_write(login)
    role = rest.hub.permissions.get(found[1], "none")
    coarse = {"maintain": "write", "triage": "read"}.get(role, role)
    return 200, {"permission": coarse, "role_name": role, "user": rest.user(found[1])}


@route("GET", rf"{_ROOT}/issues")
def _issues(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, [rest.issue(item) for item in rest.listed(list(rest.hub.items.values()))]


@route("POST", rf"{_ROOT}/issues")
def _open_issue(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    labels = body.get("labels") or ()
    allowed = labels if rest.hub.permissions.get(login) in (*_WRITERS, "triage") else ()  # GitHub drops them silently
    item = rest.hub.open_issue(login, str(body.get("title") or ""), str(body.get("body") or ""), allowed)
    return 201, rest.issue(item)


@route("GET", rf"{_ROOT}/issues/events")
def _events(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, [rest.event(event, with_issue=True) for event in reversed(rest.hub.events)]


@route("GET", rf"{_ROOT}/issues/(\d+)")
def _issue(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, rest.issue(rest.hub.issue(int(found[1])))


@route("PATCH", rf"{_ROOT}/issues/(\d+)")
def _edit_issue(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    item = rest.hub.issue(int(found[1]))
    if login != item.user:
        rest.may_write(login)
    for name in ("title", "body", "state"):
        if name in body:
            setattr(item, name, str(body[name]))
    item.updated = rest.hub.now()
    return 200, rest.issue(item)


@route("GET", rf"{_ROOT}/issues/(\d+)/events")
def _issue_events(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    number = rest.hub.issue(int(found[1])).number
    return 200, [rest.event(event, with_issue=False) for event in rest.hub.events if event["number"] == number]


@route("GET", rf"{_ROOT}/issues/(\d+)/labels")
def _labels(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, [{"name": name} for name in rest.hub.issue(int(found[1])).labels]


@route("PUT", rf"{_ROOT}/issues/(\d+)/labels")
def _replace_labels(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    _may_label(rest, login)
    item = rest.hub.issue(int(found[1]))
    rest.hub.replace_labels(login, item, [str(name) for name in body.get("labels") or ()])
    return 200, [{"name": name} for name in item.labels]


@route("POST", rf"{_ROOT}/issues/(\d+)/labels")
def _add_labels(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    _may_label(rest, login)
    item = rest.hub.issue(int(found[1]))
    rest.hub.replace_labels(login, item, [*item.labels, *(str(name) for name in body.get("labels") or ())])
    return 200, [{"name": name} for name in item.labels]


@route("DELETE", rf"{_ROOT}/issues/(\d+)/labels/([^/]+)")
def _take_label(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    _may_label(rest, login)
    item = rest.hub.issue(int(found[1]))
    if found[2] not in item.labels:
        raise Wrong(404, "Label does not exist")
    rest.hub.replace_labels(login, item, [name for name in item.labels if name != found[2]])
    return 200, [{"name": name} for name in item.labels]


def _may_label(rest: Rest, login: str) -> None:
    if rest.hub.permissions.get(login) not in (*_WRITERS, "triage"):
        raise Wrong(403, "Must have triage rights to Repository.")


@route("GET", rf"{_ROOT}/issues/(\d+)/comments")
def _comments(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    number = rest.hub.issue(int(found[1])).number
    return 200, [rest.comment(comment) for comment in rest.hub.comments if comment["number"] == number]


@route("POST", rf"{_ROOT}/issues/(\d+)/comments")
def _add_comment(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    made = rest.hub.comment(login, rest.hub.issue(int(found[1])), str(body.get("body") or ""))
    return 201, rest.comment(made)


@route("GET", rf"{_ROOT}/pulls")
def _pulls(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, [rest.pull(item) for item in rest.listed([item for item in rest.hub.items.values() if item.head])]


@route("POST", rf"{_ROOT}/pulls")
def _open_pull(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    rest.may_write(login)
    words = [str(body.get(name) or "") for name in ("title", "body", "head", "base")]
    return 201, rest.pull(rest.hub.open_pull(login, *words))


@route("GET", rf"{_ROOT}/pulls/(\d+)")
def _pull(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, rest.pull(_pull_item(rest, found[1]))


@route("PATCH", rf"{_ROOT}/pulls/(\d+)")
def _edit_pull(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    rest.may_write(login)
    item = _pull_item(rest, found[1])
    if item.merged_at and body.get("state") == "closed":
        return 200, rest.pull(item)
    if body.get("state") in ("open", "closed"):
        item.state, item.updated = str(body["state"]), rest.hub.now()
    return 200, rest.pull(item)


@route("PUT", rf"{_ROOT}/pulls/(\d+)/merge")
def _merge(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    rest.may_write(login)
    item = _pull_item(rest, found[1])
    words = [str(body.get(name) or "") for name in ("sha", "commit_title", "commit_message")]
    return 200, {
        "sha": rest.hub.merge(login, item, *words),
        "merged": True,
        "message": "Pull Request successfully merged",
    }


def _pull_item(rest: Rest, number: str) -> Item:
    item = rest.hub.issue(int(number))
    if not item.head:
        raise Wrong(404, "Not Found")
    return item


@route("GET", rf"{_ROOT}/git/ref/heads/(.+)")
def _ref(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    sha = rest.hub.branch(found[1])
    if not sha:
        raise Wrong(404, "Not Found")
    return 200, {"ref": f"refs/heads/{found[1]}", "object": {"type": "commit", "sha": sha}}


@route("POST", rf"{_ROOT}/statuses/([0-9a-f]{{40}})")
def _status(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    rest.may_write(login)
    hub = rest.hub
    made = {"id": hub.next_id(), "created_at": stamp(hub.now()), "creator": rest.user(login), **body}
    hub.statuses.setdefault(found[1], []).append(made)
    return 201, made


@route("GET", rf"{_ROOT}/commits/([0-9a-f]{{40}})/statuses")
def _statuses(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, rest.hub.statuses.get(found[1], [])[::-1]
