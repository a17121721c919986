"""The scripted agent: a program that plays a playbook in its clone, as an ordinary agent of a fleet would work.

``python -m fleet.testing.agent PLAYBOOK``. It knows what every agent knows: its environment and its brief.
It says in plain lines what it does, which is what a person sees who attaches to its session.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet.core.errors import ConfigError, FleetError
from fleet.testing.playbook import PLACEHOLDERS, Playbook, StepFailed, parse_playbook
from fleet.testing.steps import Leave, Stage, explain

_USAGE = 2
_CONFIG = 3


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """Play one start; the exit code is 0, 1 for a failed step, 2 for bad arguments, 3 for a bad playbook."""
    if len(argv) != 2:
        _say("usage: python -m fleet.testing.agent PLAYBOOK")
        return _USAGE
    try:
        playbook = parse_playbook(Path(argv[1]).read_bytes(), argv[1])
        brief = json.loads(Path(env["FLEET_BRIEF"]).read_bytes())
        facts = _Facts(env, brief)
    except ConfigError as error:
        for problem in error.problems:
            _say(problem)
        return _CONFIG
    except (OSError, ValueError, KeyError, TypeError) as error:
        _say(f"cannot begin: {type(error).__name__}: {error}")
        return _USAGE
    return _play(playbook, facts, env)


class _Facts:
    """What the agent was started for, out of its environment and its brief."""

    def __init__(self, env: Mapping[str, str], brief: Mapping[str, Any]) -> None:
        self.event = env["FLEET_EVENT"]
        self.attempt = int(env["FLEET_ATTEMPT"])
        self.round = int(brief["round"])
        self.base = str(brief["base"])
        known = {"round": str(self.round)}
        self.values = {name: known.get(name, env.get(f"FLEET_{name.upper()}", "")) for name in PLACEHOLDERS}


def _play(playbook: Playbook, facts: _Facts, env: Mapping[str, str]) -> int:
    label = f"{facts.values['agent']}: {facts.event}, attempt {facts.attempt}, round {facts.round}"
    rule = playbook.rule_for(facts.event, facts.attempt, facts.round)
    if rule is None:
        _say(f"{label}: the playbook has no rule for this")
        return 1
    _say(label)
    stage = Stage(Path.cwd(), env, facts.values, base=facts.base, say=_say)
    for number, step in enumerate(rule.steps, 1):
        try:
            stage.play(step)
        except Leave as leave:
            _say(f"leaving with exit code {leave.code}, as the playbook says")
            return leave.code
        except (StepFailed, FleetError, OSError, UnicodeDecodeError) as error:
            _say(f"step {number} ({step.verb}) failed: {explain(error)}")
            return 1
    _say("done")
    return 0


def _say(text: str) -> None:
    """One plain line; nothing that could steer the terminal gets through."""
    clean = "".join(char if char.isprintable() or char in "\n\t" else "?" for char in text)
    print(clean, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv, os.environ))
