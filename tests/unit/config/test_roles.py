"""The role catalogue: complete, strict, and without a role that could pass its own work on."""

from __future__ import annotations

import itertools

import pytest

from fleet.config.roles import EVERYBODYS, INCOMPATIBLE, VERBS, load_roles, parse_role
from fleet.core.errors import ConfigError
from fleet.core.event import BUILTIN

ROLES = load_roles()

GOOD = """\
name: tester
department: quality
mission: Try things.
duties: [Try.]
must_never: [Push.]
verbs: [pr.review]
emits: [pr_approved, note]
expects: {"*": [pr_approved]}
reviewer: true
default_tier: sonnet
tier_reason: Enough for trying.
"""


def problems(text: str, name: str = "catalog/tester.yaml") -> tuple[str, ...]:
    """The faults of a role file."""
    with pytest.raises(ConfigError) as caught:
        parse_role(text.encode(), name)
    return caught.value.problems


def test_the_catalogue_holds_the_roles_of_the_chain() -> None:
    assert sorted(ROLES) == [
        "backend-developer",
        "developer",
        "docs-writer",
        "frontend-developer",
        "pr-reviewer",
        "qa-engineer",
        "release-manager",
        "tech-lead",
    ]
    assert [role.name for role in ROLES.values() if role.is_reviewer] == ["pr-reviewer", "qa-engineer", "tech-lead"]


@pytest.mark.parametrize("role", ROLES.values(), ids=lambda role: role.name)
def test_no_role_may_push_and_review_or_review_and_merge(role: object) -> None:
    verbs = role.verbs  # type: ignore[attr-defined]
    for pair in itertools.combinations(["pr.push", "pr.review", "pr.merge"], 2):
        assert not set(pair) <= verbs
    assert EVERYBODYS <= verbs <= set(VERBS) | EVERYBODYS


def test_a_role_expects_what_it_can_bring_about() -> None:
    assert ROLES["developer"].expected_after("ticket_ready") == ("pr_created", "pr_updated")
    assert ROLES["tech-lead"].expected_after("pr_needs_review") == ("pr_approved", "pr_changes_requested")
    assert ROLES["release-manager"].expected_after("pr_approved") == ("pr_merged", "pr_conflict")
    assert ROLES["docs-writer"].expected_after("ticket_shipped") == ("note",)
    for role in ROLES.values():
        assert role.emits <= set(BUILTIN)
        assert all("agent" in BUILTIN[event].producers for event in role.emits)


def test_events_of_verbs_are_emitted_only_by_roles_that_have_the_verb() -> None:
    for role in ROLES.values():
        assert ("pr_created" in role.emits) == ("pr.push" in role.verbs)
        assert ("pr_approved" in role.emits) == ("pr.review" in role.verbs)
        assert ("pr_merged" in role.emits) == ("pr.merge" in role.verbs)


def test_a_faulty_role_file_is_refused_with_every_fault() -> None:
    text = GOOD.replace("reviewer: true", "reviewer: false").replace("note]", "pr_conflict, nothing]")
    found = problems(text.replace("[pr.review]", "[pr.review, pr.merge]").replace("tester", "tester2"))
    assert [line.split(": ")[1] for line in found] == [
        "name is 'tester2', expected the name of the file without .yaml",
        "verbs hold pr.merge and pr.review, expected at most one of the two in a role",
        "emits holds 'pr_conflict', expected events that an agent may produce",
        "emits holds 'nothing', expected events that an agent may produce",
        "reviewer is false, expected true exactly where verbs hold pr.review",
    ]
    assert parse_role(GOOD.encode(), "catalog/tester.yaml").is_reviewer


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("mission", "missoin", "unknown key 'missoin'"),
        ("[pr.review]", "[pr.approve]", "verbs[0] is 'pr.approve'"),
        ("[pr_approved]", "[pr_merged]", "expects 'pr_merged'"),
        ("sonnet", "gpt", "default_tier is 'gpt', expected 'opus', 'sonnet' or 'haiku'"),
    ],
)
def test_a_role_file_is_read_strictly(old: str, new: str, expected: str) -> None:
    assert any(expected in line for line in problems(GOOD.replace(old, new, 1)))


def test_the_pairs_that_exclude_each_other_are_the_two_of_the_rules() -> None:
    assert set(INCOMPATIBLE) == {frozenset({"pr.push", "pr.review"}), frozenset({"pr.review", "pr.merge"})}
