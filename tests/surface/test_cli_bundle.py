"""``fleet support-bundle`` on a real fleet: what is in the file, and when none is written."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.config.paths import FleetPaths
from fleet.testing.fleets import fleet_in, own_folders
from fleet.testing.shell import Shell, object_of

pytestmark = pytest.mark.tmux


@pytest.fixture(scope="module")
def paths() -> Iterator[FleetPaths]:
    """A running fleet."""
    with fleet_in() as found:
        Shell(found.checkout, {}).answer("up")
        yield found
        Shell(found.checkout, {}).fleet("down")


def contents(file: Path) -> dict[str, bytes]:
    """The files of a bundle by their last name."""
    with tarfile.open(file, mode="r:gz") as tar:
        found = {}
        for member in tar.getmembers():
            inner = tar.extractfile(member)
            assert inner is not None
            found[member.name.split("/")[-1]] = inner.read()
        return found


def test_a_bundle_says_what_is_in_it_and_holds_no_titles_texts_or_credentials(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    shell.answer("ticket", "create", "A very private title", "--body", "ghp_R8x2mQ7vK3tZ9wL5nB1cY6dF4gH0jS2aP8eU")
    shell.answer("fabric", "publish", "--kind", "note", "--summary", "A very private remark")
    done = shell.fleet("support-bundle", "-o", "for-support.tar.gz")
    assert done.ok, done.error_text
    assert "nothing was sent" in done.text
    file = paths.checkout / "for-support.tar.gz"
    assert file.stat().st_mode & 0o777 == 0o600
    found = contents(file)
    assert set(found) >= {"README.txt", "doctor.json", "config.json", "journal.jsonl", "services.json", "daemon.log"}
    assert all(name in done.text for name in found)
    whole = b"".join(found.values())
    for private in (b"very private", b"ghp_R8x2", str(paths.checkout.parent / "home").encode()):
        assert private not in whole
    assert b'"type": "note"' in found["journal.jsonl"]
    assert b'"answers": true' in found["services.json"]


def test_a_dry_run_writes_nothing(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    before = set(paths.checkout.iterdir())
    found = shell.answer("support-bundle", "--dry-run")
    assert found["file"] is None
    assert {item["name"] for item in found["contents"]} >= {"doctor.json", "journal.jsonl"}
    assert "nothing was written" in shell.fleet("support-bundle", "--dry-run").text
    assert set(paths.checkout.iterdir()) == before


@pytest.mark.long
def test_nothing_is_overwritten_and_bad_places_are_named(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    (paths.checkout / "there.tar.gz").write_text("mine")
    taken = shell.fleet("support-bundle", "-o", "there.tar.gz")
    assert taken.code == 8
    assert "FLT-DOC-003" in taken.error_text
    assert (paths.checkout / "there.tar.gz").read_text() == "mine"
    nowhere = shell.fleet("support-bundle", "-o", "no/such/folder/x.tar.gz", "--json")
    assert nowhere.code == 2
    assert object_of(nowhere)["error"]["code"] == "FLT-DOC-004"
    assert shell.fleet("support-bundle", "--entries", "-1").code == 2
    assert shell.fleet("support-bundle", "--entries", "0", "--dry-run").ok
    assert shell.fleet("support-bundle", "--dry-run", env={"FLEET_RUN": "nobody-of-this-test-e1"}).code == 6


def test_without_a_fleet_the_machine_is_told_of() -> None:
    with own_folders() as home:
        found = Shell(home, {}).answer("support-bundle")
        assert [item["name"] for item in found["contents"]] == ["README.txt", "doctor.json"]
        assert Path(found["file"]).is_file()
