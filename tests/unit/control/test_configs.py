"""A change and a reload: the whole file or nothing, one at a time, on record with who and what."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.config.test_edit_properties import EDITS

from fleet.config.configfile import digest_of, locked
from fleet.config.edit import Append, DropAgent, Edit, PutAgent, Set
from fleet.config.loader import load_config
from fleet.config.together import NOTE
from fleet.control import configs
from fleet.control.acceptance import accept_config, in_force_before
from fleet.core import probe
from fleet.core.agent import AgentState
from fleet.core.errors import ConfigError, Conflict, FleetError, NotFound, PermanentError, Refused
from fleet.core.principal import human
from fleet.store import agents, config_revisions
from fleet.store.db import Tx
from fleet.testing.desk import ANN, Desk
from fleet.testing.folders import short_folder
from fleet.testing.ownroles import TILL, bring_role

BOB = human("bob")
FILE = """\
# ours
version: 1
max_concurrent: 4  # for now

agents:
  - name: developer
    role: developer
    subscribes_to: [ticket_ready]

  - name: tech-lead
    role: tech-lead
    subscribes_to: [pr_needs_review]
"""


class Stop(BaseException):
    """The process ends here."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A fleet with a configuration file that is in force."""
    made = Desk(tmp_path)
    made.paths.config.parent.mkdir()
    write(made, FILE)
    accept_config(made.db, reread(made), ANN)
    made.context.config.replace(reread(made))
    yield made
    probe.install(None)
    made.close()


def write(desk: Desk, text: str) -> None:
    """As an editor does."""
    desk.paths.config.write_text(text)


def reread(desk: Desk):  # type: ignore[no-untyped-def]
    """The file as it lies."""
    return load_config(desk.paths.config, roles=desk.loaded.roles, name=".fleet/config.yaml")


def stop_at(point: str) -> None:
    """End at a named point, as kill -9 would."""

    def handler(name: str) -> None:
        if name == point:
            raise Stop

    probe.install(handler)


def in_force(desk: Desk) -> str:
    """The hash by which the fleet works at this moment."""
    return desk.context.loaded.digest


def states(desk: Desk) -> dict[str, str]:
    """Every agent's state."""
    return {row.name: str(row.state) for row in desk.db.read(agents.every)}


def test_a_change_edits_the_file_and_is_in_force_at_once(desk: Desk) -> None:
    answer = configs.change(desk.context, ANN, [Set(("max_concurrent",), 2)], "less load")
    assert desk.paths.config.read_text() == FILE.replace("4  # for now", "2  # for now")
    assert answer["changed"]
    assert answer["changes"]["lines"] == ["max_concurrent: 4 -> 2"]
    assert desk.context.loaded.config.max_concurrent == 2
    assert in_force(desk) == answer["hash"] == digest_of(desk.paths.config.read_bytes())


def test_a_change_is_on_record_with_who_meant_it_why_and_what(desk: Desk) -> None:
    configs.change(desk.context, BOB, [Set(("max_concurrent",), 2)], "less load")
    meant, accepted = desk.entries("config.change_intended")[-1], desk.entries("config.accepted")[-1]
    assert meant.actor == accepted.actor == "human:bob"
    assert meant.seq < accepted.seq
    assert accepted.payload is not None
    assert accepted.payload["reason"] == "less load"
    assert accepted.payload["changes"] == ["max_concurrent: 4 -> 2"]
    newest = desk.db.read(config_revisions.accepted)[0]
    assert (newest.actor, newest.reason, newest.digest) == ("human:bob", "less load", in_force(desk))
    assert desk.db.read(lambda tx: config_revisions.text_of(tx, newest.number)) == desk.paths.config.read_bytes()


def test_a_change_that_says_nothing_new_writes_nothing(desk: Desk) -> None:
    before = len(desk.entries())
    assert not configs.change(desk.context, ANN, [Set(("max_concurrent",), 4)])["changed"]
    assert len(desk.entries()) == before


def test_a_change_that_would_make_the_file_faulty_changes_nothing(desk: Desk) -> None:
    before = in_force(desk)
    with pytest.raises(ConfigError) as caught:
        configs.change(desk.context, ANN, [Set(("max_concurrent",), 0), Set(("agents", "developer", "role"), "poet")])
    assert len(caught.value.problems) == 2
    assert desk.paths.config.read_text() == FILE
    assert in_force(desk) == before
    assert desk.db.read(config_revisions.intended) == []


