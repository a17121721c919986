"""Budgets that no linter of ours knows: sizes, hidden imports, wide excepts, hosts of package indexes.

An exemption is one line in a table below: where, and why. One that nothing needs any more fails too.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {file.relative_to(ROOT).as_posix(): file for file in sorted((ROOT / "src").rglob("*.py"))}

MAX_FILE = 400
MAX_FUNCTION = 60

# Files that may import our own modules inside functions.
HIDDEN_IMPORTS = {
    "src/fleet/cli/entry.py": "the command table loads only the command that was asked for",
}

# Functions that may catch everything and go on; `file.py::function`, or a whole file.
WIDE_EXCEPTS = {
    "src/fleet/daemon/service.py": "the one loop: a service's bug must not end the others",
    "src/fleet/process.py": "a child is ended whatever went wrong",
    "src/fleet/store/db.py::_run_one": "a transaction's failure belongs to its caller, not to the writer thread",
}

# Built from pieces, so that this file names none of them.
INDEX_HOSTS = [
    ".".join(pieces)
    for pieces in (
        ("py" + "pi", "org"),
        ("python" + "hosted", "org"),
        ("npm" + "js", "org"),
        ("npm" + "js", "com"),
        ("yarn" + "pkg", "com"),
        ("ana" + "conda", "org"),
        ("crates", "io"),
        ("ruby" + "gems", "org"),
        ("deb", "deb" + "ian", "org"),
        ("archive", "ubu" + "ntu", "com"),
        ("proxy", "go" + "lang", "org"),
        ("maven", "apache", "org"),
    )
]
NOT_OURS = {".git", ".venv", "__pycache__", "node_modules", "build", "dist"}


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Every source file, parsed."""
    for name, file in SOURCES.items():
        yield name, ast.parse(file.read_text(encoding="utf-8"), name)


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function, methods and inner ones included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def our_files() -> Iterator[Path]:
    """Every file of the checkout except what git, tools and builds keep there."""
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [name for name in inner if name not in NOT_OURS and not name.endswith("_cache")]
        inner[:] = [name for name in inner if not name.startswith((".venv", ".hypothesis"))]
        yield from (Path(folder, name) for name in names)


def test_files_are_short() -> None:
    lengths = {name: len(file.read_text(encoding="utf-8").splitlines()) for name, file in SOURCES.items()}
    assert {name: length for name, length in lengths.items() if length > MAX_FILE} == {}


def test_functions_are_short() -> None:
    long = {
        f"{name}::{function.name}": length
        for name, tree in trees()
        for function in functions(tree)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > MAX_FUNCTION
    }
    assert long == {}


def test_every_module_says_why_it_exists() -> None:
    assert [name for name, tree in trees() if not (ast.get_docstring(tree) or "").strip()] == []


def hidden_imports(tree: ast.Module) -> Iterator[int]:
    """Lines inside functions that import our own modules."""
    for function in functions(tree):
        for node in ast.walk(function):
            ours = (isinstance(node, ast.ImportFrom) and (node.level or is_ours(node.module or ""))) or (
                isinstance(node, ast.Import) and any(is_ours(alias.name) for alias in node.names)
            )
            if ours and isinstance(node, ast.stmt):
                yield node.lineno


def is_ours(module: str) -> bool:
    """Whether a dotted name is in our package."""
    return module.split(".")[0] == "fleet"


def test_no_import_is_hidden_in_a_function() -> None:
    found = {name: lines for name, tree in trees() if (lines := sorted(set(hidden_imports(tree))))}
    assert {name: lines for name, lines in found.items() if name not in HIDDEN_IMPORTS} == {}
    assert [name for name in HIDDEN_IMPORTS if name in SOURCES and name not in found] == [], "not needed any more"


def wide_excepts(tree: ast.Module) -> Iterator[str]:
    """Functions that catch everything, except to clean up and pass it on."""
    for function in functions(tree):
        for node in ast.walk(function):
            swallows = isinstance(node, ast.ExceptHandler) and is_wide(node.type) and not passes_on(node)
            if swallows or (isinstance(node, ast.Call) and is_suppress_all(node)):
                yield function.name


def is_wide(kind: ast.expr | None) -> bool:
    """Whether an except clause names nothing, or everything."""
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(k is None or (isinstance(k, ast.Name) and k.id in {"Exception", "BaseException"}) for k in kinds)


def passes_on(handler: ast.ExceptHandler) -> bool:
    """Whether the handler's last statement is a bare ``raise``."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def is_suppress_all(call: ast.Call) -> bool:
    """Whether this is ``contextlib.suppress`` of everything."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    return name == "suppress" and any(is_wide(argument) for argument in call.args)


def test_everything_is_caught_only_where_it_is_agreed() -> None:
    found = {f"{name}::{function}" for name, tree in trees() for function in wide_excepts(tree)}
    allowed = {place for place in found if place in WIDE_EXCEPTS or place.split("::")[0] in WIDE_EXCEPTS}
    assert sorted(found - allowed) == [], "catch what you expect, or add a line with its reason to WIDE_EXCEPTS"
    used = allowed | {place.split("::")[0] for place in found}
    files = ("src/fleet/daemon/service.py", "src/fleet/process.py")
    assert sorted(set(WIDE_EXCEPTS) - used - set(files)) == [], "not needed any more"


def test_no_file_names_the_host_of_a_package_index() -> None:
    pattern = re.compile(b"|".join(re.escape(host.encode()) for host in INDEX_HOSTS))
    named = {
        file.relative_to(ROOT).as_posix(): match[0].decode()
        for file in our_files()
        if (match := pattern.search(file.read_bytes()))
    }
    assert named == {}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f():\n try: g()\n except Exception: pass", ["f"]),
        ("def f():\n try: g()\n except: pass", ["f"]),
        ("def f():\n try: g()\n except (OSError, BaseException): pass", ["f"]),
        ("def f():\n with suppress(Exception): g()", ["f"]),
        ("def f():\n try: g()\n except BaseException:\n  h()\n  raise", []),
        ("def f():\n try: g()\n except OSError: pass", []),
    ],
)
def test_the_search_for_wide_excepts(source: str, expected: list[str]) -> None:
    assert list(wide_excepts(ast.parse(source))) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f():\n from fleet.core import clock", [2]),
        ("def f():\n import fleet.store", [2]),
        ("def f():\n from . import x", [2]),
        ("def f():\n import json", []),
        ("from fleet.core import clock", []),
    ],
)
def test_the_search_for_hidden_imports(source: str, expected: list[int]) -> None:
    assert list(hidden_imports(ast.parse(source))) == expected
