"""The vendor that has Claude Code play an agent: every file and argument of one session.

The client gets a HOME of its own, seeded so that it asks nothing at its start; the person's ~/.claude is never touched.
Its instructions are files; the launch prompt is the same text for every run; nothing that somebody else wrote stands
in an argument. It reports to the daemon by hooks, of which those that guard refuse when nobody answers.
Weakness: the keys of .claude.json are internals of the client, so its version is checked, and docs/adr/0024 says
what to look at after an upgrade.
"""

from __future__ import annotations

import json
import re
import shlex
import uuid
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from shutil import which

from fleet import __version__
from fleet.config.claude import AuthConfig, BackendConfig
from fleet.config.modelchoice import model_of
from fleet.config.roles import Role
from fleet.core.errors import PermanentError
from fleet.process import run
from fleet.runtime.handbook import Part, Source
from fleet.runtime.skills import PLUGIN, skill_files
from fleet.runtime.vendors.port import Start, VendorLaunch

OLDEST = (2, 1, 295)  # the first version that refuses when a guard cannot be asked
PROMPT = "Begin your work now: read your brief, then do what your handbook says."
GO_ON = "Your program was interrupted and goes on now. Look at what is there already, then finish your work."

# What the client obeys when it lies in the repository.
PINS = (
    ":(glob)**/.claude",
    ":(glob)**/.claude/**",
    ":(glob)**/.mcp.json",
    ":(glob)**/CLAUDE.md",
    ":(glob)**/CLAUDE.local.md",
    ":(glob)**/AGENTS.md",
)

# Without these no role can do its work; everything else is the configuration's to allow.
USUAL_TOOLS = (
    "Bash(fleet:*)",
    "Bash(git status:*)",
    "Bash(git diff:*)",
    "Bash(git log:*)",
    "Bash(git show:*)",
    "Bash(git add:*)",
    "Bash(git commit:*)",
)
# In the run folder all is the fleet's but tmp. A pattern that means that folder as well would mean what is in it.
_OURS = ("*.*", "capability", "gitconfig", "home/**", "skills/**")
GUARDS = ("PreToolUse", "PermissionRequest")
REPORTS = ("UserPromptSubmit", "PostToolUse", "PostToolUseFailure", "Notification", "Stop", "StopFailure", "SessionEnd")
_SYSTEM_PROMPT = "system-prompt.md"
_SKILLS = "skills"  # a plugin of this one session
_SESSION = """
## This session

- Your brief is `{brief}` (JSON): the event that started you, the ticket, the pull request, reviews, messages. Read it
  first, with the Read tool.
- Files that are no part of the change, such as the text of a review, go into `{tmp}`.
- Write numbers and names in commands, not variables: a command that can be checked before it runs asks nobody.
- Your run ends by itself once what is expected of you is on record and you stop. Do not wait, poll or sleep.
"""
_ANSWER_SECONDS = 120  # a hook waits this long while the daemon restarts
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def launch(start: Start) -> VendorLaunch:
    """Everything that one session of the client needs.

    Raises PermanentError FLT-AGT-140 when there is no client, FLT-AGT-141 when it is too old or cannot say its
    version, FLT-AGT-142 when its login is missing.
    """
    program = find_program(start.config.claude.program)
    folder, agent = start.folder, start.agent
    backend, auth = start.config.backend_of(agent), start.config.auth_of(agent)
    conversation = str(uuid.uuid5(uuid.NAMESPACE_URL, f"fleet:{start.session}"))
    model = model_of(start.config, agent, start.role).model
    skills = {f"{_SKILLS}/{name}": data for name, data in skill_files(start.role, as_plugin=True).items()}
    headless = ("-p", "--output-format", "stream-json", "--verbose") if agent.mode == "headless" else ()
    options = (
        *("--settings", str(folder / "settings.json")),
        *("--mcp-config", str(folder / "mcp.json"), "--strict-mcp-config"),
        *("--permission-mode", agent.permission_mode),
        *("--model", model),
        *("--plugin-dir", str(folder / _SKILLS)),
        *("--append-system-prompt-file", str(folder / _SYSTEM_PROMPT)),
    )
    settings = {**_settings(start), **_helper(auth)}
    return VendorLaunch(
        (program, *headless, "--session-id", conversation, *options, PROMPT),
        again=(program, *headless, "--resume", conversation, *options, GO_ON),
        env={**_environment(start), **_provider(backend, auth), **_telemetry(start)},
        files={_SYSTEM_PROMPT: _system_prompt(start), "home/.claude.json": _seed(start.clone), **skills},
        secret_files={"settings.json": _json(settings), "mcp.json": _json(_servers(start))},
        links=_login(auth),
        conversation=conversation,
    )


