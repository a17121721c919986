"""A backup that somebody damaged, cut off or made up is refused, and nothing of it is written anywhere."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleet.core.errors import FleetError
from fleet.daemon import upkeep
from fleet.keeping import archive
from fleet.keeping.backup import silent
from fleet.testing.desk import Desk

Members = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture
def good(desk: Desk, tmp_path: Path) -> Path:
    """A real backup."""
    desk.ticket()
    return upkeep.backup(desk.paths, desk.loaded, tmp_path / "good.tar", clock=desk.clock, progress=silent).path


def refusal(path: Path, tmp_path: Path) -> str:
    """The code with which a file is refused; nothing but the parts it names is written below the folder."""
    folder = tmp_path / "into"
    folder.mkdir()
    with pytest.raises(FleetError) as caught:
        archive.read(path, folder)
    outside = {entry.name for entry in tmp_path.iterdir()} - {"into", "good.tar", "bad.tar", "state", "repo", "run"}
    assert outside == set()
    return caught.value.code


def rewritten(good: Path, change: Callable[[Members], None]) -> Path:
    """The same backup with other members."""
    members: Members = []
    with tarfile.open(good) as tar:
        for info in tar.getmembers():
            file = tar.extractfile(info)
            members.append((info, file.read() if file else b""))
    change(members)
    bad = good.with_name("bad.tar")
    with tarfile.open(bad, "w") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return bad


def manifest(change: Callable[[dict[str, Any]], None]) -> Callable[[Members], None]:
    """A change of the manifest alone."""

    def apply(members: Members) -> None:
        found = json.loads(members[0][1])
        change(found)
        members[0] = (members[0][0], json.dumps(found).encode())

    return apply


def test_a_file_that_was_cut_off_anywhere_is_refused(good: Path, tmp_path: Path) -> None:
    data = good.read_bytes()
    cut = tmp_path / "bad.tar"
    for number, end in enumerate((0, 100, 511, 512, 2000, len(data) // 3, len(data) // 2, len(data) - 11_000)):
        cut.write_bytes(data[:end])
        with pytest.raises(FleetError) as caught:
            archive.read(cut, None)
        assert caught.value.code in ("FLT-KEP-011", "FLT-KEP-012"), number


def test_one_changed_byte_is_found(good: Path, tmp_path: Path) -> None:
    data = bytearray(good.read_bytes())
    data[len(data) // 2] ^= 1
    bad = tmp_path / "bad.tar"
    bad.write_bytes(data)
    assert refusal(bad, tmp_path) == "FLT-KEP-011"


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "artifacts/../../evil", "artifacts", "fleet.db/../x", ""])
def test_a_name_that_leads_out_of_the_folder_is_refused(good: Path, tmp_path: Path, name: str) -> None:
    def add(members: Members) -> None:
        members.append((tarfile.TarInfo(name), b"evil"))

    def listed(found: dict[str, Any]) -> None:
        found["parts"].append({"name": name, "size": 4, "sha256": "0" * 64})

    assert refusal(rewritten(good, add), tmp_path) == "FLT-KEP-011"
    with pytest.raises(FleetError) as caught:
        archive.read(rewritten(rewritten(good, add), manifest(listed)), None)
    assert caught.value.code == "FLT-KEP-011"


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.CONTTYPE]
)
def test_a_link_a_folder_or_a_device_is_refused(good: Path, tmp_path: Path, kind: bytes) -> None:
    def change(members: Members) -> None:
        info = tarfile.TarInfo("fleet.db")
        info.type, info.linkname = kind, "/etc/passwd"
        members[1] = (info, b"")

    assert refusal(rewritten(good, change), tmp_path) == "FLT-KEP-011"


def test_a_part_that_is_missing_there_twice_or_in_nobodys_list_is_refused(good: Path) -> None:
    def drop(members: Members) -> None:
        del members[2]

    def twice(members: Members) -> None:
        members.append(members[2])

    for change in (drop, twice):
        with pytest.raises(FleetError) as caught:
            archive.read(rewritten(good, change), None)
        assert caught.value.code == "FLT-KEP-011"


WRONG: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no head": (lambda found: found.pop("head"), "FLT-KEP-011"),
    "a number that is text": (lambda found: found.update(entries="many"), "FLT-KEP-011"),
    "a number that is a truth value": (lambda found: found.update(entries=True), "FLT-KEP-011"),
    "a ref that is a number": (lambda found: found.update(refs={"refs/heads/main": 7}), "FLT-KEP-011"),
    "no parts": (lambda found: found.update(parts=[]), "FLT-KEP-011"),
    "parts that are names": (lambda found: found.update(parts=["fleet.db"]), "FLT-KEP-011"),
    "a hash that is none": (lambda found: found["parts"][0].update(sha256="../x"), "FLT-KEP-011"),
    "a size below zero": (lambda found: found["parts"][0].update(size=-1), "FLT-KEP-011"),
    "another format": (lambda found: found.update(format="something"), "FLT-KEP-012"),
    "a later format": (lambda found: found.update(format_version=2), "FLT-KEP-012"),
}


@pytest.mark.parametrize("wrong", sorted(WRONG))
def test_a_manifest_that_says_something_else_is_refused(good: Path, tmp_path: Path, wrong: str) -> None:
    change, code = WRONG[wrong]
    assert refusal(rewritten(good, manifest(change)), tmp_path) == code


def test_what_is_no_backup_at_all_is_told_apart(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("shopping list\n" * 100)
    other = tmp_path / "other.tar"
    with tarfile.open(other, "w") as tar:
        tar.add(text, "notes.txt")
    for path, code in (
        (text, "FLT-KEP-012"),
        (other, "FLT-KEP-012"),
        (tmp_path / "none.tar", "FLT-KEP-010"),
        (tmp_path, "FLT-KEP-010"),
    ):
        with pytest.raises(FleetError) as caught:
            archive.read(path, None)
        assert caught.value.code == code, path
