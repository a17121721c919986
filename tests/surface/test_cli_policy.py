"""A gate before the release and a replay of what was decided, on a real fleet: text, JSON, bad input, no daemon."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.config.paths import FleetPaths
from fleet.testing.fleets import fleet_in
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux

GATE = "    subscription_gate: {all_of: [{label: go}, {approvals: 2}, {max_diff: {files: 50}}]}\n"
RELEASE = "    role: release-manager\n"


@pytest.fixture(scope="module")
def held() -> Iterator[tuple[FleetPaths, Shell]]:
    """A fleet whose release manager waits for a label on an approved pull request; its gate is in the file."""
    with fleet_in() as paths:
        text = paths.config.read_text("utf-8")
        assert RELEASE in text
        paths.config.write_text(text.replace(RELEASE, RELEASE + GATE), "utf-8")
        (paths.checkout / "open.yaml").write_text(text, "utf-8")
        shell = Shell(paths.checkout, {})
        shell.answer("up")
        try:
            shell.answer("ticket", "create", "Greet", "--label", "ready")
            yield paths, shell
        finally:
            shell.fleet("down")


def gate_of(shell: Shell, subject: str) -> dict[str, Any] | None:
    """The gate of the held release, once every condition but the label is met."""
    done = shell.fleet("why", subject, "--json")
    waiting = object_of(done)["waiting"] if done.ok else []
    gates = [one["gate"] for one in waiting if one["agent"] == "release-manager" and one["gate"]]
    met = gates and [one["answer"] for one in gates[-1]["conditions"]] == ["not yet", "met", "met"]
    return gates[-1] if met else None


@pytest.mark.long
def test_a_held_release_says_what_it_waits_for_and_what_another_policy_had_done(held: tuple[FleetPaths, Shell]) -> None:
    paths, shell = held
    gate = wait_until(lambda: gate_of(shell, "pr/2"), what="a release that waits for its label")
    assert gate is not None
    assert gate["conditions"][0]["hint"] == "fleet ticket label 2 --add go"
    text = shell.fleet("why", "pr/2").text
    assert "not yet  label go: pr/2 does not carry it (fleet ticket label 2 --add go)" in text

    same = shell.answer("policy", "replay", "--config", str(paths.config))
    assert (same["differs"], same["not_replayable"], same["program_differs"]) == ([], [], [])
    assert same["decisions"] > 5
    without = shell.answer("policy", "replay", "--config", "open.yaml", "--since", "1h")
    starts = [row for row in without["differs"] if row["effect"] == "starts"]
    assert [(row["agent"], row["was"], row["now"]) for row in starts] == [("release-manager", "hold", "allow")]
    told = shell.fleet("policy", "replay", "--config", "open.yaml").text
    assert told.startswith("open.yaml changes:\n  agents.release-manager.subscription_gate: "), told
    assert re.search(r"\n\d+ .* release-manager +pr/2 +start +hold +allow \(starts\)\n    \S", told), told
    assert without["changes"][0].startswith("agents.release-manager.subscription_gate: ")
    assert "different: 1 starts" in told
    assert "what would have followed is not simulated" in told.lower() or "would have followed is not" in told

    shell.answer("ticket", "label", "2", "--add", "go")
    wait_until(lambda: shell.answer("pr", "show", "2")["pr"]["state"] == "merged", what="the merge")
    shell.answer("down")
    offline = shell.answer("policy", "replay", "--config", "open.yaml")
    assert [row["effect"] for row in offline["differs"]].count("starts") >= 1
    shell.answer("up")


def test_bad_input_is_told_before_anything_is_asked(held: tuple[FleetPaths, Shell], tmp_path: Path) -> None:
    _, shell = held
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\nagents:\n  - {name: a, role: developer, subscription_gate: {lable: x}}\n", "utf-8")
    done = shell.fleet("policy", "replay", "--config", str(bad))
    assert (done.code, "bad.yaml:3:52: unknown key 'lable'" in done.error_text) == (3, True), done.error_text
    assert shell.fleet("policy", "replay", "--config", str(tmp_path / "none.yaml")).code == 2
    assert shell.fleet("policy", "replay").code == 2
    assert shell.fleet("policy", "replay", "--config", "open.yaml", "--since", "yesterday").code == 2
    assert shell.fleet("policy", "replay", "--config", "open.yaml", "--limit", "0").code == 2
