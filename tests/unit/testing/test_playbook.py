"""Playbooks are data: read strictly, with every fault at its place, and only the known placeholders change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.errors import ConfigError
from fleet.testing.playbook import PLACEHOLDERS, fill, parse_playbook

GOOD = """\
version: 1
rules:
  - on: [ticket_ready]
    attempt: 2
    do:
      - exit: 3
  - on: pr_changes_requested
    round: 2
    do:
      - say: again
  - on: [ticket_ready, pr_changes_requested]
    do:
      - say: hello
      - write: {path: a.txt, text: "x"}
      - run: {argv: [python3, -c, "pass"]}
      - merge
      - merge_base
      - publish: {event: qa_passed, summary: fine, payload: {n: 1}}
      - ask: {question: "which?", wait_seconds: 60}
      - inbox: {wait_for: answer, wait_seconds: 60, path: b.md}
      - handoff: {to: tech-lead, summary: yours}
      - blocker: stuck
      - task: Write the guide
      - claim: {title: Write the guide, lease_seconds: 30}
      - complete
      - release
      - artifact: c.md
"""


def problems(text: str) -> list[str]:
    """The faults of a playbook, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        parse_playbook(text.encode(), "p.yaml")
    assert caught.value.code == "FLT-CFG-010"
    return [line.removeprefix("p.yaml:") for line in caught.value.problems]


def test_the_first_rule_that_fits_is_played() -> None:
    playbook = parse_playbook(GOOD.encode(), "p.yaml")
    first = playbook.rule_for("ticket_ready", 2, 1)
    assert first is not None
    assert [step.verb for step in first.steps] == ["exit"]
    again = playbook.rule_for("pr_changes_requested", 1, 2)
    assert again is not None
    assert again.steps[0].args == {"text": "again"}
    rest = playbook.rule_for("ticket_ready", 1, 1)
    assert rest is not None
    assert rest.steps[2].args == {"argv": ("python3", "-c", "pass"), "timeout_seconds": 120, "expect": "ok"}
    assert rest.steps[4].args == {"take": {}}
    assert playbook.rule_for("pr_approved", 1, 1) is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("version: 1", "version: 2", "1:10: version is 2, expected 1"),
        ("wait_for: answer", "wait_for: question", "20:27: inbox wait_for is 'question'"),
        ("path: b.md}", "path: ../b.md}", "20:59: inbox path is '../b.md', expected a relative path inside the clone"),
        ("path: b.md}", "path: b.md, ack: 1}", "20:70: inbox ack is 1, expected true or false"),
        (
            "lease_seconds: 30",
            "lease_seconds: 0",
            "24:56: claim lease_seconds is 0, expected a whole number from 1 to 86400",
        ),
        ("lease_seconds: 30", "expect: maybe", "24:49: claim expect is 'maybe', expected one of won, lost"),
        ("version: 1", "verison: 1", "1:1: unknown key 'verison', expected one of rules, version"),
        ("on: [ticket_ready]\n", "on: [Ticket]\n", "3:9: on is a list, expected an event name or a list of them"),
        ("attempt: 2", "attempt: 0", "4:14: attempt is 0, expected a whole number from 1 to 1000"),
        ("attempt: 2", "tries: 2", "4:5: unknown key 'tries', expected one of attempt, do, on, round"),
        ("exit: 3", "exit: 256", "6:15: exit code is 256, expected a whole number from 0 to 255"),
        ("exit: 3", "explode: 3", "6:9: unknown step 'explode', expected one of say, write, append"),
        ("exit: 3", "exit: 3\n        say: x", "6:9: a step is a mapping, expected one of say"),
        ("path: a.txt", "path: /etc/passwd", "14:23: write path is '/etc/passwd', expected a relative path inside"),
        ("path: a.txt", "path: ../x", "14:23: write path is '../x', expected a relative path inside"),
        ("path: a.txt", "path: .git/config", "14:23: write path is '.git/config', expected a relative path inside"),
        ("path: a.txt, ", "", "14:16: write has no path, expected a value for it"),
        ("path: a.txt", "file: a.txt, path: a.txt", "14:23: unknown argument 'file', expected one of path, text"),
        ('[python3, -c, "pass"]', "python3 -c pass", "15:21: run argv is 'python3 -c pass', expected a list of words"),
        ("event: qa_passed", "event: Qa", "18:26: publish event is 'Qa', expected an event name"),
        ("summary: fine", "summary: 1", "18:46: publish summary is 1, expected one line of text"),
    ],
)
def test_a_fault_is_named_with_line_column_and_what_was_expected(old: str, new: str, expected: str) -> None:
    assert GOOD.count(old) == 1
    found = problems(GOOD.replace(old, new))
    assert any(line.startswith(expected) for line in found), found


@pytest.mark.parametrize(
    "text", ["", "version: 1", "version: 1\nrules: []", "version: 1\nrules: [3]", "a: [", "rules: {}"]
)
def test_what_is_no_playbook_is_refused_in_words(text: str) -> None:
    assert problems(text)


def test_only_known_placeholders_are_filled_in() -> None:
    values = {name: name.upper() for name in PLACEHOLDERS}
    assert fill("{ticket} {pr} {head} {round} {agent}", values) == "TICKET PR HEAD ROUND AGENT"
    assert fill('f"{name}" {title} {{}} {0} %s $x', values) == 'f"{name}" {title} {{}} {0} %s $x'


@given(st.text(), st.sampled_from(PLACEHOLDERS))
def test_a_value_is_never_read_as_a_placeholder_again(text: str, name: str) -> None:
    values = dict.fromkeys(PLACEHOLDERS, "") | {name: text}
    assert fill(f"<{{{name}}}>", values) == f"<{text}>"
