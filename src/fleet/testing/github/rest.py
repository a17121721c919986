"""The REST answers: method and path in, status and JSON out, over a ``Hub``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from fleet.testing.github.hub import NAME, OWNER, REPO, Hub, Item, Json, Wrong
from fleet.testing.github.shapes import Shapes

Answer = tuple[int, Any]
Handler = Callable[["Rest", str, re.Match[str], Json], Answer]


@dataclass(frozen=True)
class Route:
    """A method and a path as GitHub's own description of its API writes it, and who answers."""

    method: str
    template: str
    pattern: re.Pattern[str]
    handler: Handler


LIMIT = 5000  # counted requests an hour
ROUTES: list[Route] = []
_WRITERS = ("write", "maintain", "admin")
_PARTS = {
    "owner": OWNER,
    "repo": NAME,
    "ref": "(.+)",
    "name": "(.+)",
    "branch": "(fleet/[^/]+|[^/]+)",
}  # other parameters are one part of the path


def route(method: str, template: str) -> Callable[[Handler], Handler]:
    """Enter a handler for a method and a path; its parameters are the groups of the match, without the repository."""
    pattern = re.sub(r"\{(\w+)\}", lambda found: _PARTS.get(found[1], "([^/]+)"), template)

    def enter(handler: Handler) -> Handler:
        ROUTES.append(Route(method, template, re.compile(pattern), handler))
        return handler

    return enter


def of_repo(method: str, template: str) -> Callable[[Handler], Handler]:
    """The same for a path below the repository."""
    return route(method, "/repos/{owner}/{repo}" + template)


class Rest(Shapes):
    """Answers requests of known logins."""

    def __init__(self, hub: Hub) -> None:
        """Take the state. ``heard`` is told of every answer: route, status and body."""
        super().__init__(hub)
        self.query: dict[str, str] = {}
        self.heard: Callable[[Route, int, Any], None] = lambda route, status, body: None
        self.used: Callable[[str], int] = lambda login: 0  # requests that counted, as the server knows them

    def answer(self, login: str, method: str, target: str, body: Json) -> Answer:
        """One request; refusals are answers."""
        # the case of a repository's name is nothing to GitHub
        name = re.compile(re.escape(f"/repos/{self.hub.repo}"), re.IGNORECASE)
        parts = urlsplit(name.sub(f"/repos/{REPO}", target, count=1))
        with self.hub.lock:
            self.query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
            self.hub.look_at_heads()
            for one in ROUTES:
                found = one.pattern.fullmatch(unquote(parts.path))
                if one.method == method and found is not None:
                    try:
                        status, made = one.handler(self, login, found, body)
                    except Wrong as error:
                        status, made = error.status, error.body
                    self.heard(one, status, made)
                    return status, made
        return 404, {"message": "Not Found", "status": "404"}

    def may_write(self, login: str) -> None:
        """Raises Wrong 403 for a reader."""
        if self.hub.permissions.get(login) not in _WRITERS:
            raise Wrong(403, "Resource not accessible by integration")

    def listed(self, items: list[Item]) -> list[Item]:
        """State and order of a listing."""
        wanted = self.query.get("state", "open")
        items = [item for item in items if wanted in ("all", item.state)]
        key = (lambda item: (item.updated, item.number)) if self.query.get("sort") == "updated" else _by_creation
        return sorted(items, key=key, reverse=self.query.get("direction", "desc") == "desc")


def _by_creation(item: Item) -> tuple[int, int]:
    return (item.created, item.number)