def test_agents_join_and_leave_by_a_change(desk: Desk) -> None:
    configs.change(desk.context, ANN, [PutAgent("docs", {"role": "developer"}), DropAgent("tech-lead")])
    assert states(desk)["docs"] == AgentState.ACTIVE
    assert states(desk)["tech-lead"] == AgentState.RETIRED
    configs.change(desk.context, ANN, [PutAgent("tech-lead", {"role": "tech-lead"})])
    assert states(desk)["tech-lead"] == AgentState.ACTIVE


def test_of_two_operators_one_wins_and_the_other_is_told_who_was_first(desk: Desk) -> None:
    seen = in_force(desk)
    configs.change(desk.context, BOB, [Set(("max_concurrent",), 2)], if_hash=seen)
    with pytest.raises(Conflict, match="human:bob changed it") as caught:
        configs.change(desk.context, ANN, [Set(("max_concurrent",), 3)], if_hash=seen)
    assert caught.value.code == "FLT-CFG-103"
    assert desk.context.loaded.config.max_concurrent == 2


def test_an_edit_by_hand_in_between_is_told_as_such(desk: Desk) -> None:
    seen = in_force(desk)
    write(desk, FILE.replace("# ours", "# mine"))
    with pytest.raises(Conflict, match="edited the file by hand"):
        configs.change(desk.context, ANN, [Set(("max_concurrent",), 3)], if_hash=seen)


