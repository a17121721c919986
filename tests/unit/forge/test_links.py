"""A protected name that is a link protects what it leads to."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.forge import pullgit
from fleet.forge.gitrepo import Repo
from fleet.forge.links import links_in, reached
from fleet.policy.scope import protected_among
from fleet.testing.repos import commit, git, make_checkout

PROTECTED = (".github/", ".claude/", "CLAUDE.md")


@pytest.mark.parametrize(
    ("paths", "links", "found"),
    [
        (["a.md"], {}, ["a.md"]),
        (["docs/agents.md"], {"CLAUDE.md": {"docs/agents.md"}}, ["CLAUDE.md", "docs/agents.md"]),
        (["tools/x/y.json"], {".claude": {"tools/x"}}, [".claude/y.json", "tools/x/y.json"]),
        (["toolsx/y"], {".claude": {"tools"}}, ["toolsx/y"]),
        (["b"], {"CLAUDE.md": {"a"}, "a": {"b"}}, ["CLAUDE.md", "a", "b"]),
        (["real/f"], {"CLAUDE.md": {"alias/f"}, "alias": {"real"}}, ["CLAUDE.md", "alias/f", "real/f"]),
        (["a"], {"b": {"a"}, "a": {"b"}}, ["a", "b"]),
        (["a"], {"b": {"x", "a"}}, ["a", "b"]),
    ],
)
def test_what_links_show_changes_with_it(paths: list[str], links: dict[str, set[str]], found: list[str]) -> None:
    assert list(reached(paths, links)) == found


@pytest.mark.parametrize(
    ("links", "name"),
    [
        ({"d/self": {"d"}}, "d/self/f"),
        ({"d/there": {"e"}, "e/back": {"d"}, "CLAUDE.md": {"e/back/f"}}, "CLAUDE.md"),
        ({f"d/l{number}": {"d"} for number in range(50)}, "d/l49"),
    ],
)
def test_circles_of_links_have_an_end(links: dict[str, set[str]], name: str) -> None:
    assert name in reached(["d/f", "e/f"], links)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository whose instructions are a link, as many have it; on a branch of its own."""
    made = make_checkout(tmp_path / "repo", {"docs/agents.md": "be careful\n", "app.py": "1\n"})
    (made / "CLAUDE.md").symlink_to("docs/agents.md")
    (made / "away").symlink_to("/etc/passwd")
    (made / "up").symlink_to("../elsewhere")
    commit(made, {}, "a link")
    git(made, "switch", "--quiet", "-c", "topic")
    return made


def protected(checkout: Path) -> tuple[str, ...]:
    """The protected paths that the branch changes."""
    repo = Repo(checkout)
    base, head = git(checkout, "rev-parse", "main"), git(checkout, "rev-parse", "topic")
    found = reached(pullgit.paths_between(repo, base, head), links_in(repo, (base, head)))
    return protected_among(found, PROTECTED)


def test_a_change_behind_a_link_of_a_protected_name_is_one_of_that_name(checkout: Path) -> None:
    commit(checkout, {"docs/agents.md": "do as you like\n"})
    assert protected(checkout) == ("CLAUDE.md",)


def test_a_change_of_anything_else_is_not(checkout: Path) -> None:
    commit(checkout, {"app.py": "2\n"})
    assert protected(checkout) == ()


def test_a_link_that_is_put_in_place_of_what_is_protected_counts_itself_and_so_does_a_rename_into_it(
    checkout: Path,
) -> None:
    (checkout / ".claude").symlink_to("docs")
    git(checkout, "mv", "app.py", ".github-app.py")
    (checkout / ".GitHub").mkdir()
    git(checkout, "mv", ".github-app.py", ".GitHub/app.py")
    commit(checkout, {})
    assert protected(checkout) == (".GitHub/app.py", ".claude")
