"""Before the first tick: a damaged record stops the daemon, the configuration's members become rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from fleet.config.catalogue import load_roles
from fleet.control.acceptance import accept_config
from fleet.core.agent import AgentState
from fleet.core.errors import IntegrityError
from fleet.core.journal import Draft, Stream
from fleet.core.principal import human
from fleet.daemon.startup import check_tail
from fleet.store import agents, journal
from fleet.store.db import Database
from fleet.store.open import open_for_daemon
from fleet.testing.scene import load, member

ROLES = load_roles()
ANN = human("ann")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    """An open store."""
    made = open_for_daemon(tmp_path / "fleet.db")
    yield made
    made.close()


def note(db: Database, count: int) -> None:
    """Some entries."""
    for number in range(count):
        draft = Draft(Stream.EVENT, "note", "human:ann", summary=f"n{number}")
        db.write(lambda tx, draft=draft: journal.append(tx, draft))  # type: ignore[misc]


def change(db: Database, sql: str) -> None:
    """Do to the file what only somebody outside would do."""
    raw = apsw.Connection(str(db.path))
    raw.execute("DROP TRIGGER journal_no_update; DROP TRIGGER journal_no_delete")
    raw.execute(sql)
    raw.close()


def test_a_new_and_a_whole_journal_pass(db: Database) -> None:
    assert check_tail(db) == 0
    note(db, 30)
    assert check_tail(db) == 30
    assert check_tail(db, entries=10) == 11


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE journal SET summary = 'x' WHERE seq = 25",
        "UPDATE journal SET actor = 'human:bob' WHERE seq = 30",
        "PRAGMA foreign_keys = OFF; DELETE FROM journal WHERE seq = 27",
        "UPDATE journal SET prev_hash = hash WHERE seq = 26",
    ],
)
def test_a_changed_end_of_the_journal_stops_the_start(db: Database, sql: str) -> None:
    note(db, 30)
    change(db, sql)
    with pytest.raises(IntegrityError) as caught:
        check_tail(db, entries=10)
    assert caught.value.code == "FLT-DMN-014"


def test_members_become_rows_and_the_configurations_hash_is_on_record(db: Database) -> None:
    first = load((member("dev", "developer"), member("lead", "tech-lead")), ROLES)
    accept_config(db, first, ANN)
    assert {row.name: row.state for row in db.read(agents.every)} == {
        "dev": AgentState.ACTIVE, "lead": AgentState.ACTIVE,
    }  # fmt: skip
    (entry,) = db.read(lambda tx: journal.select(tx, journal.Filter(type="config.accepted")))
    assert entry.actor == "human:ann"
    assert entry.payload is not None
    assert entry.payload["hash"] == first.digest


def test_the_same_configuration_again_writes_nothing(db: Database) -> None:
    loaded = load((member("dev", "developer"),), ROLES)
    accept_config(db, loaded, ANN)
    before = db.read(journal.head)
    accept_config(db, loaded, ANN)
    assert db.read(journal.head) == before


def test_who_leaves_is_retired_and_who_comes_back_is_active(db: Database) -> None:
    both = load((member("dev", "developer"), member("lead", "tech-lead")), ROLES)
    one = dataclasses.replace(load((member("dev", "developer"),), ROLES), digest="d" * 64)
    for loaded, expected in ((both, AgentState.ACTIVE), (one, AgentState.RETIRED), (both, AgentState.ACTIVE)):
        accept_config(db, loaded, ANN)
        assert db.read(lambda tx: agents.get(tx, "lead")).state is expected
    changes = db.read(lambda tx: journal.select(tx, journal.Filter(type="agent.state_changed", agent="lead")))
    assert [(entry.payload or {})["state"] for entry in changes] == ["active", "retired", "active"]


def test_a_state_that_a_person_gave_survives_another_role(db: Database) -> None:
    accept_config(db, load((member("dev", "developer"),), ROLES), ANN)
    paused = AgentState.PAUSED
    db.write(lambda tx: agents.move(tx, "dev", expected=AgentState.ACTIVE, state=paused, reason="holiday"))
    accept_config(db, load((member("dev", "backend-developer"),), ROLES), ANN)
    row = db.read(lambda tx: agents.get(tx, "dev"))
    assert (row.role, row.state, row.reason) == ("backend-developer", AgentState.PAUSED, "holiday")
