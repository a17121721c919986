"""Writes the first ``.fleet/`` of a repository: all of it, or nothing; an older one is kept in ``.fleet/.backup/``.

The new folder is built beside the old one and put in its place by renaming. Reads the repository's own files
to learn its branch and starts no program.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from string import Template

from fleet.config.catalogue import load_roles
from fleet.config.loader import parse_config, playbook_path, prompt_path
from fleet.config.model import AgentConfig, FleetConfig
from fleet.config.presets import TEAMS, Preset, members_text
from fleet.config.repository import current_branch, github_repo
from fleet.config.roles import Role
from fleet.config.schema import config_schema
from fleet.config.validate import nearest
from fleet.core.clock import SECOND
from fleet.core.errors import ConfigError, Conflict, PermanentError, UsageError

FOLDER = ".fleet"
BACKUPS = ".backup"
SCHEMA = "schema.json"  # the first line of the configuration names it, so that editors find it without a network
VENDORS = ("scripted", "claude-code")  # that a first team can be made of
_REASON_LIMIT = 500  # characters, as in the configuration's model


@dataclass(frozen=True, slots=True)
class Scaffolded:
    """What was written and what was saved before; paths relative to the repository. ``backup`` is "" without one."""

    folder: Path
    written: tuple[str, ...]
    backup: str
    backed_up: tuple[str, ...]


def scaffold(
    checkout: Path,
    *,
    now: int,
    vendor: str = "scripted",
    force: bool = False,
    allow_shared_uid_merge: bool = False,
    reason: str = "",
    base: str = "",
    template: str = "default",
    forge: str = "",
    auth: Mapping[str, object] | None = None,
) -> Scaffolded:
    """Write config, prompts and playbooks for a team: somebody who develops, reviewers, a release manager.

    ``checkout`` is the top of a git repository with a commit; ``now`` (microseconds) names the backup; ``base``
    is its current branch unless given; ``template`` is one of ``presets.TEAMS``; ``auth`` is what agents of
    ``vendor`` claude-code prove themselves with, as in the configuration. Raises NotFound FLT-CFG-012 and
    UsageError FLT-CFG-013 for a place that does not fit, UsageError FLT-CFG-014 for arguments that do not, Conflict
    FLT-CFG-015 when files would be overwritten and ``force`` is not set, PermanentError FLT-CFG-016 when the disk says
    no.
    """
    if vendor not in VENDORS:
        raise UsageError("FLT-CFG-014", f"there is no vendor {vendor!r}", hint=f"Known vendors: {', '.join(VENDORS)}.")
    if (vendor == "claude-code") is not bool(auth):
        what = "agents of Claude Code need something to prove themselves with" if not auth else "nobody needs auth here"
        raise UsageError(
            "FLT-CFG-014", what, hint="--vendor claude-code --key-command 'PROGRAM ARGUMENT', or --login DIR"
        )
    team = TEAMS.get(template)
    if team is None:
        hint = nearest(template, list(TEAMS)) or f"There are {', '.join(TEAMS)}."
        raise UsageError("FLT-CFG-014", f"there is no template {template!r}", hint=hint)
    branch = base or current_branch(checkout)
    _check_reason(allow_shared_uid_merge, reason)
    words = _words(branch, allow_shared_uid_merge, reason, _repo(checkout, forge), auth)
    files = _files(team, vendor, branch, words)
    target = checkout / FOLDER
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UsageError("FLT-CFG-013", f"{FOLDER} is not a plain folder", where=str(target), hint="Move it away.")
    taken = [name for name in files if os.path.lexists(target / name)]
    if taken and not force:
        raise Conflict(
            "FLT-CFG-015",
            f"{taken[0]}{f' and {len(taken) - 1} more' if taken[1:] else ''} would be overwritten",
            where=str(target),
            hint="--force replaces them and keeps the old ones in .fleet/.backup/.",
        )
    try:
        backup, saved = _install(target, files, now if taken else None)
    except OSError as error:
        raise PermanentError("FLT-CFG-016", f"cannot write {FOLDER}: {error}", where=str(target)) from error
    written = tuple(f"{FOLDER}/{name}" for name in sorted(files))
    return Scaffolded(target, written, f"{FOLDER}/{backup}" if backup else "", saved)


def _check_reason(allowed: bool, reason: str) -> None:
    if allowed and not reason.strip():
        raise UsageError(
            "FLT-CFG-014",
            "agents may only merge in shared-uid mode for a reason",
            hint="Say why that is acceptable in this repository.",
        )
    if len(reason) > _REASON_LIMIT or not reason.isprintable():
        raise UsageError("FLT-CFG-014", f"the reason must be one printable line of at most {_REASON_LIMIT} characters")


def _repo(checkout: Path, forge: str) -> str:
    """The repository at GitHub that the fleet is to work on; "" for the local forge."""
    found = github_repo(checkout) if forge != "local" else ""
    if forge == "github" and not found:
        raise UsageError(
            "FLT-CFG-014",
            "the remote origin is not a repository at GitHub",
            where=str(checkout),
            hint="git remote add origin https://github.com/OWNER/NAME.git, or: fleet init --forge local",
        )
    return found


_AUTH = """\
# What agents prove themselves with at their provider; no key stands in any file. Other ways: docs/howto/claude-code.md
auth: $auth

