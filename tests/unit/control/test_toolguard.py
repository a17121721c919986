"""The guard of tools on a real fleet: the run's own role and clone, and what a person may be asked about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleet.control.toolguard import guarded
from fleet.core.principal import Principal
from fleet.core.work import Run
from fleet.store import runs
from fleet.testing.desk import Desk
from fleet.testing.scene import usual_members


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """The usual members."""
    made = Desk(tmp_path)
    yield made
    made.close()


def at_work(desk: Desk, agent: str = "developer") -> tuple[Run, Path]:
    """A run of an agent on a ticket, with its clone."""
    ticket = desk.ticket()
    who: Principal = desk.run(agent, f"ticket/{ticket}")
    clone = desk.clone(who, f"fleet/{ticket}")
    return desk.db.read(lambda tx: runs.get(tx, who.run_id)), clone


def asked(desk: Desk, run: Run, tool: str, cwd: Path, **given: Any) -> tuple[str, bool]:
    """The code of the objection, and whether the fleet answers for the use."""
    found, answers_for_it = guarded(desk.context, run, tool, given, str(cwd))
    return (found.code if found is not None else "", answers_for_it)


def test_a_run_may_do_what_its_role_lists_and_the_fleet_answers_for_it(desk: Desk) -> None:
    run, clone = at_work(desk)
    assert asked(desk, run, "Bash", clone, command="git status && rm app.py") == ("", True)
    assert asked(desk, run, "Write", clone, file_path=str(clone / "new.py")) == ("", True)
    assert asked(desk, run, "Write", clone, file_path=str(clone / "CLAUDE.md")) == ("FLT-GRD-008", False)
    assert asked(desk, run, "Bash", clone, command="git push") == ("FLT-GRD-003", False)
    assert asked(desk, run, "Bash", clone, command="dd if=a of=b") == ("FLT-GRD-002", False)


def test_nothing_of_the_fleet_or_of_another_run_is_read_or_written(desk: Desk) -> None:
    run, clone = at_work(desk)
    other = desk.paths.clones / "r2-e1" / "app.py"
    for path in (desk.paths.database, desk.paths.runs / run.session / "capability", other, Path.home() / ".netrc"):
        assert asked(desk, run, "Read", clone, file_path=str(path)) == ("FLT-GRD-009", False)
        assert asked(desk, run, "Write", clone, file_path=str(path))[0] == "FLT-GRD-004"
    brief = desk.paths.runs / run.session / "brief.json"
    assert asked(desk, run, "Read", clone, file_path=str(brief)) == ("", True)


def test_a_person_may_be_asked_about_what_the_role_does_not_list_and_about_nothing_else(tmp_path: Path) -> None:
    desk = Desk(tmp_path, usual_members(), claude={"unlisted": "ask"})
    try:
        run, clone = at_work(desk)
        assert asked(desk, run, "Bash", clone, command="dd if=a of=b") == ("", False)
        assert asked(desk, run, "Bash", clone, command="git push") == ("FLT-GRD-003", False)
        assert asked(desk, run, "Write", clone, file_path="/etc/x") == ("FLT-GRD-004", False)
    finally:
        desk.close()


def test_a_run_of_nobody_may_do_nothing(desk: Desk) -> None:
    run, clone = at_work(desk)
    assert asked(desk, replace(run, agent="ghost"), "Read", clone, file_path="app.py") == ("FLT-GRD-010", False)
