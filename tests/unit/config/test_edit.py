"""An edit changes what it names and nothing else: every other line keeps its bytes, every comment stays."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from fleet.config.edit import Append, DropAgent, Edit, PutAgent, Remove, Set, Unset, apply_edits
from fleet.config.scaffold import scaffold
from fleet.core.errors import ConfigError, FleetError, NotFound, UsageError
from fleet.testing.repos import make_checkout

FILE = b"""\
# the members of this fleet
version: 1   # of the format
base: "main"

# how many at once
max_concurrent: 4

retry:
  attempts: 3   # enough
  # the pause
  backoff_seconds: 2

agents:
  # the author
  - name: developer
    role: developer   # writes
    subscribes_to: [ticket_ready, 'pr_conflict']  # work

  # the judges
  - role: tech-lead
    name: lead
    may_start:
      - developer   # in need
    subscribes_to: pr_needs_review

  - {name: qa, role: qa-engineer}   # short
# the end
"""


def edited(*edits: Edit, data: bytes = FILE) -> str:
    """The file after these edits."""
    return apply_edits(data, edits, "config.yaml").decode()


def difference(*edits: Edit, data: bytes = FILE) -> list[str]:
    """The lines that went (-) and came (+)."""
    lines = difflib.unified_diff(data.decode().splitlines(), edited(*edits, data=data).splitlines(), n=0, lineterm="")
    return [line for line in lines if line[:3] not in ("---", "+++") and line[:2] != "@@"]


@pytest.mark.parametrize(
    ("edits", "lines"),
    [
        ([Set(("max_concurrent",), 9)], ["-max_concurrent: 4", "+max_concurrent: 9"]),
        ([Set(("max_concurrent",), 4)], []),
        ([Set(("base",), "trunk")], ['-base: "main"', '+base: "trunk"']),
        ([Set(("retry", "attempts"), 5)], ["-  attempts: 3   # enough", "+  attempts: 5   # enough"]),
        ([Set(("owner",), "ann")], ["+owner: ann"]),
        ([Set(("required_label",), "needs: care")], ['+required_label: "needs: care"']),
        ([Set(("agents", "developer", "budget_seconds"), 60)], ["+    budget_seconds: 60"]),
        ([Set(("agents", "qa", "model"), "large")], ["-  - {name: qa, role: qa-engineer}   # short",
                                                     "+  - {name: qa, role: qa-engineer, model: large}   # short"]),
        ([Unset(("retry", "attempts"))], ["-  attempts: 3   # enough"]),
        ([Unset(("agents", "lead", "may_start"))], ["-    may_start:", "-      - developer   # in need"]),
        ([Append(("agents", "lead", "may_start"), "qa")], ["+      - qa"]),
        ([Append(("agents", "lead", "subscribes_to"), "pr_conflict")],
         ["-    subscribes_to: pr_needs_review", "+    subscribes_to: [pr_needs_review, pr_conflict]"]),
        ([Append(("agents", "developer", "subscribes_to"), "note")],
         ["-    subscribes_to: [ticket_ready, 'pr_conflict']  # work",
          "+    subscribes_to: [ticket_ready, 'pr_conflict', note]  # work"]),
        ([Remove(("agents", "developer", "subscribes_to"), "ticket_ready")],
         ["-    subscribes_to: [ticket_ready, 'pr_conflict']  # work", "+    subscribes_to: ['pr_conflict']  # work"]),
        ([Remove(("agents", "lead", "may_start"), "developer")],
         ["-      - developer   # in need", "+      []   # in need"]),
        ([Append(("protected_paths",), "deploy/")], ["+protected_paths: [deploy/]"]),
        ([PutAgent("docs", {"subscribes_to": ["pr_merged"], "role": "developer"})],
         ["+", "+  - name: docs", "+    role: developer", "+    subscribes_to: [pr_merged]"]),
        ([PutAgent("lead", {"role": "tech-lead", "subscribes_to": "pr_needs_review"})],
         ["-    may_start:", "-      - developer   # in need"]),
        ([DropAgent("qa")], ["-  - {name: qa, role: qa-engineer}   # short"]),
    ],
)  # fmt: skip
def test_an_edit_touches_only_the_lines_it_is_about(edits: list[Edit], lines: list[str]) -> None:
    assert difference(*edits) == lines


def test_a_key_goes_where_the_format_would_have_it() -> None:
    lines = edited(Set(("owner",), "ann")).splitlines()
    assert lines[lines.index("owner: ann") - 1] == "version: 1   # of the format"


def test_a_map_that_loses_its_last_key_goes_with_it() -> None:
    text = edited(Unset(("retry", "attempts")), Unset(("retry", "backoff_seconds")))
    assert "retry" not in text
    assert "# how many at once" in text


def test_the_file_keeps_its_own_line_breaks() -> None:
    data = FILE.replace(b"\n", b"\r\n")
    text = edited(Set(("retry", "attempts"), 5), PutAgent("docs", {"role": "developer"}), data=data)
    assert text.count("\n") == text.count("\r\n")


def test_a_file_without_a_last_line_break_takes_a_new_agent() -> None:
    text = edited(PutAgent("b", {"role": "developer"}), data=b"version: 1\nagents:\n- name: a\n  role: developer")
    assert text == "version: 1\nagents:\n- name: a\n  role: developer\n- name: b\n  role: developer\n"


@pytest.mark.parametrize(
    "value",
    ["*a", "&a b", "!!python/object x", "a: b", "a # b", "- x", "null", "true", "12", "no", "", " x", "x ", "{", "[",
     "'", '"', "%YAML", "---", "...", "x\n- y", "|", ">", "@", "`", "<<", "1e3", "0x10", "ü", "\\", ".inf", "~"],
)  # fmt: skip
def test_a_text_stays_the_text_it_is(value: str) -> None:
    """Whatever it looks like: no alias, tag, comment, list or other type is smuggled in."""
    again = edited(Set(("owner",), value), Set(("owner",), "x"), Set(("owner",), value))
    assert difference(Set(("owner",), "-"), data=again.encode())[1:] == ['+owner: "-"']


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"version: 1\nowner: &a x\nagents: []\n", "FLT-CFG-010"),
        (b"version: 1\nowner: !!str x\nagents: []\n", "FLT-CFG-010"),
        (b"version: 1\nversion: 1\n", "FLT-CFG-010"),
        (b"a: [", "FLT-CFG-010"),
    ],
)
def test_a_file_with_anchors_tags_or_doubles_is_not_edited(data: bytes, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        apply_edits(data, [Set(("owner",), "x")], "config.yaml")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("edit", "code", "hint"),
    [
        (Unset(("retyr",)), "FLT-CFG-101", "Did you mean `retry`?"),
        (Set(("base", "deep"), 1), "FLT-CFG-101", ""),
        (Append(("max_concurrent",), 1), "FLT-CFG-101", ""),
        (Remove(("agents", "lead", "may_start"), "nobody"), "FLT-CFG-101", ""),
        (Set(("agents", "lead", "may_start", 7), "x"), "FLT-CFG-101", ""),
        (Set(("owner",), object()), "FLT-CFG-101", ""),
        (Set(("owner",), float("nan")), "FLT-CFG-101", ""),
        (PutAgent("qa", {"name": "other"}), "FLT-CFG-101", ""),
        (Set(("agents", "leed", "model"), "x"), "FLT-AGT-001", "Did you mean `lead`?"),
        (DropAgent("nobody"), "FLT-AGT-001", "fleet agent list shows the names"),
    ],
)  # fmt: skip
def test_an_edit_that_does_not_fit_is_refused(edit: Edit, code: str, hint: str) -> None:
    with pytest.raises(FleetError) as caught:
        apply_edits(FILE, [edit], "config.yaml")
    assert (caught.value.code, caught.value.hint) == (code, hint)
    assert isinstance(caught.value, UsageError | NotFound)


def test_a_text_that_no_yaml_can_hold_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        apply_edits(FILE, [Set(("owner",), "\x07")], "config.yaml")
    assert caught.value.code == "FLT-CFG-102"


def test_too_many_edits_at_once_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        apply_edits(FILE, [Set(("owner",), "x")] * 101, "config.yaml")
    assert caught.value.code == "FLT-CFG-101"


def test_the_configuration_that_init_writes_can_be_edited_everywhere(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "shop")
    scaffold(checkout, now=0)
    data = (checkout / ".fleet" / "config.yaml").read_bytes()
    gone = difference(DropAgent("tech-lead"), DropAgent("release-manager"), data=data)
    assert all(line.startswith("-") for line in gone)
    assert len([line for line in gone if line != "-"]) == 11
