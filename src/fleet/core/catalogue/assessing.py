"""Codes of evaluation, of the guard of tools, and of MCP."""

from __future__ import annotations

ROWS: dict[str, tuple[str, str]] = {
    "FLT-EVL-001": (
        "The window of an evaluation ends before it begins.",
        "Give --since the earlier time: fleet eval show NAME --since 14d --until 7d.",
    ),
    "FLT-GRD-001": (
        "Nobody can say beforehand what an agent's command does: it holds an expansion, a loop or such.",
        "The agent writes plain commands. A role that needs more: docs/explanation/guards.md.",
    ),
    "FLT-GRD-002": (
        "An agent wanted to run a command that its role does not list.",
        "List it in the role, name it in the agent's allowed_tools, or set claude.unlisted to ask.",
    ),
    "FLT-GRD-003": (
        "A command of an agent would start another program, leave the run, or reach the forge past the fleet.",
        "The reason names the way that is meant; no role may do this.",
    ),
    "FLT-GRD-004": ("An agent wanted to write where it may not.", "paths: in its role says where it may."),
    "FLT-GRD-005": ("A tool that writes a file named none.", "Nothing; the agent is told."),
    "FLT-GRD-006": (
        "An agent wanted to use a tool that the fleet does not know.",
        "fleet mcp tools lists the fleet's own.",
    ),
    "FLT-GRD-007": ("An agent wanted to use the web.", "Answer its question instead: fleet questions."),
    "FLT-GRD-008": (
        "An agent wanted to change a protected path.",
        "A person changes it, or takes it off protected_paths in .fleet/config.yaml.",
    ),
    "FLT-GRD-009": (
        "An agent wanted to read something outside its clone and the system's programs.",
        "Put what it needs into the repository or its brief.",
    ),
    "FLT-GRD-010": ("The agent of a session left the configuration.", "fleet agent stop NAME ends its runs."),
    "FLT-MCP-001": ("A client called a tool that the fleet does not have.", "fleet mcp tools lists them."),
    "FLT-MCP-002": (
        "A tool was called with an argument that it does not take.",
        "fleet mcp tools --json; tools/list has the schemas.",
    ),
}
