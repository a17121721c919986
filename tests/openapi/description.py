"""GitHub's own description of its API, out of the npm package that ``package-lock.json`` pins.

Of the package's 385 MB one file is needed, and of that the paths that the local GitHub serves; so ``npm pack`` brings
the archive, its digest is compared with the lock, and what is needed is kept in ``build/``, which git ignores.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from fleet.core.errors import FleetError
from fleet.process import run

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / "build" / "openapi"
_MEMBER = "package/generated/api.github.com.json"
_SECONDS = 180.0

Json = dict[str, Any]


class Missing(Exception):
    """The description cannot be had on this machine; the text says why."""


def pinned() -> tuple[str, str]:
    """Version and digest of the package."""
    locked = json.loads((HERE / "package-lock.json").read_text())["packages"]["node_modules/@octokit/openapi"]
    return locked["version"], locked["integrity"]


def description() -> Json:
    """The whole description without its examples, fetched once. Raises Missing where npm or the network is not."""
    version, integrity = pinned()
    KEPT.mkdir(parents=True, exist_ok=True)
    kept = KEPT / f"api.github.com-{version}.json"
    with (KEPT / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            fresh = kept.with_suffix(".new")
            fresh.write_text(json.dumps(_lean(_fetch(version, integrity))))
            fresh.rename(kept)
    found: Json = json.loads(kept.read_text())
    return found


def _fetch(version: str, integrity: str) -> Json:
    if shutil.which("npm") is None:
        raise Missing("npm is not on this machine")
    with tempfile.TemporaryDirectory() as folder:
        words = ("npm", "pack", "--silent", "--pack-destination", folder, f"@octokit/openapi@{version}")
        try:
            done = run(words, timeout=_SECONDS, env=dict(os.environ))
        except FleetError as error:
            raise Missing(f"npm cannot bring the package: {error.message}") from error
        archives = list(Path(folder).glob("*.tgz"))
        if not done.ok or len(archives) != 1:
            raise Missing(f"npm cannot bring the package: {done.error_text.strip()[:300]}")
        found = base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
        assert integrity == f"sha512-{found}", "the package is not the one that the lock names"
        with tarfile.open(archives[0]) as archive:
            member = archive.extractfile(_MEMBER)
            assert member is not None
            made: Json = json.load(member)
            return made


def _lean(found: Json) -> Json:
    """Paths and schemas, in the words of JSON schema: OpenAPI 3.0 has a word of its own for what may be null."""
    paths = {
        path: {
            method: {status: _schema_of(answer, found) for status, answer in operation.get("responses", {}).items()}
            for method, operation in methods.items()
            if isinstance(operation, dict)
        }
        for path, methods in found["paths"].items()
    }
    schemas = {name: _plain(schema) for name, schema in found["components"]["schemas"].items()}
    return {"paths": paths, "components": {"schemas": schemas}}


def _schema_of(answer: Json, found: Json) -> Any:
    if "$ref" in answer:
        answer = found["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    content = answer.get("content", {}).get("application/json", {})
    return _plain(content.get("schema"))


def _plain(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    left_out = ("nullable", "example", "examples")
    made = {key: _plain(value) for key, value in schema.items() if key not in left_out or isinstance(value, dict)}
    if schema.get("nullable") is not True:
        return made
    return {"anyOf": [made, {"type": "null"}]}


class Judge:
    """Compares answers with the description."""

    def __init__(self, found: Json) -> None:
        """Take the description."""
        self._found = found
        resource = Resource.from_contents(found, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource("urn:github", resource)

    def knows(self, method: str, template: str) -> bool:
        """Whether GitHub has such a path."""
        return method.lower() in self._found["paths"].get(template, {})

    def faults(self, method: str, template: str, status: int, body: Any) -> Iterable[str]:
        """What is wrong with an answer; nothing when GitHub could have given it."""
        answers = self._found["paths"].get(template, {}).get(method.lower())
        if answers is None:
            yield f"GitHub has no {method} {template}"
            return
        # Rights and absence are refused everywhere, and the description lists that only in places.
        usual = {"$ref": "#/components/schemas/basic-error"} if status in (403, 404) else None
        if str(status) not in answers and usual is None:
            yield f"{method} {template} is never answered with {status}"
        elif (schema := answers.get(str(status), usual)) is not None:
            schema = _absolute(schema)
            checker = Draft202012Validator(schema, registry=self._registry)
            for error in checker.iter_errors(body):
                yield f"{method} {template} {status}: {error.json_path}: {error.message[:200]}"


def _absolute(schema: Any) -> Any:
    """The same schema with references that say into which document."""
    if isinstance(schema, list):
        return [_absolute(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: f"urn:github{value}" if key == "$ref" and isinstance(value, str) else _absolute(value)
        for key, value in schema.items()
    }
