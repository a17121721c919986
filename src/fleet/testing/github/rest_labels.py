"""The answers about the labels that a repository keeps. As at GitHub a name is found whatever its case."""

from __future__ import annotations

import re

from fleet.testing.github.hub import Json, Wrong
from fleet.testing.github.rest import ROUTES, Answer, Rest, of_repo


@of_repo("GET", "/labels")
def _kept(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    return 200, rest.labels(sorted(rest.hub.labels))


@of_repo("POST", "/labels")
def _make(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    rest.may_write(login)
    name = str(body.get("name") or "")
    if rest.hub.kept_name(name):
        raise Wrong(422, "Validation Failed", [{"resource": "Label", "code": "already_exists", "field": "name"}])
    rest.hub.labels[name] = _facts(body)
    return 201, rest.labels([name])[0]


@of_repo("PATCH", "/labels/{name}")
def _change(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    rest.may_write(login)
    name = rest.hub.kept_name(found[1])
    if not name:
        raise Wrong(404, "Not Found")
    rest.hub.labels[name] = rest.hub.labels[name] | _facts(body)
    return 200, rest.labels([name])[0]


@of_repo("DELETE", "/labels/{name}")
def _delete(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    rest.may_write(login)
    name = rest.hub.kept_name(found[1])
    if not name:
        raise Wrong(404, "Not Found")
    del rest.hub.labels[name]
    for item in rest.hub.items.values():
        rest.hub.replace_labels(login, item, [one for one in item.labels if one != name])
    return 204, None


def _facts(body: Json) -> Json:
    return {key: str(body[key]) for key in ("color", "description") if body.get(key)}


HERE = frozenset(one.template for one in ROUTES if one.handler.__module__ == __name__)
