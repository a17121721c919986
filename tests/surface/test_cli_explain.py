"""``fleet explain`` as people type it."""

from __future__ import annotations

from pathlib import Path

from fleet.testing.shell import Shell, object_of


def test_a_code_is_explained_anywhere(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {})
    done = shell.fleet("explain", "sto-008")
    assert done.ok
    assert done.text.startswith("FLT-STO-008  The disk is full")
    assert "causes" in done.text
    assert "\n  do      Free space" in done.text
    found = shell.answer("explain", "[FLT-STO-008]")
    assert (found["code"], found["kind"]) == ("FLT-STO-008", "error")
    assert found["causes"]
    assert shell.answer("help", "flt-sto-008") == found


def test_a_whole_error_line_may_be_pasted(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {})
    failed = shell.fleet("ps")
    line = failed.error_text.split("\n")[0]
    assert line.endswith("[FLT-CFG-001]")
    assert shell.answer("explain", line)["code"] == "FLT-CFG-001"


def test_the_list_and_an_area(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {})
    every = shell.answer("explain", "--list")["codes"]
    assert len(every) > 150
    assert all(row["meaning"] and row["remedy"] for row in every)
    assert {row["code"] for row in shell.answer("explain", "cli")["codes"]} < {row["code"] for row in every}
    assert "policy" in shell.fleet("explain", "pol").text


def test_what_cannot_be_explained(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {})
    typo = shell.fleet("explain", "FLT-STP-008")
    assert typo.code == 4
    assert "FLT-STO-008" in typo.error_text
    assert typo.error_text.split("\n")[0].endswith("[FLT-DOC-001]")
    assert object_of(shell.fleet("explain", "nonsense\x1b[2J", "--json"))["error"]["code"] == "FLT-DOC-001"
    assert b"\x1b" not in shell.fleet("explain", "nonsense\x1b[2J").err
    for words in (["explain"], ["explain", "--list", "cli"], ["explain", ""]):
        failed = shell.fleet(*words)
        assert failed.code == 2
        assert "FLT-DOC-002" in failed.error_text
