"""Code and reference pages agree, both ways: nothing undocumented, nothing documented that does not exist."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from fleet.core.agent import AgentState
from fleet.core.approval import ApprovalState
from fleet.core.board import BlockerState, MailState, QuestionState, TaskState
from fleet.core.catalogue import CATALOGUE
from fleet.core.catalogue.causes import AREAS, CAUSES
from fleet.core.event import BUILTIN
from fleet.core.probe import POINTS
from fleet.core.work import DeliveryState, RunState
from fleet.store.migrate import shipped

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "fleet"
CODE = re.compile(r"FLT-[A-Z]{3,4}-\d{3}")


def modules() -> Iterator[tuple[Path, str]]:
    """Every module of the source with its text."""
    for path in sorted(SOURCE.rglob("*.py")):
        yield path, path.read_text("utf-8")


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """The generator of the reference pages."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_pages_are_current(reference: ModuleType) -> None:
    assert list(reference.stale()) == [], "run: .venv/bin/python scripts/reference.py"


def test_every_type_that_is_appended_is_registered_and_every_registered_type_is_used() -> None:
    used: set[str] = set()
    for path, text in modules():
        if path.name == "event.py" and path.parent.name == "core":
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Draft":
                kind = node.args[1] if len(node.args) > 1 else None
                if isinstance(kind, ast.Constant):
                    assert kind.value in BUILTIN, f"{path}:{node.lineno} appends an unregistered type"
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.add(node.value)
    for state in RunState:
        used.add(f"run.{state}")  # a run's last entry is named by its state
    for path in sorted((SOURCE / "config" / "catalog").glob("*.yaml")):
        used.update(re.findall(r"[a-z]+(?:_[a-z]+)*", path.read_text("utf-8")))
    assert set(BUILTIN) - used == set(), "registered, but nothing produces it"


def test_every_error_code_in_the_source_is_explained_and_every_explained_code_is_used() -> None:
    raised: dict[str, set[str]] = {}
    for path, text in modules():
        if path.parent.name == "catalogue":
            continue
        for code in CODE.findall(text):
            raised.setdefault(code, set()).add(str(path.relative_to(SOURCE)))
    assert set(raised) - set(CATALOGUE) == set(), "used without an explanation"
    assert set(CATALOGUE) - set(raised) == set(), "explained, but never used"


def test_every_error_code_in_the_source_is_named_by_a_test() -> None:
    """A code is a promise about behaviour; the test that trips it is where the promise is kept."""
    raised: set[str] = set()
    tested: set[str] = set()
    for path, text in modules():
        room = path.relative_to(SOURCE).parts[0]
        if room == "testing":  # the contract suites are tests that live in the package
            if path.name.endswith("_contract.py"):
                tested.update(CODE.findall(text))
        elif path.parent.name != "catalogue":
            raised.update(CODE.findall(text))
    for path in sorted((ROOT / "tests").rglob("*.py")):
        tested.update(CODE.findall(path.read_text("utf-8")))
    assert sorted(raised - tested) == [], "a code that no test trips: write one that makes it happen"


def test_every_area_of_codes_is_described_and_every_cause_belongs_to_a_code() -> None:
    used = {code.split("-")[1] for code in CATALOGUE}
    assert used - set(AREAS) == set(), "add a row to core/catalogue/causes.py"
    assert set(AREAS) - used == set(), "no code of this area is left in the catalogue"
    assert set(CAUSES) - set(CATALOGUE) == set(), "a cause in core/catalogue/causes.py without a code"


def test_every_crash_point_is_in_the_code_exactly_where_it_is_named() -> None:
    found: list[str] = []
    for path, text in modules():
        if path.name == "probe.py":
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "probe":
                (argument,) = node.args
                assert isinstance(argument, ast.Constant), f"{path}:{node.lineno} needs a literal name"
                found.append(str(argument.value))
    assert set(found) == set(POINTS)


def test_the_schema_repeats_the_states_of_the_code() -> None:
    text = " ".join(item.sql for item in shipped())

    def listed(table: str) -> set[str]:
        body = re.search(rf"CREATE TABLE {table} \((.*?)\) STRICT;", text, re.DOTALL)
        assert body is not None
        states = re.search(r"state\s+TEXT NOT NULL\s+CHECK \(state IN \(([^)]*)\)", body.group(1))
        assert states is not None
        return set(re.findall(r"'([a-z_]+)'", states.group(1)))

    assert listed("deliveries") == set(DeliveryState)
    assert listed("runs") == set(RunState)
    assert listed("agents") == set(AgentState)
    assert listed("approvals") == set(ApprovalState)
    assert listed("tasks") == set(TaskState)
    assert listed("inbox") == set(MailState)
    assert listed("questions") == set(QuestionState)
    assert listed("blockers") == set(BlockerState)
