"""Verbs about the record: verify in steps, sign, show and replace the key, export, check files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.core.errors import Conflict, NotFound, Refused, UsageError
from fleet.testing.desk import Desk


def signed(desk: Desk) -> Desk:
    """A desk whose journal is signed once."""
    desk.ticket("One")
    for _ in range(5):
        desk.ask("fabric.publish", event="note", summary="hello")
    desk.ask("audit.checkpoint")
    return desk


def test_verification_in_steps_gives_what_one_walk_gives(desk: Desk) -> None:
    signed(desk)
    whole = desk.ask("audit.verify")
    assert (whole["ok"], whole["done"]) == (True, True)
    place: dict[str, Any] = {}
    entries = 0
    while True:
        part = desk.ask("audit.verify", limit=2, **place)
        entries += part["entries"]
        if part["done"]:
            break
        place = {"after": part["head"]["seq"], "hash": part["head"]["hash"]}
    assert entries == whole["entries"]
    assert part["head"] == whole["head"]
    assert part["checkpoints"]["count"] == 1


def test_quick_verification_starts_at_the_last_checkpoint(desk: Desk) -> None:
    signed(desk)
    desk.ask("fabric.publish", event="note", summary="hello")
    found = desk.ask("audit.verify", quick=True)
    assert (found["ok"], found["entries"], found["checkpoints"]["unsigned"]) == (True, 1, 1)


def test_a_key_that_never_signed_here_is_a_fault(desk: Desk) -> None:
    signed(desk)
    found = desk.ask("audit.verify", key="ab" * 32)
    assert found["ok"] is False
    assert found["first_bad"]["kind"] == "key"
    assert desk.ask("audit.verify", key=desk.ask("audit.key")["public"])["ok"]


def test_checkpoints_and_key_are_shown_and_the_key_is_replaced_by_a_person_only(desk: Desk) -> None:
    signed(desk)
    before = desk.ask("audit.key")
    assert before["key"] == desk.ask("audit.checkpoints")["checkpoints"][0]["key"]
    made = desk.ask("audit.rotate_key", reason="yearly")
    after = desk.ask("audit.key")
    assert after["public"] == made["public"] != before["public"]
    assert [row["public"] for row in after["keys"]] == [before["public"], made["public"]]
    assert desk.entries("audit.key_rotated")[0].actor == "human:ann"
    desk.ask("audit.checkpoint")
    assert desk.ask("audit.verify")["ok"]
    who = desk.run("developer", "ticket/1")
    for verb, args in (
        ("audit.rotate_key", {"reason": "x"}), ("audit.export", {"file": "/tmp/x"}), ("audit.checkpoint", {}),
        ("audit.verify_files", {"files": ["/tmp/x"]}), ("audit.key", {}), ("audit.checkpoints", {}),
    ):  # fmt: skip
        with pytest.raises(Refused):
            desk.ask(verb, who, **args)


def test_an_export_is_checked_and_compared_with_the_store(desk: Desk, tmp_path: Path) -> None:
    signed(desk)
    file = str(tmp_path / "journal.jsonl")
    made = desk.ask("audit.export", file=file)
    assert (made["whole"], made["signed"], made["checkpoints"]) == (True, True, 1)
    found = desk.ask("audit.verify_files", files=[file], key=desk.ask("audit.key")["public"])
    assert (found["ok"], found["entries"], found["head"]) == (True, made["entries"], made["head"])
    with pytest.raises(Conflict):
        desk.ask("audit.export", file=file)
    Path(file).write_text(Path(file).read_text().replace("hello", "hullo", 1))
    assert not desk.ask("audit.verify_files", files=[file])["ok"]
    with pytest.raises(NotFound) as caught:
        desk.ask("audit.verify_files", files=[file + "x"])
    assert (caught.value.code, "No such file" in caught.value.message) == ("FLT-AUD-014", True)


def test_filters_leave_out_and_say_so(desk: Desk, tmp_path: Path) -> None:
    signed(desk)
    made = desk.ask("audit.export", file=str(tmp_path / "a"), type="note")
    assert (made["entries"], made["whole"], made["signed"]) == (5, False, True)
    header = json.loads((tmp_path / "a").read_text().splitlines()[0])
    assert header["filter"] == {"type": "note"}
    assert desk.ask("audit.export", file=str(tmp_path / "b"), until=1)["entries"] == 0
    assert desk.ask("audit.export", file=str(tmp_path / "c"), format="csv")["whole"] is False


@pytest.mark.parametrize("file", ["relative", "/", "/folder/", "/" + "x" * 5000, "/a\0b"])
def test_a_path_must_be_absolute_and_sane(desk: Desk, file: str) -> None:
    with pytest.raises(UsageError) as caught:
        desk.ask("audit.export", file=file)
    assert caught.value.code == "FLT-CTL-003"


def test_a_list_of_files_must_be_one(desk: Desk) -> None:
    for files in ([], "x", ["x"], ["/x"] * 1001):
        with pytest.raises(UsageError):
            desk.ask("audit.verify_files", files=files)
