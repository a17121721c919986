"""``labels.sync``: the fleet's labels are made in the repository, once, and nothing is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleet.control.commands import Control
from fleet.core.errors import Refused
from fleet.core.label import OWN
from fleet.core.principal import human
from fleet.forge.github.connect import connect
from fleet.testing.desk import Desk
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import Place, a_github
from fleet.testing.scene import member

ANN = human("ann")
GATED = member("developer", "developer", subscription_gate={"any_of": ({"label": "urgent"}, {"label": "approved"})})


@contextmanager
def at_github(folder: Path, prefix: str = "") -> Iterator[tuple[Desk, Place]]:
    """A desk whose forge is the local GitHub, through the real gh."""
    made = Desk(folder, (GATED,), required_label="team", label_prefix=prefix)
    with a_github(made.paths.checkout) as place:
        forge = connect(
            REPO,
            folder / "hub.git",
            made.paths.checkout,
            "main",
            env=place.env(),
            clock=made.clock,
            label_prefix=prefix,
        )
        made.control = Control(replace(made.context, forge=forge))
        yield made, place
    made.close()


def kept(place: Place) -> dict[str, tuple[str, str]]:
    """Name, colour and description of what GitHub keeps."""
    return {name: (facts.get("color", ""), facts.get("description", "")) for name, facts in place.hub.labels.items()}


def test_the_labels_are_made_once_at_github_and_a_second_sync_changes_nothing(tmp_path: Path) -> None:
    with at_github(tmp_path) as (desk, place):
        with place.hub.lock:
            place.hub.labels |= {"shipped": {"color": "ffffff"}, "team": {"color": "123456"}, "re\u0430dy": {}}
        named = [one.name for one in OWN if one.name != "shipped"]
        wanted = {"created": [*named, "urgent"], "updated": ["shipped"], "unchanged": ["team"], "blocked": []}
        foreseen = desk.ask("labels.sync", dry_run=True)
        assert {key: foreseen[key] for key in wanted} == wanted
        assert len(kept(place)) == 3, "a dry run makes nothing"
        assert desk.entries("labels.synced") == []
        done = desk.ask("labels.sync")
        assert {key: done[key] for key in wanted} == wanted
        assert [(one["label"], one["of"]) for one in done["look_alikes"]] == [("re\u0430dy", "ready")]
        assert kept(place) == {
            **{one.name: (one.color, one.description) for one in OWN},
            "urgent": ("ededed", "Used by Fleet's configuration"),
            "team": ("123456", ""),
            "re\u0430dy": ("", ""),
        }
        again = desk.ask("labels.sync")
        assert (again["created"], again["updated"]) == ([], [])
        (entry,) = desk.entries("labels.synced")
        assert entry.payload == {"created": wanted["created"], "updated": ["shipped"]}


def test_a_label_in_another_case_is_named_and_left_alone(tmp_path: Path) -> None:
    with at_github(tmp_path, "fleet/") as (desk, place):
        place.hub.labels["Fleet/Ready"] = {"color": "ffffff"}
        done = desk.ask("labels.sync")
        assert (done["blocked"], "fleet/ready" in done["created"]) == (["fleet/ready"], False)
        assert set(kept(place)) == {
            "Fleet/Ready", "fleet/needs-review", "fleet/changes-requested", "fleet/approved", "fleet/shipped",
            "fleet/hold", "team", "urgent",
        }  # fmt: skip
        assert kept(place)["Fleet/Ready"] == ("ffffff", "")


def test_the_local_forge_has_nothing_to_make_and_still_names_look_alikes(tmp_path: Path) -> None:
    desk = Desk(tmp_path, (GATED,), required_label="team", label_prefix="fleet/")
    desk.ticket("One", "Ready", "bug")
    done: dict[str, Any] = desk.ask("labels.sync")
    assert (done["keeps_labels"], done["created"], done["updated"], done["unchanged"]) == (False, [], [], [])
    assert [(one["label"], one["of"], one["blocks"]) for one in done["look_alikes"]] == [("Ready", "ready", False)]
    assert desk.entries("labels.synced") == []
    desk.close()


def test_a_person_may_write_the_prefix_or_leave_it_out(tmp_path: Path) -> None:
    desk = Desk(tmp_path, label_prefix="fleet/")
    number = desk.ticket("One", "fleet/ready", "bug")
    assert desk.ask("ticket.show", number=number)["ticket"]["labels"] == ["bug", "ready"]
    assert desk.ask("ticket.label", number=number, add=["fleet/hold"], remove=["ready"])["labels"] == [
        "bug",
        "fleet:hold",
    ]
    assert desk.ask("ticket.label", number=number, remove=["fleet:hold"])["labels"] == ["bug"]
    desk.close()


def test_no_agent_makes_labels(desk: Desk) -> None:
    who = desk.run("developer", f"ticket/{desk.ticket()}")
    with pytest.raises(Refused) as caught:
        desk.ask("labels.sync", who)
    assert caught.value.code == "FLT-AUT-011"