def test_two_changes_at_once_follow_each_other(desk: Desk) -> None:
    """Many threads, one file: none of the changes is lost."""
    names = [f"path{number}/" for number in range(8)]
    threads = [
        threading.Thread(
            target=configs.change, args=(desk.context, ANN, [Append(("protected_paths",), name)]), daemon=True
        )
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(desk.context.loaded.config.protected_paths) == names
    assert sorted(reread(desk).config.protected_paths) == names


def test_whoever_comes_while_somebody_is_at_it_is_told_so(desk: Desk) -> None:
    with locked(desk.paths.config), pytest.raises(Conflict) as caught, locked(desk.paths.config, seconds=0):
        pass
    assert caught.value.code == "FLT-CFG-104"


@pytest.mark.parametrize("edits", [[Set(("base",), "trunk")], [Set(("forge",), "github"), Set(("repo",), "acme/shop")]])
def test_what_the_running_daemon_is_built_on_needs_a_restart(desk: Desk, edits: list[Set]) -> None:
    with pytest.raises(ConfigError) as caught:
        configs.change(desk.context, ANN, edits)
    assert caught.value.code == "FLT-CFG-109"
    assert desk.paths.config.read_text() == FILE


def test_the_way_to_github_needs_a_restart_too(desk: Desk) -> None:
    write(desk, FILE + "forge: github\nrepo: acme/shop\n")
    desk.context.config.replace(reread(desk))
    with pytest.raises(ConfigError) as caught:
        configs.change(desk.context, ANN, [Set(("forge_transport",), "httpx2")])
    assert caught.value.code == "FLT-CFG-109"


@given(st.lists(EDITS, min_size=1, max_size=6))
@settings(max_examples=10)
def test_a_change_that_reports_success_never_leaves_a_file_that_is_refused(edits: list[Edit]) -> None:
    with short_folder() as folder:
        made = Desk(folder)
        made.paths.config.parent.mkdir()
        write(made, FILE)
        made.context.config.replace(reread(made))
        for edit in edits:
            before = made.paths.config.read_bytes()
            try:
                configs.change(made.context, ANN, [edit])
            except FleetError:
                assert made.paths.config.read_bytes() == before
            assert reread(made).digest == in_force(made)
        made.close()


# -- the file ----------------------------------------------------------------------------------------


def test_rights_and_a_symbolic_link_are_kept(desk: Desk) -> None:
    real = desk.paths.checkout / "team.yaml"
    desk.paths.config.rename(real)
    real.chmod(0o640)
    desk.paths.config.symlink_to("../team.yaml")
    configs.change(desk.context, ANN, [Set(("max_concurrent",), 2)])
    assert desk.paths.config.is_symlink()
    assert "max_concurrent: 2" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o640
    assert os.listdir(desk.paths.config.parent) == ["config.yaml"]


def test_a_file_that_cannot_be_written_changes_nothing_and_the_change_is_written_off(desk: Desk) -> None:
    folder = desk.paths.config.parent
    if os.getuid() == 0:
        os.chown(desk.paths.config, 65534, -1)  # rights do not hinder root; a file of somebody else does
    else:
        folder.chmod(0o500)
    try:
        with pytest.raises(PermanentError) as caught:
            configs.change(desk.context, ANN, [Set(("max_concurrent",), 2)])
    finally:
        folder.chmod(0o700)
    assert caught.value.code == "FLT-CFG-105"
    assert desk.context.loaded.config.max_concurrent == 4
    assert desk.entries("config.change_abandoned")
    assert desk.db.read(config_revisions.intended) == []


def test_an_editor_that_saves_in_the_middle_of_a_change_wins(desk: Desk) -> None:
    mine = FILE.replace("# ours", "# mine")
    probe.install(lambda name: write(desk, mine) if name == "config.intended" else None)
    with pytest.raises(Conflict) as caught:
        configs.change(desk.context, ANN, [Set(("max_concurrent",), 2)])
    assert caught.value.code == "FLT-CFG-103"
    assert desk.paths.config.read_text() == mine


# -- reload ------------------------------------------------------------------------------------------


def test_a_reload_takes_the_whole_file_and_says_what_changed(desk: Desk) -> None:
    write(desk, FILE.replace("max_concurrent: 4", "max_concurrent: 5") + "  - name: qa\n    role: qa-engineer\n")
    answer = desk.ask("config.reload", reason="one more")
    assert answer["changes"]["agents_added"] == ["qa"]
    assert answer["changes"]["lines"] == ["agent qa joins as qa-engineer", "max_concurrent: 4 -> 5"]
    assert desk.context.loaded.config.agent("qa") is not None
    accepted = desk.entries("config.accepted")[-1]
    assert (accepted.actor, accepted.payload["reason"]) == ("human:ann", "one more")  # type: ignore[index]


def test_a_reload_of_the_same_file_does_nothing(desk: Desk) -> None:
    before = len(desk.entries())
    assert not desk.ask("config.reload")["changed"]
    assert len(desk.entries()) == before


def test_a_faulty_file_is_refused_as_a_whole_and_that_is_on_record(desk: Desk) -> None:
    before = in_force(desk)
    write(desk, FILE.replace("max_concurrent: 4", "max_concurrent: 5").replace("role: tech-lead", "role: poet"))
    with pytest.raises(ConfigError, match="unknown role") as caught:
        desk.ask("config.reload")
    assert caught.value.problems[0].startswith(".fleet/config.yaml:11:11:")
    assert in_force(desk) == before
    assert desk.context.loaded.config.max_concurrent == 4
    refused = desk.entries("config.refused")[-1]
    assert refused.payload is not None
    assert refused.payload["problems"] == list(caught.value.problems)


def test_a_file_that_is_gone_is_refused_too(desk: Desk) -> None:
    desk.paths.config.unlink()
    with pytest.raises(NotFound):
        desk.ask("config.reload")
    assert desk.context.loaded.config.max_concurrent == 4


def test_an_agent_may_not_reload(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    with pytest.raises(Refused):
        desk.ask("config.reload", who)


# -- interrupted -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "reached"), [("config.intended", False), ("config.written", True), ("config.accepted", True)]
)
def test_an_interrupted_change_is_the_old_file_or_the_new_one(desk: Desk, point: str, reached: bool) -> None:
    """And the next start tells which: accepted in the name of who meant it, or written off."""
    stop_at(point)
    with pytest.raises(Stop):
        configs.change(desk.context, BOB, [Set(("max_concurrent",), 2)], "less load")
    probe.install(None)
    new = FILE.replace("4  # for now", "2  # for now")
    assert desk.paths.config.read_text() == (new if reached else FILE)
    accept_config(desk.db, reread(desk), ANN)
    assert desk.db.read(config_revisions.intended) == []
    last = desk.db.read(config_revisions.accepted)[0]
    assert last.digest == digest_of(desk.paths.config.read_bytes())
    assert last.actor == ("human:bob" if reached else "human:ann")
    assert len(desk.entries("config.change_abandoned")) == (0 if reached else 1)
    assert [entry.actor for entry in desk.entries("config.accepted")] == ["human:ann"] + ["human:bob"] * reached


def test_the_oldest_revisions_make_room_and_the_one_in_force_stays(desk: Desk) -> None:
    configs.change(desk.context, ANN, [Set(("owner",), "ann")])
    in_force_number = desk.db.read(config_revisions.accepted)[0].number

    def try_often(tx: Tx) -> None:
        for number in range(config_revisions.KEPT + 10):
            meant = {"digest": f"{number}", "before": "", "actor": "human:ann", "reason": ""}
            config_revisions.abandon(tx, config_revisions.intend(tx, **meant, changes=(), body=b"", roles={}))

    desk.db.write(try_often)
    kept = desk.db.read(lambda tx: config_revisions.newest(tx, 1000))
    assert len(kept) <= config_revisions.KEPT + 11
    assert in_force_number in {row.number for row in kept}
    configs.change(desk.context, ANN, [Set(("owner",), "bob")])
    configs.change(desk.context, ANN, [Set(("owner",), "eve")])
    assert len(desk.db.read(lambda tx: config_revisions.newest(tx, 1000))) == config_revisions.KEPT
    with pytest.raises(FleetError) as caught:
        desk.db.read(lambda tx: config_revisions.text_of(tx, 1))
    assert caught.value.code == "FLT-CFG-108"


# -- the repository's own roles ----------------------------------------------------------------------


def bring(desk: Desk, text: str) -> None:
    """Write the file of the repository's own role."""
    bring_role(desk.paths.config.parent, text)


def reload_(desk: Desk) -> dict[str, object]:
    """Take into force what lies there."""
    return desk.ask("config.reload", reason="")


def test_own_roles_come_into_force_with_the_file_and_are_part_of_its_hash(desk: Desk) -> None:
    before = in_force(desk)
    bring(desk, TILL)
    assert "till-developer" not in desk.context.loaded.roles
    done = reload_(desk)
    assert (done["changed"], done["changes"]) == (True, {**no_changes(), "lines": ["role till-developer is new"]})
    assert in_force(desk) == done["hash"] != before
    entry = desk.entries("config.accepted")[-1]
    assert entry.payload is not None
    assert entry.payload["own_roles"] == {"till-developer": desk.context.loaded.roles["till-developer"].digest}
    assert not reload_(desk)["changed"]
    made = desk.ask("agent.create", name="till", role="till-developer", template=True)
    assert made["changes"]["lines"] == ["agent till joins as till-developer"]


def no_changes() -> dict[str, object]:
    """Nothing about the file itself."""
    return {"agents_added": [], "agents_removed": [], "agents_changed": {}, "keys": []}


def test_an_agent_is_made_in_a_role_that_was_only_just_written(desk: Desk) -> None:
    bring(desk, TILL)
    made = desk.ask("agent.create", name="till", role="till-developer", template=True)
    assert made["changes"]["lines"] == ["agent till joins as till-developer", "role till-developer is new"]
    assert desk.context.loaded.roles["till-developer"].mission == "Keep the tills of our shops selling."


def test_a_faulty_role_changes_nothing_and_is_on_record(desk: Desk) -> None:
    before = in_force(desk)
    bring(desk, TILL.replace("extends: developer", "extends: devloper"))
    for call in (lambda: reload_(desk), lambda: configs.change(desk.context, ANN, [Set(("max_concurrent",), 2)])):
        with pytest.raises(ConfigError, match="extends names 'devloper'"):
            call()
    assert in_force(desk) == before
    assert desk.paths.config.read_text() == FILE
    assert len(desk.entries("config.refused")) == 1


def test_a_run_is_judged_by_the_roles_it_started_with_also_after_a_restart(desk: Desk) -> None:
    bring(desk, TILL)
    desk.ask("agent.create", name="till", role="till-developer", template=True)
    old = desk.context.loaded
    bring(desk, TILL + "paths: {write: [tills/**]}\n")
    reload_(desk)
    assert desk.context.config.at(old.digest).roles["till-developer"].scope.may_write("src/x")
    assert not desk.context.loaded.roles["till-developer"].scope.may_write("src/x")
    number = next(row.number for row in desk.db.read(config_revisions.accepted) if row.digest == old.digest)
    kept = desk.db.read(lambda tx: config_revisions.roles_of(tx, number))
    assert kept == {"till-developer": TILL.encode()}
    assert desk.db.read(in_force_before) is not None
    last = desk.db.read(in_force_before)
    assert last is not None
    assert last.digest == in_force(desk)
    assert not last.roles["till-developer"].scope.may_write("src/x")


def role_files(desk: Desk) -> dict[str, str]:
    """What lies in the folder of own roles."""
    return {path.name: path.read_text() for path in (desk.paths.config.parent / "roles").glob("*")}


def back_to(desk: Desk, revision: int) -> dict[str, Any]:
    """Roll back, as a person."""
    return desk.ask("config.rollback", revision=revision, reason="", if_hash="")


def test_going_back_brings_role_files_back_with_the_file(desk: Desk) -> None:
    bring(desk, TILL)
    desk.ask("agent.create", name="till", role="till-developer", template=True)
    second = in_force(desk)
    other = TILL.replace("Keep the tills", "Sell the tills")
    bring(desk, other)
    reload_(desk)
    done = back_to(desk, 2)
    assert (done["hash"], done["files"]) == (second, ["roles/till-developer.yaml"])
    assert done["changes"]["lines"] == ["role till-developer is another"]
    assert (in_force(desk), role_files(desk)) == (second, {"till-developer.yaml": TILL})
    assert desk.context.loaded.roles["till-developer"].mission == "Keep the tills of our shops selling."
    done = back_to(desk, 1)
    assert done["files"] == ["config.yaml", "roles/till-developer.yaml"]
    assert sorted(done["changes"]["lines"]) == ["agent till leaves", "role till-developer is gone"]
    assert (desk.paths.config.read_text(), role_files(desk)) == (FILE, {})
    assert back_to(desk, 2)["hash"] == second, "the file names a role that is not there: both come back together"
    assert not (desk.paths.config.parent / NOTE).exists()


def test_a_role_file_that_was_never_in_force_is_kept_beside_what_was_brought_back(desk: Desk) -> None:
    bring(desk, TILL)
    reload_(desk)
    bring(desk, "name: [faulty")
    done = back_to(desk, 2)
    assert done["warnings"][0] == (
        ".fleet/roles/till-developer.yaml was never in force as it lay there; it is kept as"
        " till-developer.yaml.replaced"
    )
    assert role_files(desk) == {"till-developer.yaml": TILL, "till-developer.yaml.replaced": "name: [faulty"}
    assert not reload_(desk)["changed"], "a copy is no role"


def test_going_back_to_a_role_that_comes_with_fleet_by_now_changes_nothing(desk: Desk) -> None:
    bring(desk, TILL)
    reload_(desk)
    before = (in_force(desk), desk.paths.config.read_bytes(), role_files(desk))
    taken = {"developer": TILL.encode()}
    number = desk.db.write(
        lambda tx: config_revisions.intend(
            tx, digest="d", before="", actor="ann", reason="", changes=(), body=FILE.encode(), roles=taken
        )
    )
    with pytest.raises(ConfigError, match="a role 'developer' comes with Fleet"):
        back_to(desk, number)
    assert (in_force(desk), desk.paths.config.read_bytes(), role_files(desk)) == before


def test_the_hash_of_the_file_alone_is_enough_to_say_what_one_looked_at(desk: Desk) -> None:
    bring(desk, TILL)
    reload_(desk)
    for alone in (True, False):
        seen = digest_of(desk.paths.config.read_bytes()) if alone else in_force(desk)
        more = desk.context.loaded.config.max_concurrent + 1
        configs.change(desk.context, ANN, [Set(("max_concurrent",), more)], if_hash=seen)
        assert desk.context.loaded.config.max_concurrent == more
    with pytest.raises(Conflict, match="no longer the one you looked at"):
        configs.change(desk.context, ANN, [Set(("max_concurrent",), 9)], if_hash="0" * 64)
