"""The vendor that runs any command-line program as an agent: an argument list of the configuration, no shell.

The program gets what every agent gets: the clone as its folder, the clean environment, the brief, the
capability. Nothing that somebody else wrote is in its arguments: placeholders stand for paths of our own, and
for the model that the configuration names.
"""

from __future__ import annotations

from pathlib import Path

from fleet.config.commands import filled
from fleet.config.loader import prompt_path
from fleet.core.errors import PermanentError
from fleet.runtime.vendors.port import Start, VendorLaunch

_PROMPT = "prompt.md"
_LIMIT = 1024 * 1024  # bytes


def launch(start: Start) -> VendorLaunch:
    """The configured command with its placeholders filled in.

    The prompt is a copy of its own, so neither the branch nor a later edit changes what this session reads. Raises
    PermanentError FLT-AGT-120 when the command asks for a prompt that cannot be read.
    """
    agent, settings, folder = start.agent, start.settings, start.folder
    asks_for_prompt = any("{prompt}" in word for word in agent.command)
    values = {
        "brief": str(folder / "brief.json"),
        "handbook": str(folder / "handbook.md"),
        "prompt": str(folder / _PROMPT),
        "fleet": str(settings),
        "model": agent.model,
    }
    return VendorLaunch(
        tuple(filled(word, values) for word in agent.command),
        files={_PROMPT: _prompt(settings / prompt_path(agent), agent.name)} if asks_for_prompt else {},
        stdin=folder / "brief.json" if agent.stdin == "brief" else None,
    )


def _prompt(source: Path, agent: str) -> bytes:
    try:
        content = source.read_bytes()
    except OSError as error:
        raise PermanentError(
            "FLT-AGT-120",
            f"the prompt of {agent} cannot be read: {error.strerror or error}",
            where=str(source),
            hint="Write it, or take {prompt} out of the agent's command.",
        ) from error
    if len(content) > _LIMIT:
        raise PermanentError("FLT-AGT-120", f"the prompt has more than {_LIMIT} bytes", where=str(source))
    return content