def find_program(name: str) -> str:
    """The client's path. Raises PermanentError FLT-AGT-140, FLT-AGT-141."""
    found = which(name)
    if found is None:
        raise PermanentError(
            "FLT-AGT-140",
            "there is no Claude Code here",
            where=name,
            hint="npm install -g @anthropic-ai/claude-code, or name the program: claude.program in .fleet/config.yaml",
        )
    path = Path(found).resolve()
    version = version_of(str(path), path.stat().st_mtime_ns)
    if version < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise PermanentError(
            "FLT-AGT-141",
            f"Claude Code {'.'.join(map(str, version)) or 'of an unknown version'} is older than {wanted}, which is the"
            " first that refuses a tool when nobody can be asked about it",
            where=str(path),
            hint="npm install -g @anthropic-ai/claude-code@latest",
        )
    return str(path)


@lru_cache(maxsize=8)
def version_of(path: str, changed: int) -> tuple[int, ...]:
    """The version that a client says it has; empty when it says none. After an upgrade ``changed`` is another."""
    done = run([path, "--version"], timeout=60, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}, cwd="/")
    found = _VERSION.search(done.text) if done.ok else None
    return tuple(map(int, found.groups())) if found else ()


def _system_prompt(start: Start) -> bytes:
    """The handbook, and what only concerns this session."""
    return (start.handbook + _SESSION.format(brief=start.folder / "brief.json", tmp=start.folder / "tmp")).encode(
        "utf-8"
    )


def adds(role: Role) -> tuple[Part, ...]:
    """What a session is told beside the handbook: a last part of the same text, and the skill of its role.

    Where the run folder has its place, which differs, RUN stands.
    """
    fleet = Source(f"Fleet {__version__}, for every session of Claude Code")
    of_role = Source(f"role {role.name} ({role.file})", role.digest)
    skills = (
        Part(name.split("/")[1], data.decode("utf-8"), (Source(f"Fleet {__version__}, a skill"), of_role))
        for name, data in skill_files(role, as_plugin=True).items()
        if name != PLUGIN
    )
    return (Part("This session", _SESSION.format(brief="RUN/brief.json", tmp="RUN/tmp"), (fleet,)), *skills)


def _settings(start: Start) -> dict[str, object]:
    """The per-run settings: rules, guards, reports. They hold the capability, so their file has mode 0400."""
    folder = start.folder
    return {
        # settings of the clone may change at any time, and the client heeds that at once: these outweigh them
        "disableAllHooks": False,
        "includeCoAuthoredBy": False,  # who wrote a commit is the agent; lineage reads it
        "permissions": {
            "allow": [
                *USUAL_TOOLS,
                f"Read(/{folder}/brief.json)",
                "mcp__fleet",
                *start.agent.allowed_tools,
            ],
            "deny": [
                f"Read(/{folder}/settings.json)",
                f"Read(/{folder}/mcp.json)",
                f"Read(/{folder}/capability)",
                *(f"Edit(/{folder}/{name})" for name in _OURS),
            ],
            "disableBypassPermissionsMode": "disable",
            "disableAutoMode": "disable",
        },
        "hooks": {
            **{event: _hook(start, event, guards=True) for event in GUARDS},
            **{event: _hook(start, event, guards=False) for event in REPORTS},
        },
    }


