"""A fleet of agents that the real client plays, and the few looks that every test takes at it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet.config.paths import FleetPaths
from fleet.testing.fleets import fleet_in
from fleet.testing.model.scenario import Scenario
from fleet.testing.model.server import ScriptedModel, scripted_model
from fleet.testing.shell import Shell
from fleet.testing.waiting import wait_until

PATIENCE = 180.0  # seconds; the client starts slowly where many do

ROLES = {
    "developer": ("developer", "[ticket_ready, pr_changes_requested]"),
    "tech-lead": ("tech-lead", "[pr_needs_review]"),
    "release-manager": ("release-manager", "[pr_approved]"),
}


@dataclass(frozen=True, slots=True)
class Rig:
    """A running fleet and the model that its agents ask."""

    shell: Shell
    paths: FleetPaths
    model: ScriptedModel

    def ticket(self, title: str = "Say hello", body: str = "Please.") -> int:
        """A ticket that is ready."""
        words = ("ticket", "create", title, "--body", body, "--label", "ready")
        return int(self.shell.answer(*words)["ticket"]["number"])

    def runs(self, agent: str) -> list[dict[str, Any]]:
        """Every run of an agent, oldest first."""
        found = [dict(run) for run in self.shell.answer("ps", "--all")["runs"] if run["agent"] == agent]
        return sorted(found, key=lambda run: str(run["id"]))

    def ended(self, agent: str, *, count: int = 1) -> dict[str, Any]:
        """Wait until so many runs of an agent have ended; the last of them."""

        def look() -> dict[str, Any]:
            over = [run for run in self.runs(agent) if run["finished_at"]]
            return over[count - 1] if len(over) >= count else {}

        try:
            return wait_until(look, timeout=PATIENCE, what=f"run {count} of {agent} to end")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from error

    def log(self, kind: str) -> list[dict[str, Any]]:
        """The entries of one type."""
        return [dict(entry) for entry in self.shell.answer("log", "--type", kind)["entries"]]

    def story(self) -> str:
        """What an engineer would look at: the last entries and every screen."""
        text = self.shell.fleet("log", "--limit", "60").text
        for agent in ROLES:
            text += f"--- {agent}\n{self.shell.fleet('agent', 'output', agent).text}"
        return text


@contextmanager
def rig(
    client: Path,
    scenarios: Mapping[str, Scenario],
    *,
    agents: tuple[str, ...] = ("developer",),
    agent_keys: str = "",
    others: Mapping[str, str] | None = None,
    fleet_keys: str = "",
    claude_keys: str = "",
    backend: str = "kind: anthropic",
    auth: str = "kind: key_helper, command: [echo, a-key-of-the-test]",
) -> Iterator[Rig]:
    """A fleet whose agents play the scenarios of their own names. The keys are lines of YAML.

    ``others`` are further agents, by name, with the keys of each in YAML's short form; they start by hand.
    """
    others = others or {}
    with scripted_model(scenarios) as model, fleet_in() as paths:
        members = "".join(
            f"  - name: {name}\n    role: {ROLES[name][0]}\n    vendor: claude-code\n"
            f"    subscribes_to: {ROLES[name][1]}\n{agent_keys}"
            for name in agents
        ) + "".join(f"  - {{name: {name}, vendor: claude-code, {keys}}}\n" for name, keys in others.items())
        paths.config.write_text(
            "version: 1\nallow_shared_uid_merge: true\nshared_uid_merge_reason: a test\n"
            f"auth: {{{auth}}}\n"
            f"backend: {{{backend}, base_url: {json.dumps(model.address + ('/v1' if 'vertex' in backend else ''))}}}\n"
            f"claude: {{program: {json.dumps(str(client))}, max_retries: 2{claude_keys}}}\n"
            f"{fleet_keys}agents:\n{members}"
        )
        for name in (*agents, *others):
            (paths.config.parent / "prompts" / f"{name}.md").write_text(f"SCENARIO:{name}\n")
        shell = Shell(paths.checkout, {})
        shell.answer("up")
        try:
            yield Rig(shell, paths, model)
        finally:
            shell.fleet("down")