"""


def _words(base: str, allowed: bool, reason: str, repo: str, auth: Mapping[str, object] | None) -> dict[str, str]:
    """What stands in the places of the configuration's template, its agents excepted."""
    return {
        "base": _quoted(base),
        "allow": "true" if allowed else "false",
        "reason": _quoted(reason),
        "forge": "github" if repo else "local",
        "repo": f"repo: {_quoted(repo)}\n" if repo else "",
        "auth": Template(_AUTH).substitute(auth=json.dumps(auth, ensure_ascii=False)) if auth else "",
    }


def _files(team: Preset, vendor: str, base: str, words: Mapping[str, str]) -> dict[str, str]:
    """Every file of the new folder by its name in it. The configuration is checked as a person's would be."""
    roles = load_roles()
    config = _template("config.yaml", **words, agents=members_text(team, vendor))
    try:
        loaded = parse_config(config.encode("utf-8"), name=f"{FOLDER}/config.yaml", roles=roles)
    except ConfigError as error:
        if words["auth"] and " base is " not in error.message:
            raise UsageError("FLT-CFG-014", f"this auth cannot be used: {error.message}") from error
        hint = "Check out a branch with an ordinary name."
        raise UsageError("FLT-CFG-013", f"branch {base!r} cannot be the base: {error.message}", hint=hint) from error
    files = {
        "config.yaml": config,
        SCHEMA: json.dumps(config_schema(), indent=2) + "\n",
        ".gitignore": f"# kept by fleet init --force\n/{BACKUPS}/\n",
    }
    base_range = _quoted(f"origin/{base}...HEAD")
    for agent, seat in zip(loaded.config.agents, team.seats, strict=True):
        if vendor == "scripted":
            files[f"playbooks/{agent.name}.yaml"] = _template(f"{seat.plays}.yaml", base_range=base_range)
        files[f"prompts/{agent.name}.md"] = _prompt(agent.name, roles[agent.role], loaded.config)
    return files


def _template(name: str, **words: str) -> str:
    source = resources.files("fleet.config.scaffolds").joinpath(name).read_text("utf-8")
    return Template(source).substitute(words)


def _quoted(text: str) -> str:
    """Text as a YAML scalar."""
    return json.dumps(text, ensure_ascii=False)


_INSTRUCTIONS = """\
# $name

{# This file becomes the last part of the handbook that $name reads at the start of every run. The rest comes from its
role, $role; see the whole with: fleet handbook show $name
What stands in these braces is for people and left out. Write below what a newcomer has to know for that job here:
how to build it and run the tests, where things lie, what not to touch, what a good change to $base looks like. #}
"""


def _prompt(name: str, role: Role, config: FleetConfig) -> str:
    """The start of a team's own instructions for an agent: what only people who work there can say."""
    return Template(_INSTRUCTIONS).substitute(name=name, role=role.name, base=config.base)


