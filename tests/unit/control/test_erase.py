"""An erased payload is gone from every file of the store, not only from what one can ask it."""

from __future__ import annotations

from pathlib import Path

from fleet.testing.desk import Desk

SECRET = "hunter2-hunter2-hunter2"


def files_with(folder: Path, text: str) -> list[str]:
    """Names of the files that hold these bytes."""
    found = (file for file in folder.rglob("*") if file.is_file())
    return sorted(file.name for file in found if text.encode() in file.read_bytes())


def test_no_file_holds_the_bytes_of_an_erased_payload(desk: Desk) -> None:
    made = desk.ask("fabric.publish", kind="note", summary="a note", payload=f'{{"key": "{SECRET}"}}')
    for number in range(30):  # the payload's page is written again and again
        desk.ask("fabric.publish", kind="note", summary=f"note {number}", payload='{"key": "harmless"}')
    assert files_with(desk.paths.state, SECRET), "the test would see them"
    answer = desk.ask("audit.erase", entry=made["id"], reason="a password was pasted")
    assert answer["log_emptied"] is True
    assert files_with(desk.paths.state, SECRET) == []
    assert desk.ask("audit.verify")["ok"]


def test_a_long_read_is_not_waited_for_and_the_answer_says_so(desk: Desk) -> None:
    made = desk.ask("fabric.publish", kind="note", summary="a note", payload=f'{{"key": "{SECRET}"}}')

    def inside(tx: object) -> bool:
        tx.one("SELECT count(*) FROM journal")  # type: ignore[attr-defined]
        return bool(desk.ask("audit.erase", entry=made["id"], reason="a password was pasted")["log_emptied"])

    assert desk.db.read(inside) is False
    again = desk.ask("audit.erase", entry=made["id"], reason="once more, for the log")
    assert again["log_emptied"] is True
    assert files_with(desk.paths.state, SECRET) == []
