"""What no single key can tell about agents played by Claude Code: credentials and backends that fit together. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleet.config.yamlfile import Document, Path, Problem, shown

_ONLY_CLAUDE = ("mode", "permission_mode", "allowed_tools", "auth", "backend", "restart")
_FIELD_OF = {"key_helper": "command", "provider": "file", "login": "folder"}


def faults(document: Document) -> Iterator[Problem]:
    """Every fault, the fleet's own keys first."""
    fleet_backend = document.data.get("backend")
    yield from _auth(document, ("auth",), document.data.get("auth"), fleet_backend)
    yield from _backend(document, ("backend",), fleet_backend)
    rows = document.data.get("agents")
    for index, row in enumerate(rows if isinstance(rows, tuple) else ()):
        if not isinstance(row, dict):
            continue
        path: Path = ("agents", index)
        if row.get("vendor") != "claude-code":
            for key in _ONLY_CLAUDE:
                if key in row:
                    what = f"{key} is given and the vendor is {shown(row.get('vendor', 'scripted'))}"
                    yield Problem(document.key_spot((*path, key)), what, "vendor: claude-code, or no such key")
            continue
        yield from _auth(document, (*path, "auth"), row.get("auth"), row.get("backend", fleet_backend))
        yield from _backend(document, (*path, "backend"), row.get("backend"))
        if not row.get("auth") and not document.data.get("auth"):
            spot = document.value_spot((*path, "vendor"))
            yield Problem(spot, "vendor is claude-code and no auth is given", "auth: {kind: key_helper, command: […]}")


def _auth(document: Document, path: Path, auth: object, backend: object) -> Iterator[Problem]:
    """The field that a kind needs, no field of another kind, and a provider that knows such credentials."""
    if not isinstance(auth, dict):
        return
    kind = auth.get("kind")
    needed = _FIELD_OF.get(str(kind), "")
    if needed and not auth.get(needed):
        yield Problem(document.value_spot((*path, "kind")), f"kind is {kind} and there is no {needed}", f"{needed}: …")
    for key in ("command", "file", "folder", "profile"):
        if key in auth and key != needed and not (key == "profile" and kind == "provider"):
            yield Problem(document.key_spot((*path, key)), f"{key} is given and kind is {kind}", "no such key")
    cloud = _kind(backend) != "anthropic"
    if kind == "provider" and not cloud:
        expected = "backend: {kind: bedrock or vertex, …}"
        yield Problem(document.value_spot((*path, "kind")), "kind is provider and the backend is anthropic", expected)
    if kind in ("key_helper", "login") and cloud:
        what = f"kind is {kind} and the backend is {_kind(backend)}"
        yield Problem(document.value_spot((*path, "kind")), what, "provider, or none with a gateway")
    if kind == "none" and not _of(backend).get("base_url"):
        yield Problem(document.value_spot((*path, "kind")), "kind is none and no gateway is named", "backend.base_url")
    if kind == "login" and str(auth.get("folder", "")).rstrip("/").endswith("/.claude"):
        spot = document.value_spot((*path, "folder"))
        yield Problem(spot, "folder is a person's own ~/.claude", "a folder of its own, made with CLAUDE_CONFIG_DIR")


def _backend(document: Document, path: Path, backend: object) -> Iterator[Problem]:
    """Region and project where a provider needs them."""
    found = _of(backend)
    kind = _kind(backend)
    for key in {"bedrock": ("region",), "vertex": ("region", "project")}.get(kind, ()):
        if not found.get(key):
            yield Problem(document.value_spot((*path, "kind")), f"kind is {kind} and there is no {key}", f"{key}: …")


def _kind(backend: object) -> str:
    return str(_of(backend).get("kind", "anthropic"))


def _of(backend: object) -> Mapping[str, Any]:
    return backend if isinstance(backend, dict) else {}
