"""A reload in the middle of the chain: who left gets nothing any more, who came gets the next event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.control.acceptance import accept_config, known_to_runs
from fleet.core.principal import human
from fleet.core.work import DeliveryState
from fleet.testing.scene import Scene, load, member, usual_members

ANN = human("ann")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """The usual members, accepted."""
    made = Scene(tmp_path, max_concurrent=1)
    accept_config(made.db, made.loaded, ANN)
    yield made
    made.close()


def reload(scene: Scene, *leave: str, join: tuple[str, ...] = ()) -> None:
    """The same services, another configuration."""
    stay = [agent for agent in usual_members() if agent.name not in leave]
    new = [member(name, "developer", "ticket_ready") for name in join]
    scene.loaded = replace(load((*stay, *new), scene.roles, max_concurrent=1), digest="d" * 64)
    accept_config(scene.db, scene.loaded, ANN)


def test_what_waits_for_an_agent_that_left_is_denied(scene: Scene) -> None:
    scene.ready()
    scene.ready()
    scene.rest()
    assert [one.state for one in scene.deliveries("developer")] == [DeliveryState.DISPATCHED, DeliveryState.HELD]
    reload(scene, "developer")
    scene.later(10)
    assert [one.state for one in scene.deliveries("developer")] == [DeliveryState.DISPATCHED, DeliveryState.DENIED]


def test_an_agent_that_left_hears_of_nothing_new_and_one_that_came_does(scene: Scene) -> None:
    reload(scene, "developer", join=("writer",))
    scene.ready()
    scene.rest()
    assert scene.deliveries("developer") == []
    assert len(scene.deliveries("writer")) == 1
    assert set(scene.live()) == {"writer"}


def test_a_live_run_keeps_the_hash_it_was_dispatched_under(scene: Scene) -> None:
    before = scene.loaded.digest
    scene.ready()
    scene.rest()
    run = scene.start(scene.live()["developer"])
    reload(scene, "developer", join=("writer",))
    scene.rest()
    assert scene.live()["developer"].config_hash == before
    scene.push(run, "h1")
    scene.end(run)
    scene.rest()
    assert len(scene.deliveries("tech-lead")) == 1


def test_a_limit_that_was_raised_counts_for_what_already_waits(scene: Scene) -> None:
    scene.ready()
    scene.ready()
    scene.rest()
    assert len(scene.live()) == 1
    wide = (member("developer", "developer", "ticket_ready", max_concurrent=2), *usual_members()[1:])
    scene.loaded = replace(load(wide, scene.roles, max_concurrent=5), digest="e" * 64)
    accept_config(scene.db, scene.loaded, ANN)
    scene.later(10)
    assert [one.state for one in scene.deliveries("developer")] == [DeliveryState.DISPATCHED] * 2


def test_the_texts_that_live_runs_began_under_are_found_after_a_restart(scene: Scene) -> None:
    text = b"version: 1\nagents:\n  - name: developer\n    role: developer\n    subscribes_to: ticket_ready\n"
    scene.loaded = replace(scene.loaded, digest="f" * 64, text=text)
    accept_config(scene.db, scene.loaded, ANN)
    scene.ready()
    scene.rest()
    reload(scene, "developer")
    (found,) = scene.db.read(known_to_runs)
    assert found.config.agent("developer") is not None
    assert found.text == text
