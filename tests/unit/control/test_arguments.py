"""Arguments of calls: what is taken, and that everything else is refused before anything happens."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.control.arguments import BODY_LIMIT, TITLE_LIMIT, checked, parse_payload, verb_named
from fleet.control.verbs import VERBS
from fleet.core.errors import UsageError
from fleet.core.journal import PAYLOAD_LIMIT

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


def refused(verb: str, **args: object) -> str:
    """The code with which a call is refused."""
    with pytest.raises(UsageError) as caught:
        checked(verb_named(verb), args)
    assert caught.value.exit_code == 2
    return caught.value.code


def test_an_unknown_verb_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        verb_named("pr.approve_everything")
    assert caught.value.code == "FLT-CTL-001"


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_unknown_arguments_are_refused(verb: str) -> None:
    assert refused(verb, sender="tech-lead") == "FLT-CTL-002"


@pytest.mark.parametrize("verb", sorted(verb.name for verb in VERBS.values() if any(arg.required for arg in verb.args)))
def test_missing_arguments_are_refused(verb: str) -> None:
    assert refused(verb) == "FLT-CTL-002"


@given(st.sampled_from(sorted(VERBS)), st.data())
def test_any_value_is_taken_or_refused_as_a_usage_error(verb: str, data: st.DataObject) -> None:
    row = VERBS[verb]
    args = {arg.name: data.draw(ANYTHING) for arg in row.args if data.draw(st.booleans())}
    try:
        values = checked(row, args)
    except UsageError:
        return
    assert set(values) == {arg.name for arg in row.args}


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("ticket.create", {"title": "x" * (TITLE_LIMIT + 1)}),
        ("ticket.create", {"title": ""}),
        ("ticket.create", {"title": "   "}),
        ("ticket.create", {"title": "two\nlines"}),
        ("ticket.create", {"title": "nul\0"}),
        ("ticket.create", {"title": "half \ud800"}),
        ("ticket.create", {"title": 7}),
        ("ticket.create", {"title": "t", "body": "x" * (BODY_LIMIT + 1)}),
        ("ticket.create", {"title": "t", "body": "é" * (BODY_LIMIT // 2 + 1)}),
        ("ticket.create", {"title": "t", "body": "nul\0"}),
        ("ticket.create", {"title": "t", "labels": "ready"}),
        ("ticket.create", {"title": "t", "labels": ["а" * 3]}),  # Cyrillic
        ("ticket.create", {"title": "t", "labels": ["x" * 51]}),
        ("ticket.create", {"title": "t", "labels": [f"l{n}" for n in range(21)]}),
        ("ticket.show", {"number": "7"}),
        ("ticket.show", {"number": True}),
        ("ticket.show", {"number": 0}),
        ("ticket.show", {"number": 7.0}),
        ("ticket.show", {"number": 2**60}),
        ("pr.review", {"number": 1, "verdict": "APPROVE"}),
        ("pr.review", {"number": 1, "verdict": "approve", "head": "abc"}),
        ("pr.review", {"number": 1, "verdict": "approve", "head": "A" * 40}),
        ("pr.push", {"ref": "--upload-pack=touch /tmp/x"}),
        ("pr.push", {"ref": "ext::sh -c id"}),
        ("agent.stop", {"name": "../x"}),
        ("agent.pause", {"name": "developer", "reason": ""}),
        ("agent.show", {"name": ""}),
        ("agent.start", {"name": "developer", "subject": "pr/08"}),
        ("agent.start", {"name": "developer", "subject": "agent/x/../y"}),
        ("fabric.publish", {"event": "PR_APPROVED"}),
        ("fabric.publish", {"event": "run.started"}),
        ("fabric.publish", {"kind": "gossip"}),
        ("fabric.publish", {"event": "note", "summary": "x" * 501}),
        ("fabric.publish", {"event": "note", "subject": "ticket/-1"}),
        ("log", {"limit": 0}),
        ("log", {"limit": 10_001}),
        ("log", {"wait_seconds": float("nan")}),
        ("log", {"wait_seconds": 61}),
        ("log", {"since": -1}),
        ("log", {"since": None}),
    ],
)
def test_wrong_values_are_refused(verb: str, args: dict[str, object]) -> None:
    assert refused(verb, **args) == "FLT-CTL-003"


def test_a_title_may_hold_any_writing() -> None:
    title = "修复 the ‮bug‬ 👩‍💻; rm -rf / $(x)"
    assert checked(verb_named("ticket.create"), {"title": title})["title"] == title


def test_defaults_are_filled_in() -> None:
    assert checked(verb_named("log"), {}) == {
        "since": 0, "agent": "", "type": "", "ticket": 0, "pr": 0, "after": 0, "limit": 200, "wait_seconds": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "7",
        '"x"',
        "null",
        "{",
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 1}}',
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": 1e999}',
        '{"a": "\\ud800"}',
        '{"a": "\\u0000"}',
        '{"\\u0000": 1}',
        '{"a": ' + "9" * 5000 + "}",
        '{"a":' * 100_00 + "1" + "}" * 100_00,
        "{'a': 1}",
        '{"a": 1} x',
    ],
)
def test_a_payload_that_is_not_one_plain_object_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_payload(text)
    assert caught.value.code == "FLT-FAB-001"


def test_a_payload_may_be_as_large_as_the_journal_allows_and_no_larger() -> None:
    fits = json.dumps({"a": "x" * (PAYLOAD_LIMIT - 10)})
    assert parse_payload(fits) == json.loads(fits)
    with pytest.raises(UsageError) as caught:
        parse_payload(json.dumps({"a": "x" * PAYLOAD_LIMIT}))
    assert caught.value.code == "FLT-FAB-002"


def test_no_payload_is_an_empty_one() -> None:
    assert parse_payload("") == {}


def test_a_backslash_before_u0000_is_text_and_no_nul() -> None:
    assert parse_payload('{"a": "\\\\u0000"}') == {"a": "\\u0000"}


@given(st.text())
def test_any_payload_text_is_an_object_or_a_usage_error(text: str) -> None:
    try:
        assert isinstance(parse_payload(text), dict)
    except UsageError:
        return
