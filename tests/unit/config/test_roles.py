"""A role file: strict, without a role that could pass its own work on, and never with more than the one it extends."""

from __future__ import annotations

import itertools

import pytest

from fleet.config.roles import INCOMPATIBLE, Role, parse_role
from fleet.core.errors import ConfigError

GOOD = """\
name: tester
department: quality
mission: Try things.
owns: [Trying.]
duties: [Try.]
must_never: [Push.]
verbs: [pr.review]
hears: pr_needs_review
emits: [pr_approved, note]
expects: {"*": [pr_approved]}
commands: ["@look", make test]
paths: {write: [docs/**], never: [docs/api/**]}
skill: review
default_tier: sonnet
tier_reason: Enough for trying.
budget_seconds: 100
examples: [Try this., Try that.]
"""
CHILD = """\
name: child
extends: tester
mission: Try small things.
owns: [Trying small.]
duties: [Try it twice.]
examples: [Try a comma., Try a dot.]
"""


def parse(text: str, name: str = "catalog/tester.yaml") -> Role:
    return parse_role(text.encode(), name)


def child(more: str = "", text: str = CHILD) -> Role:
    """A role that extends the good one."""
    base = parse(GOOD)
    return parse_role((text + more).encode(), "catalog/child.yaml", lambda _name: base)


def problems(text: str, name: str = "catalog/tester.yaml") -> tuple[str, ...]:
    """The faults of a role file."""
    with pytest.raises(ConfigError) as caught:
        parse(text, name)
    return caught.value.problems


def test_a_role_is_read() -> None:
    role = parse(GOOD)
    assert role.is_reviewer
    assert role.expected_after("pr_needs_review") == ("pr_approved",)
    assert role.scope.may_run(["make", "test"])
    assert role.scope.may_run(["git", "diff", "--stat"])
    assert not role.scope.may_run(["git", "push"])
    assert role.scope.may_write("docs/a.md")
    assert not role.scope.may_write("docs/api/a.md")
    assert (role.hears, role.file) == (("pr_needs_review",), "catalog/tester.yaml")


def test_a_faulty_role_file_is_refused_with_every_fault() -> None:
    text = GOOD.replace("note]", "pr_conflict, nothing, pr_merged]").replace("hears: pr_needs_review", "hears: [nope]")
    found = problems(text.replace("[pr.review]", "[pr.review, pr.merge]").replace("tester", "tester2"))
    assert [line.split(": ", 1)[1] for line in found] == [
        "name is 'tester2', expected the name of the file without .yaml",
        "verbs hold pr.merge and pr.review, expected at most one of the two in a role",
        "hears holds 'nope', expected events of the Fabric",
        "emits holds events of author, reviewer or merger together, expected those of one of them",
        "emits holds 'nothing', expected events that an agent may produce",
        "emits holds 'pr_conflict', expected events that an agent may produce",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("mission", "missoin", "unknown key 'missoin'"),
        ("[pr.review]", "[pr.approve]", "verbs[0] is 'pr.approve'"),
        ("[pr_approved]", "[pr_merged]", "expects 'pr_merged'"),
        ('"*"', "pr_ready", "expects something after 'pr_ready'"),
        ("sonnet", "gpt", "default_tier is 'gpt', expected 'opus', 'sonnet' or 'haiku'"),
        ("skill: review\n", "", "skill is missing, expected a value for it, or a role to take it from"),
        ("tier_reason: Enough for trying.\n", "", "default_tier stands alone"),
        ("make test", "make; rm", "command 'make; rm', expected a program's own name first"),
        ("@look", "@loook", "command '@loook', expected one of the sets @look"),
        ("docs/**]", "docs/../x]", "path 'docs/../x', expected parts of letters"),
        ("docs/api/**", "/docs", "path '/docs', expected a relative path without empty parts"),
        ("budget_seconds: 100", "budget_seconds: 0", "budget_seconds is 0, expected a number greater than 0"),
        ("examples: [Try this., Try that.]", "examples: [One.]", "there is one example, expected at least two"),
        ("department: quality", "widens: For fun.", "widens without extends"),
        ("[pr.review]", "[fabric.publish]", "emits holds pr_approved and pr.review is not there, expected both"),
        ("[pr_approved, note]", "[note]", "verbs hold pr.review and pr_approved is not there, expected both"),
        ("skill: review", "skill: develop", "skill is 'develop' for verbs ['pr.review'], expected review"),
        ("make test", "fleet approve **", "command 'fleet approve **', expected a command of fleet that one of the"),
        ("make test", "fleet **", "command 'fleet **', expected a command of fleet that one of the sets holds"),
        ("department: quality", "extends: developer", "extends is not possible here"),
    ],
)
def test_a_role_file_is_read_strictly(old: str, new: str, expected: str) -> None:
    assert any(expected in line for line in problems(GOOD.replace(old, new, 1))), problems(GOOD.replace(old, new, 1))


def test_what_a_role_does_not_say_it_takes_over_and_a_ban_is_never_lost() -> None:
    role = child("must_never: [Shout.]\n")
    base = parse(GOOD)
    assert (role.department, role.verbs, role.hears, role.emits) == ("quality", base.verbs, base.hears, base.emits)
    assert role.must_never == ("Shout.", "Push.")
    assert role.scope == base.scope
    assert role.duties == ("Try it twice.",), "its own duties stand in place of those of its base"
    assert role.digest != base.digest
    narrower = child("paths: {write: [docs/**], never: [docs/old/**]}\n")
    assert narrower.scope.never == ("docs/old/**", "docs/api/**")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("verbs: [pr.review, fabric.publish]\n", "verbs hold fabric.publish, expected no more than tester may"),
        ("emits: [pr_approved, note, decision]\n", "emits holds decision"),
        ("commands: [make test, make install]\n", "commands allow 'make install'"),
        ("paths: {write: [docs/**, src/**]}\n", "paths.write holds 'src/**'"),
    ],
)
def test_a_role_may_do_no_more_than_the_one_it_extends_unless_it_says_why(more: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        child(more)
    assert expected in caught.value.problems[0]
    assert child(more + "widens: It has to, and here is why.\n").widens


def test_a_narrower_pattern_is_covered_by_a_wider_one() -> None:
    assert child("commands: [git diff --stat, 'cat **']\npaths: {write: [docs/help/**, docs/a.md]}\n").widens == ""


def test_pushing_reviewing_and_merging_exclude_one_another() -> None:
    calls = ("pr.push", "pr.review", "pr.merge")
    assert set(INCOMPATIBLE) == {frozenset(pair) for pair in itertools.combinations(calls, 2)}
