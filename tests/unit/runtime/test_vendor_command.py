"""Any program as an agent: what its argument list becomes, and what it never holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config.commands import PLACEHOLDERS, faults_of, filled
from fleet.config.model import AgentConfig
from fleet.core.errors import PermanentError
from fleet.runtime.vendors import VENDORS
from fleet.testing.starts import a_start


def agent(*command: str, **more: object) -> AgentConfig:
    """An agent that a program plays."""
    fields = {"name": "dev", "role": "developer", "vendor": "command", "command": command, **more}
    return AgentConfig.model_validate(fields)


def test_placeholders_stand_for_paths_of_our_own(tmp_path: Path) -> None:
    settings, folder = tmp_path / ".fleet", tmp_path / "run"
    (settings / "prompts").mkdir(parents=True)
    (settings / "prompts" / "dev.md").write_text("Be kind. {brief}")
    words = ("{fleet}/mine.py", "--brief={brief}", "{prompt}", "{model}", "{not}", "$HOME", "a b", "{brief")
    launch = VENDORS["command"].launch(a_start(agent(*words, model="m-1"), settings, folder))
    assert launch.argv == (
        f"{settings}/mine.py", f"--brief={folder}/brief.json", f"{folder}/prompt.md", "m-1", "{not}", "$HOME", "a b",
        "{brief",
    )  # fmt: skip
    assert launch.files == {"prompt.md": b"Be kind. {brief}"}
    assert launch.stdin is None
    assert launch.env == {}


def test_the_brief_can_be_the_standard_input(tmp_path: Path) -> None:
    launch = VENDORS["command"].launch(a_start(agent("cat", stdin="brief"), tmp_path, tmp_path / "run"))
    assert launch.stdin == tmp_path / "run" / "brief.json"
    assert launch.files == {}, "no prompt was asked for"


@pytest.mark.parametrize("large", [False, True])
def test_a_prompt_that_cannot_be_read_is_named(tmp_path: Path, large: bool) -> None:
    if large:
        (tmp_path / "prompts").mkdir()
        (tmp_path / "prompts" / "dev.md").write_bytes(b"x" * (1024 * 1024 + 1))
    with pytest.raises(PermanentError) as caught:
        VENDORS["command"].launch(a_start(agent("cat", "{prompt}"), tmp_path, tmp_path / "run"))
    assert caught.value.code == "FLT-AGT-120"


@pytest.mark.parametrize("program", ["./agent.sh", "tools/agent", "../x", ""])
def test_the_branch_does_not_decide_which_program_runs(program: str) -> None:
    ((index, what, _),) = faults_of((program, "x"))
    assert (index, what) == (0, f"the program is {program!r}")


@pytest.mark.parametrize("program", ["claude", "/usr/bin/python3", "{fleet}/agent.py"])
def test_programs_are_looked_up_or_named_in_full(program: str) -> None:
    assert list(faults_of((program, "./relative/argument", "{brief}"))) == []


def test_every_fault_of_a_command_is_named_with_its_word() -> None:
    found = list(faults_of(("cat", "{title}", "two\nlines", "nul\0")))
    assert [(index, what) for index, what, _ in found] == [
        (1, "unknown placeholder {title}"),
        (3, "a word of the command holds a NUL character"),
    ]


def test_other_peoples_text_has_no_placeholder() -> None:
    """Titles, bodies, comments and reviews are in the brief and nowhere else."""
    assert set(PLACEHOLDERS) == {"brief", "handbook", "prompt", "fleet", "model"}
    assert filled("{title} {body} {ticket}", {}) == "{title} {body} {ticket}"
