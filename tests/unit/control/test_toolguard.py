"""The guard of tools on a real fleet: the run's own role and clone, and what a person may be asked about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleet.control.toolguard import ToolGuard
from fleet.core.principal import Principal, PrincipalKind
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
    who = Principal(PrincipalKind.AGENT, run.agent, run.id, run.epoch, run.role)
    found, answers_for_it = ToolGuard(desk.context).guarded(who, tool, given, str(cwd))
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


def test_what_is_remembered_of_one_run_counts_for_no_other(desk: Desk) -> None:
    guard = ToolGuard(desk.context)
    first, _ = at_work(desk)
    second, clone = at_work(desk, "tech-lead")

    def code(run: Run, path: Path) -> str:
        who = Principal(PrincipalKind.AGENT, run.agent, run.id, run.epoch, run.role)
        found, _ = guard.guarded(who, "Write", {"file_path": str(path / "new.py")}, "")
        return found.code if found is not None else ""

    own = desk.paths.clones / first.session
    for _ in range(2):
        assert code(first, own) == ""
        assert code(first, clone) == "FLT-GRD-004"
        assert code(second, clone) == "FLT-GRD-004", "a reviewer changes nothing"


def test_a_link_in_place_of_the_folder_for_temporary_files_leads_nowhere(desk: Desk, tmp_path: Path) -> None:
    run, clone = at_work(desk)
    place = desk.paths.runs / run.session / "tmp"
    place.parent.mkdir(parents=True, exist_ok=True)
    assert asked(desk, run, "Write", clone, file_path=str(place / "x")) == ("", True)
    place.symlink_to(tmp_path)
    assert asked(desk, run, "Write", clone, file_path=str(place / "x")) == ("FLT-GRD-004", False)
    assert asked(desk, run, "Write", clone, file_path=str(tmp_path / "x")) == ("FLT-GRD-004", False)


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