def _hook(start: Start, event: str, *, guards: bool) -> list[dict[str, object]]:
    """One handler: the event is posted to the daemon. A guard that nobody answers refuses."""
    person = start.config.claude.permission_seconds if event == "PermissionRequest" else 0
    handler: dict[str, object] = {
        "type": "http",
        "url": f"{start.door}/hooks/{event}",
        "headers": {"Authorization": f"Bearer {start.secret}"},
        "timeout": _ANSWER_SECONDS + person,
    }
    return [{"hooks": [{**handler, "onFailure": "block"} if guards else handler]}]


def _servers(start: Start) -> dict[str, object]:
    """The one MCP server that a session knows: the fleet's own. The file holds the capability, so its mode is 0400."""
    entry = {"type": "http", "url": f"{start.door}/mcp", "headers": {"Authorization": f"Bearer {start.secret}"}}
    return {"mcpServers": {"fleet": entry}}


def _helper(auth: AuthConfig | None) -> dict[str, object]:
    """The key comes from a program that the client calls; with no key at all, from one that prints a word."""
    if auth is not None and auth.kind == "key_helper" and auth.command:
        return {"apiKeyHelper": shlex.join(auth.command)}
    return {"apiKeyHelper": "echo none"} if auth is not None and auth.kind == "none" else {}


def _login(auth: AuthConfig | None) -> dict[str, Path]:
    """A linked login: the client renews it in the folder where a person made it. Raises PermanentError FLT-AGT-142."""
    if auth is None or auth.kind != "login" or not auth.folder:
        return {}
    source = Path(auth.folder) / ".credentials.json"
    if not source.is_file():
        raise PermanentError(
            "FLT-AGT-142",
            "there is no login in this folder",
            where=auth.folder,
            hint=f"Make one: CLAUDE_CONFIG_DIR={auth.folder} claude, then /login",
        )
    return {"home/.claude/.credentials.json": source}


def _environment(start: Start) -> dict[str, str]:
    return {
        "SHELL": "/bin/bash",
        "CLAUDE_CODE_TMPDIR": str(start.folder / "tmp"),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": str(start.config.claude.max_retries),
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "DISABLE_AUTOUPDATER": "1",
    }


def _provider(backend: BackendConfig, auth: AuthConfig | None) -> dict[str, str]:
    """Where the model is asked. Paths and names, never a key."""
    kind = auth.kind if auth is not None else ""
    file = (auth.file or "") if auth is not None else ""
    url = backend.base_url or ""
    if backend.kind == "bedrock":
        env = {"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_REGION": backend.region, "ANTHROPIC_BEDROCK_BASE_URL": url}
        env["AWS_SHARED_CREDENTIALS_FILE"] = file
        env["AWS_PROFILE"] = auth.profile if auth is not None else ""
        env["CLAUDE_CODE_SKIP_BEDROCK_AUTH"] = "1" if kind == "none" else ""
    elif backend.kind == "vertex":
        env = {"CLAUDE_CODE_USE_VERTEX": "1", "CLOUD_ML_REGION": backend.region, "ANTHROPIC_VERTEX_BASE_URL": url}
        env["ANTHROPIC_VERTEX_PROJECT_ID"] = backend.project
        env["GOOGLE_APPLICATION_CREDENTIALS"] = file
        env["CLAUDE_CODE_SKIP_VERTEX_AUTH"] = "1" if kind == "none" else ""
    else:
        env = {"ANTHROPIC_BASE_URL": url}
    return {name: value for name, value in env.items() if value}


def _telemetry(start: Start) -> dict[str, str]:
    """Tokens and cost go to the daemon. The token in here may report usage and nothing else."""
    return {
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
        "OTEL_EXPORTER_OTLP_ENDPOINT": start.door,
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer {start.meter}",
        "OTEL_METRIC_EXPORT_INTERVAL": "10000",
        "OTEL_LOGS_EXPORT_INTERVAL": "1000",
    }


def _seed(clone: Path) -> bytes:
    """What the client would otherwise ask a person at its start."""
    places = {str(clone), str(clone.resolve())}
    trusted = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
    return _json({"hasCompletedOnboarding": True, "projects": {place: trusted for place in sorted(places)}})


def _json(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, indent=1).encode("ascii")
