"""The grammar of what a role may run and change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.config.scope import (
    Scope,
    command_covered,
    command_fault,
    command_matches,
    path_covered,
    path_fault,
    path_matches,
)


@pytest.mark.parametrize(
    ("pattern", "argv", "expected"),
    [
        ("git diff **", "git diff", True),
        ("git diff **", "git diff --stat main", True),
        ("git diff **", "git", False),
        ("git diff **", "git -c x=y diff", False),
        ("git diff", "git diff main", False),
        ("npm run test*", "npm run test:unit", True),
        ("npm run test*", "npm run test:unit --watch", False),
        ("npm run *", "npm run", False),
        ("./dev **", "./dev lint", True),
        ("./dev **", "dev lint", False),
        ("pwd", "pwd", True),
    ],
)
def test_a_command_is_compared_word_by_word(pattern: str, argv: str, expected: bool) -> None:
    assert command_fault(pattern) == ""
    assert command_matches(pattern, argv.split()) is expected


def test_only_the_star_means_something_in_a_word() -> None:
    assert not command_matches("make t?st", ["make", "test"])
    assert command_matches("make a*c", ["make", "a[b]c"])
    assert not command_matches("git diff **", ["git", "diff;rm", "x"])
    assert not command_matches("**", [])


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        " git",
        "git  diff",
        "* diff",
        "/bin/ls **",
        "../x",
        "git ** diff",
        "git a**",
        "git a|b",
        "git $HOME",
        "g" * 201,
    ],
)
def test_a_faulty_command_pattern_is_named(pattern: str) -> None:
    assert command_fault(pattern)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("**", "a", True),
        ("**", "a/b/c", True),
        ("docs/**", "docs/a/b.md", True),
        ("docs/**", "docs", False),
        ("docs/**", "olddocs/a", False),
        ("**/billing/**", "billing/a.py", True),
        ("**/billing/**", "src/shop/billing/tax/a.py", True),
        ("**/billing/**", "src/rebilling/a.py", False),
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", False),
        ("**/*.md", "README.md", True),
        ("**/test_?.py", "a/test_1.py", True),
        ("Docs/**", "docs/a", False),
    ],
)
def test_a_path_is_compared_part_by_part(pattern: str, path: str, expected: bool) -> None:
    assert path_fault(pattern) == ""
    assert path_matches(pattern, path) is expected


@pytest.mark.parametrize(
    "pattern", ["", "/a", "a/", "a//b", "../a", "a/./b", "a**/b", "a\\b", "[ab]", "{a,b}", "x" * 201]
)
def test_a_faulty_path_pattern_is_named(pattern: str) -> None:
    assert path_fault(pattern)


def test_what_is_excluded_stays_so_and_nothing_climbs_out() -> None:
    scope = Scope(("make **",), ("**",), ("infra/**", "**/secrets/**"))
    assert scope.may_write("src/a.py")
    for path in ("infra/a.tf", "src/secrets/key", "../x", "/etc/passwd", "a/../../x", "a//b", "./a", "", ".", "a\nb"):
        assert not scope.may_write(path), path
    assert scope.may_run(["make", "test"])
    assert not scope.may_run(["sh", "-c", "make test"])
    assert not scope.may_run([])


_PART = st.sampled_from(["a", "b", "*", "a*", "?", "**"])
_PATTERNS = st.lists(_PART, min_size=1, max_size=4).map("/".join)
_PATHS = st.lists(st.sampled_from(["a", "b", "ab", "c"]), min_size=1, max_size=5).map("/".join)


@given(_PATTERNS, _PATTERNS, _PATHS)
def test_what_a_covered_path_pattern_means_the_wider_one_means_too(narrow: str, wide: str, path: str) -> None:
    if path_covered(narrow, [wide]) and path_matches(narrow, path):
        assert path_matches(wide, path)


_WORDS = st.lists(st.sampled_from(["git", "diff", "x*", "*"]), min_size=1, max_size=3)
_COMMANDS = st.tuples(_WORDS, st.booleans()).map(lambda one: " ".join([*one[0], *(["**"] if one[1] else [])]))
_CALLS = st.lists(st.sampled_from(["git", "diff", "xy", "z"]), min_size=1, max_size=4)


@given(_COMMANDS, _COMMANDS, _CALLS)
def test_what_a_covered_command_pattern_allows_the_wider_one_allows_too(
    narrow: str, wide: str, call: list[str]
) -> None:
    if command_covered(narrow, [wide]) and command_matches(narrow, call):
        assert command_matches(wide, call)
