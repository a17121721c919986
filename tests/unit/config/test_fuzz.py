"""Whatever stands in the file, only a ConfigError comes out, and soon."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.config.catalogue import load_roles
from fleet.config.loader import parse_config
from fleet.config.yamlfile import SIZE_LIMIT
from fleet.core.errors import ConfigError
from fleet.testing.rings import examples

ROLES = load_roles()
SEED = b"""\
version: 1
owner: ann
required_label: fleet
max_concurrent: 4
retry: {attempts: 3, backoff_seconds: 2}
protected_paths: [src/, "a b"]
agents:
  - name: dev
    role: developer
    subscribes_to: [ticket_ready, pr_changes_requested]
    may_start: [lead]
  - {name: lead, role: tech-lead, subscribes_to: pr_needs_review, publishes: [qa_passed], reports_to: dev}
"""

_SPLICES = r"""
\0 \t \r \n -\x20 :\x20 ?\x20 &a\x20 *a !!python/name:os.system\x20 <<:\x20 ---\n ...\n %YAML\x201.1\n { } [ ] ' "
|\n >\n # \xff \xf0\x9f\x98\x80 \xe2\x80\xae \xc2\x85 "\\ud800" 1e999 0x - ~ null .nan @ ` 99999999999999999999
version:\x201\n agents:\x203\n \x20\x20-\x20name:\x20dev\n name:\x20[[]]\n role:\x20{}\n \x20\x20\x20
"""
SPLICES = st.sampled_from([word.encode().decode("unicode_escape").encode("latin-1") for word in _SPLICES.split()])
EDITS = st.lists(st.tuples(st.integers(0, len(SEED)), st.integers(0, 30), SPLICES | st.binary(max_size=8)), max_size=6)


def survives(data: bytes) -> float:
    """Parse; anything but success or ConfigError fails the test. Returns the seconds it took."""
    started = time.monotonic()
    problems: tuple[str, ...] = ()
    try:
        parse_config(data, name="c.yaml", roles=ROLES)
    except ConfigError as error:
        problems = error.problems or ("no problem is named",)
    for line in problems:
        assert re.match(r"c\.yaml:[1-9][0-9]*:[1-9][0-9]*: .", line), line
        assert line.isprintable(), line
    return time.monotonic() - started


@settings(max_examples=examples(150, 400), deadline=None)
@given(EDITS)
def test_a_mutated_configuration_is_accepted_or_refused_in_words(edits: list[tuple[int, int, bytes]]) -> None:
    data = SEED
    for place, length, splice in edits:
        data = data[:place] + splice + data[place + length :]
    assert survives(data) < 5  # with slack for a busy machine; typically a hundredth of it


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["version", "agents", "name", "role", "subscribes_to", "publishes", "retry", "reports_to", "may_start", "base"]


@settings(max_examples=examples(25, 80), deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), st.one_of(JSON, st.lists(st.dictionaries(st.sampled_from(KEYS), JSON)))))
def test_any_value_at_any_key_is_accepted_or_refused_in_words(data: dict[str, object]) -> None:
    survives(_as_yaml(data).encode("utf-8", "replace"))


def _as_yaml(value: object) -> str:
    """Flow style YAML of plain data."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_as_yaml(key)}: {_as_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_as_yaml(item) for item in value) + "]"
    if isinstance(value, str):
        return '"' + "".join(char if char.isalnum() else f"\\U{ord(char):08x}" for char in value) + '"'
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "data",
    [
        b"[" * SIZE_LIMIT,
        b"a: " + b"!" * 9000,
        b"- a\n" * (SIZE_LIMIT // 4),
        b"a: |\n" + b" x\n" * (SIZE_LIMIT // 4),
        b'"' + b"a\n" * (SIZE_LIMIT // 4),
        b"".join(b" " * depth + b"a:\n" for depth in range(1000)),
        b"agents:\n" + b"".join(b"- {name: a%d, role: x, reports_to: a%d}\n" % (n, n + 1) for n in range(9000)),
    ],
    ids=["brackets", "tags", "list", "block", "quote", "indents", "agents"],
)
def test_a_file_made_to_be_slow_is_refused_within_seconds(data: bytes) -> None:
    assert survives(data[:SIZE_LIMIT]) < 20  # with slack; the worst takes about two
