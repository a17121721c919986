"""An org's file: whole, or not at all with every fault at its line; and where orgs lie."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet.config.org import MOST, load_org, org_schema, parse_org
from fleet.config.paths import find_org, org_home
from fleet.core.errors import ConfigError, Conflict, NotFound, UsageError
from fleet.daemon.orgsetup import make_org
from fleet.testing.repos import git

HOME = Path("/orgs/acme")
GOOD = """\
version: 1
name: acme
repositories:
  - {repo: acme/shop, checkout: ~/src/shop}
  - {repo: acme/api, checkout: /srv/api}
"""


def faults(text: str) -> tuple[str, ...]:
    """What is wrong, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        parse_org(text.encode(), HOME, {"HOME": "/home/ann"})
    assert (caught.value.code, caught.value.exit_code) == ("FLT-CFG-010", 3)
    return tuple(problem.removeprefix(f"{HOME}/org.yaml:") for problem in caught.value.problems)


def test_repositories_are_found_wherever_the_caller_stands() -> None:
    org = parse_org(GOOD.encode(), HOME, {"HOME": "/home/ann"})
    assert [(one.repo, str(one.checkout)) for one in org.repositories] == [
        ("acme/shop", "/home/ann/src/shop"),
        ("acme/api", "/srv/api"),
    ]


def test_an_org_may_begin_without_a_repository() -> None:
    assert parse_org(b"version: 1\nname: acme\n", HOME, {}).repositories == ()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("version: 1", "version: 2", "1:10: version is 2"),
        ("name: acme", "name: other", "2:7: name is 'other', expected acme, as the folder is called"),
        ("acme/api", "api", "5:12: repositories[1].repo is 'api'"),
        ("acme/api", "ACME/Shop", "5:12: repo 'ACME/Shop' stands here and on line 4"),
        ("/srv/api", "src/api", "5:32: checkout is 'src/api', expected an absolute path"),
        ("/srv/api", "~/src/shop/", "5:32: checkout '~/src/shop/' stands here and on line 4"),
        ("checkout: /srv/api", "folder: /srv/api", "5:22: unknown key 'folder'"),
    ],
)
def test_a_fault_is_named_with_its_line(old: str, new: str, expected: str) -> None:
    found = faults(GOOD.replace(old, new))
    assert any(line.startswith(expected) for line in found), found


def test_every_fault_is_named_at_once_and_their_number_is_bounded() -> None:
    assert len(faults(GOOD.replace("version: 1", "version: x").replace("acme/api", "api"))) == 2
    rows = "".join(f"  - {{repo: acme/r{number}, checkout: /srv/r{number}}}\n" for number in range(MOST + 1))
    assert any("at most 100 entries" in line for line in faults(f"version: 1\nname: acme\nrepositories:\n{rows}"))


def test_the_published_schema_knows_every_key() -> None:
    schema = json.dumps(org_schema())
    assert '"repositories"' in schema
    assert '"checkout"' in schema
    assert '"additionalProperties": false' in schema


@pytest.mark.parametrize("name", ["", "..", "a/b", "Acme", "a b", "x" * 64])
def test_what_is_no_name_leads_to_no_folder(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        org_home(name, {"HOME": "/home/ann"})
    assert (caught.value.code, caught.value.exit_code) == ("FLT-ORG-001", 2)


def test_orgs_lie_in_the_configuration_folder(tmp_path: Path) -> None:
    assert org_home("acme", {"HOME": "/home/ann"}) == Path("/home/ann/.config/fleet/orgs/acme")
    assert org_home("acme", {"HOME": "/h", "XDG_CONFIG_HOME": "/c"}) == Path("/c/fleet/orgs/acme")
    with pytest.raises(NotFound) as caught:
        find_org("acme", {"XDG_CONFIG_HOME": str(tmp_path)})
    assert (caught.value.code, caught.value.hint) == ("FLT-ORG-002", "Make one: fleet init --org acme")


def test_a_new_org_is_a_repository_with_a_valid_file_and_never_replaces_one(tmp_path: Path) -> None:
    home = tmp_path / "orgs" / "acme"
    files = make_org(home, [tmp_path / "shop"])
    assert git(home, "status", "--porcelain") == ""
    assert set(files) == set(git(home, "ls-files").split())
    org = load_org(home, {})
    assert org is not None
    assert [(one.repo, one.checkout) for one in org.repositories] == [("local/shop", tmp_path / "shop")]
    with pytest.raises(Conflict) as caught:
        make_org(home, [])
    assert (caught.value.code, caught.value.exit_code) == ("FLT-ORG-003", 8)
    assert load_org(tmp_path, {}) is None, "any other folder is no org's"


def test_two_checkouts_of_one_name_make_no_org_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        make_org(tmp_path / "orgs" / "acme", [tmp_path / "a" / "shop", tmp_path / "b" / "shop"])
    assert not (tmp_path / "orgs").exists()