def member_files(agent: AgentConfig, role: Role, config: FleetConfig) -> dict[str, str]:
    """What a new agent needs beside its entry in the configuration, by name in .fleet/: prompt, playbook."""
    files = {prompt_path(agent): _prompt(agent.name, role, config)}
    if agent.vendor == "scripted":
        files[playbook_path(agent)] = _playbook(agent, role, config)
    return files


# Which starter playbook fits a role, by the first of these that it may do.
_STARTERS = {"pr.push": "developer.yaml", "pr.review": "tech-lead.yaml", "pr.merge": "release-manager.yaml"}
_REMARK = """\
# What this scripted agent does: it leaves a remark. Edit it.
version: 1
rules:
  - on: [$events]
    do:
      - say: "looking at this for ticket {ticket}"
      - publish: { event: $event, summary: "$name has looked" }
"""


def _playbook(agent: AgentConfig, role: Role, config: FleetConfig) -> str:
    """A first playbook: what its role usually does, on what the agent subscribes to and when started by hand."""
    starter = next((name for verb, name in _STARTERS.items() if verb in role.verbs), "")
    events = [*agent.subscribes_to, "schedule_due", "agent_start_requested"]
    if not starter:
        event = next((name for name in role.expected_after("*") if name in role.emits), "note")
        return Template(_REMARK).substitute(events=", ".join(dict.fromkeys(events)), event=event, name=agent.name)
    text = _template(starter, base_range=_quoted(f"origin/{config.base}...HEAD"))
    first = next(line for line in text.splitlines() if line.startswith("  - on: ["))
    known = first.removeprefix("  - on: [").removesuffix("]").split(", ")
    later = [event for event in events if f"  - on: [{event}]" not in text.splitlines()]
    return text.replace(first, f"  - on: [{', '.join(dict.fromkeys([*known, *later]))}]", 1)


# -- putting it in place ---------------------------------------------------------------------------------


def _install(target: Path, files: Mapping[str, str], now: int | None) -> tuple[str, tuple[str, ...]]:
    """Build the new folder beside ``target`` and swap; with ``now`` the old content goes into a backup."""
    with _building(target) as draft:
        if target.exists():
            shutil.copytree(target, draft, symlinks=True, dirs_exist_ok=True)
        backup, saved = _back_up(target, draft, now) if now is not None else ("", ())
        for name, text in files.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.write_text(text, encoding="utf-8")
        _swap(draft, target)
    return backup, saved


@contextmanager
def _building(target: Path) -> Iterator[Path]:
    """A folder beside ``target`` that is gone afterwards, unless it was moved into place."""
    draft = Path(tempfile.mkdtemp(prefix=f"{FOLDER}.new-", dir=target.parent))
    try:
        draft.chmod(0o755)
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _back_up(target: Path, draft: Path, now: int) -> tuple[str, tuple[str, ...]]:
    """Copy the old content, older backups excepted, to .backup/<time>/ of the draft; its name and what is in it."""
    stamp = datetime.fromtimestamp(now / SECOND, UTC).strftime("%Y%m%dT%H%M%SZ")
    names = (stamp, *(f"{stamp}-{number}" for number in range(2, 1000)))
    name = next(name for name in names if not (draft / BACKUPS / name).exists())
    place = draft / BACKUPS / name
    shutil.copytree(target, place, symlinks=True, ignore=_top_level(target, BACKUPS))
    saved = sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_symlink() or path.is_file())
    return f"{BACKUPS}/{name}", tuple(f"{FOLDER}/{item}" for item in saved)


def _top_level(folder: Path, name: str) -> Callable[[str, list[str]], set[str]]:
    """An ignore function for copytree that leaves out one entry of the topmost folder only."""
    return lambda place, _names: {name} if Path(place) == folder else set()


def _swap(draft: Path, target: Path) -> None:
    """Put the draft in the target's place; on failure the target is as it was."""
    if not target.exists():
        draft.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f"{FOLDER}.old-", dir=target.parent))
    target.rename(old)
    try:
        draft.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
