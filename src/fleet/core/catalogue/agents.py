"""Codes of what people do with agents, teams and the work of tickets."""

from __future__ import annotations

ROWS: dict[str, tuple[str, str]] = {
    "FLT-AGT-101": (
        "The agent is already in that state: somebody else was first.",
        "fleet agent show NAME says since when and why.",
    ),
    "FLT-AGT-102": ("Not exactly one of an agent's name, --team and --all was given.", "Name one of them."),
    "FLT-AGT-103": ("No team of the configuration has this name.", "fleet team list shows the names."),
    "FLT-AGT-104": ("The agent is quarantined, which is more than paused.", "fleet why NAME says why it is."),
    "FLT-AGT-106": (
        "Not exactly one of an agent's name, --team, --department and --all was given.",
        "Name one of them.",
    ),
    "FLT-AGT-107": ("A task without words, and without a ticket that has some.", "Say what to do, or name --ticket."),
    "FLT-AGT-108": ("No enabled agent of the configuration is in this department.", "The hint lists those there are."),
    "FLT-AGT-140": (
        "The program of Claude Code is not found.",
        "npm install -g @anthropic-ai/claude-code, or claude.program in .fleet/config.yaml.",
    ),
    "FLT-AGT-141": (
        "Claude Code is older than the first version that refuses a tool when nobody can be asked.",
        "npm install -g @anthropic-ai/claude-code@latest.",
    ),
    "FLT-AGT-142": (
        "There is no login in the folder that auth names.",
        "CLAUDE_CONFIG_DIR=FOLDER claude, then /login.",
    ),
    "FLT-AGT-120": (
        "The prompt file that an agent's command asks for cannot be read.",
        "Write .fleet/prompts/NAME.md.",
    ),
    "FLT-AGT-130": (
        "The instructions of an agent, .fleet/prompts/<name>.md, cannot be made part of its handbook.",
        "The message names file and line; try it with: fleet handbook show AGENT",
    ),
    "FLT-AGT-131": (
        "The configuration names a role that is not there (any more), so no handbook can be made.",
        "fleet role list shows the roles; correct the agent's role.",
    ),
    "FLT-AGT-121": ("The configuration has an agent of this name.", "Take another name, or change that agent."),
    "FLT-AGT-122": ("The catalogue has no such role.", "The hint names the nearest one."),
    "FLT-AGT-123": (
        "The agent has no earlier block to go back to, or that revision does not hold it.",
        "fleet agent revisions NAME lists what there is.",
    ),
    "FLT-AGT-124": ("A file of a new agent could not be written; nothing was changed.", "Check rights and free space."),
    "FLT-AGT-125": ("The team has no such member, or has it already.", "fleet team show NAME lists its members."),
    "FLT-FRG-101": (
        "There is nothing to cancel: the ticket is closed, and nothing of it is under way.",
        "fleet why ticket/N tells how it ended.",
    ),
    "FLT-FRG-102": (
        "Something that a person asked of this ticket or pull request is still being done.",
        "Look again in a moment: fleet why ticket/N.",
    ),
    "FLT-FRG-103": ("Nothing of the ticket failed or waits that could start again.", "Follow the hint."),
    "FLT-FRG-104": ("The ticket or pull request is in that state already.", "Nothing: it is as you want it."),
    "FLT-FRG-110": ("A person cancelled this work after it was asked for.", "fleet ticket retry N starts it anew."),
    "FLT-AGT-105": ("The agent has no such run.", "fleet ps --all lists the runs."),
}
