"""``fleet schedules`` and the daemon behind it: a due time starts its agent once, also over a restart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fleet.config.paths import FleetPaths
from fleet.testing.fleets import fleet_in, make_due, schedule_agent
from fleet.testing.shell import Shell
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux

CRON = "0 9 * 1 1"
SPEC = f"{CRON} Europe/Berlin"
ZONE = ", timezone: Europe/Berlin"


@pytest.fixture
def paths() -> Iterator[FleetPaths]:
    """A fleet with an agent that starts on Mondays of January; whatever runs at the end is stopped."""
    with fleet_in() as found:
        schedule_agent(found, "scribe", CRON, more=ZONE)
        yield found
        Shell(found.checkout, {}).fleet("down")


def types(shell: Shell) -> list[str]:
    """Every type on record."""
    return [entry["type"] for entry in shell.answer("log", "--limit", "1000")["entries"]]


@pytest.mark.long
def test_a_due_time_starts_its_agent_once_over_a_restart(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    make_due(paths, "scribe", SPEC)
    shell.answer("up")
    wait_until(lambda: "run.succeeded" in types(shell), what="the scheduled run")
    shell.answer("down")
    shell.answer("up")
    assert types(shell).count("schedule_due") == 1
    (row,) = shell.answer("schedules")["schedules"]
    assert row["last"]["at"] < row["next"][0]["at"]
    (event,) = (item for item in shell.answer("fabric", "history")["entries"] if item["type"] == "schedule_due")
    assert row["last_event"] == event["id"]
    assert event["actor"] == "system:scheduler"
    why = shell.fleet("why", "scribe")
    assert "for schedule_due): succeeded" in why.text


def test_a_time_missed_while_the_fleet_was_down_is_left_out_or_made_up_for_as_configured(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    schedule_agent(paths, "clerk", CRON, more=", missed: catch_up_once")
    make_due(paths, "scribe", SPEC, ago=86_400)
    make_due(paths, "clerk", f"{CRON} UTC", ago=86_400)
    shell.answer("up")
    wait_until(lambda: "run.succeeded" in types(shell), what="the run that makes up for it")
    due = [entry for entry in shell.answer("log", "--limit", "1000")["entries"] if "schedule" in entry["type"]]
    assert {(entry["type"], entry["agent"]) for entry in due} == {
        ("schedule_due", "clerk"),
        ("schedule.skipped", "scribe"),
    }


def test_the_next_times_are_shown_in_the_schedules_zone_and_in_utc(paths: FleetPaths) -> None:
    """Also without a daemon, once there is a store."""
    shell = Shell(paths.checkout, {})
    make_due(paths, "scribe", SPEC, ago=-60)
    (row,) = shell.answer("schedules")["schedules"]
    assert sorted(row) == [
        "agent", "cron", "last", "last_event", "missed", "next", "reason", "role", "starts", "state", "timezone",
    ]  # fmt: skip
    assert (row["cron"], row["timezone"], row["missed"], row["state"], row["starts"], row["last"]) == (
        CRON, "Europe/Berlin", "skip", "active", True, None,
    )  # fmt: skip
    assert len(row["next"]) == 5
    assert all(moment["local"].endswith("T09:00:00+01:00") for moment in row["next"])
    text = shell.fleet("schedules").text
    assert "scribe  0 9 * 1 1  Europe/Berlin  active" in text
    assert "last     never" in text
    assert text.count(" 09:00:00+01:00 (") == text.count(" 08:00Z)") == 5


@pytest.mark.long
def test_a_disabled_agent_is_shown_as_such(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    config = paths.config.read_text().replace("name: scribe,", "name: scribe, enabled: false,")
    paths.config.write_text(config)
    make_due(paths, "scribe", SPEC)
    shell.answer("up")
    (row,) = shell.answer("schedules")["schedules"]
    assert (row["state"], row["starts"]) == ("disabled", False)
    assert "disabled" in shell.fleet("schedules").text
    assert "would be" in shell.fleet("schedules").text
    assert "schedule_due" not in types(shell)


@pytest.mark.long
def test_a_fleet_without_schedules_says_how_to_make_one() -> None:
    with fleet_in() as paths, Shell(paths.checkout, {}).up() as shell:
        assert shell.answer("schedules")["schedules"] == []
        assert "`schedule:`" in shell.fleet("schedules").text


@pytest.mark.parametrize("words", [["schedules", "scribe"], ["schedules", "--all"]])
def test_words_that_it_does_not_take_are_a_usage_error(paths: FleetPaths, words: list[str]) -> None:
    done = Shell(paths.checkout, {}).fleet(*words)
    assert (done.code, done.text) == (2, "")
    assert "FLT-CLI-010" in done.error_text


def test_a_bad_schedule_keeps_the_fleet_from_coming_up_and_names_its_line(paths: FleetPaths) -> None:
    paths.config.write_text(paths.config.read_text().replace(CRON, "0 25 * * *"))
    done = Shell(paths.checkout, {}).fleet("up")
    assert done.code == 3
    assert "cron is '0 25 * * *'" in done.error_text