@route("GET", "/")
def _root(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, rest.root()


@route("GET", "/user")
def _user(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, rest.account(login)


@route("GET", "/rate_limit")
def _rate_limit(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    used = rest.used(login)
    core = {"limit": LIMIT, "used": used, "remaining": LIMIT - used, "reset": rest.hub.now() + 3600}
    return 200, {"resources": {"core": core, "search": {**core, "limit": 30}}, "rate": core}


@of_repo("GET", "")
def _repo(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, rest.repository(rest.hub.permissions.get(login, "read"))


@of_repo("GET", "/collaborators/{username}/permission")
def _permission(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    rest.may_write(login)
    role = rest.hub.permissions.get(found[1], "none")
    coarse = {"maintain": "write", "triage": "read"}.get(role, role)
    return 200, {"permission": coarse, "role_name": role, "user": rest.collaborator(found[1], role)}


@of_repo("GET", "/issues")
def _issues(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, [rest.issue(item) for item in rest.listed(list(rest.hub.items.values()))]


@of_repo("POST", "/issues")
def _open_issue(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    labels = body.get("labels") or ()
    allowed = labels if rest.hub.permissions.get(login) in (*_WRITERS, "triage") else ()  # GitHub drops them silently
    item = rest.hub.open_issue(login, str(body.get("title") or ""), str(body.get("body") or ""), allowed)
    return 201, rest.issue(item)


@of_repo("GET", "/issues/events")
def _events(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, [rest.event(event, with_issue=True) for event in reversed(rest.hub.events)]


@of_repo("GET", "/issues/{issue_number}")
def _issue(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, rest.issue(rest.hub.issue(int(found[1])))


@of_repo("PATCH", "/issues/{issue_number}")
def _edit_issue(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    item = rest.hub.issue(int(found[1]))
    if login != item.user:
        rest.may_write(login)
    for name in ("title", "body", "state"):
        if name in body:
            setattr(item, name, str(body[name]))
    item.updated = rest.hub.now()
    return 200, rest.issue(item)


@of_repo("GET", "/issues/{issue_number}/events")
def _issue_events(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    number = rest.hub.issue(int(found[1])).number
    return 200, [rest.event(event, with_issue=False) for event in rest.hub.events if event["number"] == number]


@of_repo("GET", "/issues/{issue_number}/labels")
def _labels(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, rest.labels(rest.hub.issue(int(found[1])).labels)


@of_repo("PUT", "/issues/{issue_number}/labels")
def _replace_labels(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    _may_label(rest, login)
    item = rest.hub.issue(int(found[1]))
    rest.hub.replace_labels(login, item, [str(name) for name in body.get("labels") or ()])
    return 200, rest.labels(item.labels)


@of_repo("POST", "/issues/{issue_number}/labels")
def _add_labels(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    _may_label(rest, login)
    item = rest.hub.issue(int(found[1]))
    rest.hub.replace_labels(login, item, [*item.labels, *(str(name) for name in body.get("labels") or ())])
    return 200, rest.labels(item.labels)


@of_repo("DELETE", "/issues/{issue_number}/labels/{name}")
def _take_label(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    _may_label(rest, login)
    item = rest.hub.issue(int(found[1]))
    if found[2] not in item.labels:
        raise Wrong(404, "Label does not exist")
    rest.hub.replace_labels(login, item, [name for name in item.labels if name != found[2]])
    return 200, rest.labels(item.labels)


def _may_label(rest: Rest, login: str) -> None:
    if rest.hub.permissions.get(login) not in (*_WRITERS, "triage"):
        raise Wrong(403, "Must have triage rights to Repository.")


@of_repo("GET", "/issues/{issue_number}/comments")
def _comments(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    number = rest.hub.issue(int(found[1])).number
    return 200, [rest.comment(comment) for comment in rest.hub.comments if comment["number"] == number]


@of_repo("POST", "/issues/{issue_number}/comments")
def _add_comment(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    made = rest.hub.comment(login, rest.hub.issue(int(found[1])), str(body.get("body") or ""))
    return 201, rest.comment(made)


@of_repo("GET", "/pulls")
def _pulls(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, [
        rest.pull(item, whole=False) for item in rest.listed([item for item in rest.hub.items.values() if item.head])
    ]


@of_repo("POST", "/pulls")
def _open_pull(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    rest.may_write(login)
    words = [str(body.get(name) or "") for name in ("title", "body", "head", "base")]
    return 201, rest.pull(rest.hub.open_pull(login, *words))


@of_repo("GET", "/pulls/{pull_number}")
def _pull(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, rest.pull(_pull_item(rest, found[1]))


@of_repo("PATCH", "/pulls/{pull_number}")
def _edit_pull(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    rest.may_write(login)
    item = _pull_item(rest, found[1])
    if item.merged_at and body.get("state") == "closed":
        return 200, rest.pull(item)
    if body.get("state") in ("open", "closed"):
        item.state, item.updated = str(body["state"]), rest.hub.now()
    for name in ("title", "body", "base"):
        if body.get(name):
            setattr(item, name, str(body[name]))
            item.updated = rest.hub.now()
    return 200, rest.pull(item)


@of_repo("PUT", "/pulls/{pull_number}/merge")
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


@of_repo("GET", "/git/ref/{ref}")
def _ref(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    sha = rest.hub.branch(found[1].removeprefix("heads/"))
    if not sha:
        raise Wrong(404, "Not Found")
    return 200, rest.git_ref(found[1], sha)


@of_repo("POST", "/statuses/{sha}")
def _status(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    rest.may_write(login)
    hub = rest.hub
    made = {"id": hub.next_id(), "sha": found[1], "by": login, "at": hub.now(), **body}
    hub.statuses.setdefault(found[1], []).append(made)
    return 201, rest.status(made)


@of_repo("GET", "/commits/{ref}/statuses")
def _statuses(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, [rest.status(made) for made in rest.hub.statuses.get(found[1], [])[::-1]]
