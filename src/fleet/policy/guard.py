"""May a session use this tool, with this input, now? The role's commands and paths, and what no role may touch. Pure.

Allow-lists throughout: what is not known is refused, with a reason that the model reads and can act on. What a guard of
commands cannot see (what an interpreter does once it runs) is said in docs/explanation/guards.md; a run that has to be
held against hostility needs isolation, and a merge is judged again at its gate.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fleet.config.scope import Scope
from fleet.policy.commandlaw import HARMLESS, wrong
from fleet.policy.shell import Simple, Unreadable, read

# Tools of the client that touch nothing outside the conversation.
_FREE = frozenset(
    [
        "TodoWrite",
        "TodoRead",
        "Task",
        "Agent",
        "TaskCreate",
        "TaskUpdate",
        "TaskList",
        "TaskGet",
        "TaskOutput",
        "TaskStop",
        "Skill",
        "AskUserQuestion",
        "EnterPlanMode",
        "ExitPlanMode",
        "ToolSearch",
        "BashOutput",
        "KillShell",
        "KillBash",
        "StructuredOutput",
    ]
)
_WRITES: Mapping[str, str] = {
    "Write": "file_path", "Edit": "file_path", "MultiEdit": "file_path", "NotebookEdit": "notebook_path",
}  # fmt: skip
_READS: Mapping[str, str] = {
    "Read": "file_path", "NotebookRead": "notebook_path", "Glob": "path", "Grep": "path", "LS": "path",
}  # fmt: skip
_WEB = frozenset({"WebFetch", "WebSearch"})
_OURS = "mcp__fleet__"

# Of the programs that change what their words name: which of the words are changed ("all", or the last one).
_CHANGES: Mapping[str, str] = {
    **dict.fromkeys(("rm", "rmdir", "mkdir", "touch", "chmod", "chown", "truncate", "mv", "shred", "unlink"), "all"),
    **dict.fromkeys(("cp", "ln", "install"), "last"),
    "tee": "all",
}
_SYSTEM = re.compile(r"^/(usr/)?(local/)?bin/")  # a program there is the one that is looked up
_PATTERN = re.compile(r"[*?\[]")
_ATTACHED_SCRIPT = re.compile(r"-[A-Za-z]*e.|--expression=")
_PATTERN_FIRST = frozenset({"grep", "egrep", "fgrep", "rg", "sed", "awk", "gawk", "mawk", "jq", "echo", "printf"})
_GIVES_PATTERN = re.compile(r"-[A-Za-z0-9]*[ef]|--(regexp|file|expression|from-file)")
_NEVER_WRITTEN = (".git",)  # a clone's own settings and hooks; below any folder


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a session stands. All paths are absolute and free of links.

    ``real`` gives the place that a path really leads to, links followed; ``matches`` what a pattern with * ? [ stands
    for on the disk now. ``readable`` are folders that may be read
    beside the clone; ``secret`` are places inside them that may not. ``protected`` tells whether a path relative to
    the clone is one that only a person changes.
    """

    role: str
    scope: Scope
    clone: str
    cwd: str
    writable: tuple[str, ...]  # beside the clone: the session's own folder for temporary files
    readable: tuple[str, ...]
    secret: tuple[str, ...]
    protected: Callable[[str], bool]
    real: Callable[[str], str]
    matches: Callable[[str], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a tool may not be used: a stable code, and words that the model reads."""

    code: str
    text: str


def judge(tool: str, given: Mapping[str, Any], ground: Ground) -> Objection | None:
    """The first reason against one use of a tool; None when there is none."""
    if tool == "Bash":
        return _command(given, ground)
    if tool in _WRITES:
        path = given.get(_WRITES[tool])
        if not isinstance(path, str) or not path:
            return Objection("FLT-GRD-005", f"{tool} names no path")
        return _write(path, ground.cwd, ground)
    if tool in _READS:
        path = given.get(_READS[tool])
        return _read(path if isinstance(path, str) and path else ".", ground.cwd, ground)
    if tool in _WEB:
        return Objection("FLT-GRD-007", f"{tool}: the web is closed to agents of this fleet; ask a person: fleet ask")
    if tool in _FREE or tool.startswith(_OURS):
        return None
    return Objection("FLT-GRD-006", f"the tool {tool[:60]!r} is not known to the fleet, so it is not for agents")


# -- commands ----------------------------------------------------------------------------------------


def _command(given: Mapping[str, Any], ground: Ground) -> Objection | None:
    text = given.get("command")
    if not isinstance(text, str):
        return Objection("FLT-GRD-001", "the command is missing")
    try:
        found = read(text)
    except Unreadable as why:
        return Objection(
            "FLT-GRD-001",
            f"the command holds {why}, and nobody can say beforehand what that does; write plain commands, "
            "one after the other, with their words spelled out",
        )
    cwd = ground.cwd
    for one in found:
        objection = _simple(one, cwd, ground)
        if objection is not None:
            return objection
        if one.words and one.words[0] == "cd":
            cwd = _place(one.words[1] if len(one.words) > 1 else ground.clone, cwd)
    return None


def _simple(one: Simple, cwd: str, ground: Ground) -> Objection | None:
    """One program: known to the role, not bent into another, its files within bounds."""
    if one.assigns:
        return Objection(
            "FLT-GRD-001", f"the variable {one.assigns[0]} in front of a command can change what it does; leave it out"
        )
    for redirect in one.redirects:
        if redirect.target == "/dev/null":
            continue
        check = _write if redirect.writes else _read
        objection = check(redirect.target, cwd, ground)
        if objection is not None:
            return objection
    if not one.words:
        return None
    program = one.words[0]
    bent = wrong(one.words)
    if bent:
        return Objection("FLT-GRD-003", bent)
    if program == "cd":
        return _inside(one.words[1] if len(one.words) > 1 else ground.clone, cwd, ground)
    words = (_SYSTEM.sub("", program), *one.words[1:])
    if program not in HARMLESS and not ground.scope.may_run(words):
        shown = " ".join(one.words[:3])[:80]
        return Objection(
            "FLT-GRD-002", f"{ground.role} may not run {shown!r}; its handbook lists the commands it may run"
        )
    return _files(one, cwd, ground)


def _files(one: Simple, cwd: str, ground: Ground) -> Objection | None:
    """The files that a program is told to change, and those that it is told to read."""
    program = one.words[0].rpartition("/")[2]
    plain = [word for word in one.words[1:] if word == "-" or not word.startswith("-")]
    if program in ("chmod", "chown") and plain:
        plain = plain[1:]
    in_place = program == "sed" and any(w.startswith(("-i", "--in-place")) or _short_i(w) for w in one.words[1:])
    changed = plain if _CHANGES.get(program) == "all" or in_place else plain[-1:] if program in _CHANGES else []
    if program in _CHANGES and any(word.startswith(("--target-directory", "-t")) for word in one.words[1:]):
        return Objection("FLT-GRD-003", f"{program} with a target folder as an option: put the target last")
    if in_place and not any(_ATTACHED_SCRIPT.match(word) for word in one.words[1:]):
        changed = changed[1:]  # the first is the script
    for word in changed:
        for path in (word, *(ground.matches(_place(word, cwd)) if _PATTERN.search(word) else ())):
            objection = _write(path, cwd, ground)
            if objection is not None:
                return objection
    for word in _paths_in(one.words):
        objection = _read(word, cwd, ground)
        if objection is not None:
            return objection
    return None


def _short_i(word: str) -> bool:
    """Whether a cluster of sed's short options, such as -ni, holds i."""
    return word.startswith("-") and not word.startswith("--") and "i" in word and word.strip("-nErsuzi") == ""


def _paths_in(words: tuple[str, ...]) -> Iterator[str]:
    """Every word that could name a file to read, and the values of options that could.

    The pattern of a search is none, although it may begin with a slash; with an option that gives the pattern, all
    words are files.
    """
    program, rest = words[0].rpartition("/")[2], words[1:]
    plain = [word for word in rest if not word.startswith("-")]
    options = [word for word in rest if word.startswith("-")]
    if program in _PATTERN_FIRST and not any(_GIVES_PATTERN.match(word) for word in options):
        plain = plain[1:]
    yield from plain
    for word in options:
        value = word.partition("=")[2]
        if "/" in value:
            yield value


# -- paths -------------------------------------------------------------------------------------------


def _place(path: str, cwd: str) -> str:
    return posixpath.normpath(posixpath.join(cwd, path))


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _inside(path: str, cwd: str, ground: Ground) -> Objection | None:
    """Whether a folder is in the clone or the session's own folder for temporary files."""
    real = ground.real(_place(path, cwd))
    if any(_below(real, folder) for folder in (ground.clone, *ground.writable)):
        return None
    return Objection("FLT-GRD-004", f"{path[:100]!r} is outside the clone; work inside it")


def _write(path: str, cwd: str, ground: Ground) -> Objection | None:
    """Whether a file may be made, changed or removed."""
    real = ground.real(_place(path, cwd))
    if any(_below(real, folder) for folder in ground.writable):
        return None
    if not _below(real, ground.clone) or real == ground.clone:
        return Objection("FLT-GRD-004", f"{path[:100]!r} is outside the clone; write inside it")
    inner = real[len(ground.clone) + 1 :]
    if any(part.casefold() in _NEVER_WRITTEN for part in inner.split("/")):
        return Objection("FLT-GRD-004", f"{inner[:100]!r} belongs to git; use git's own commands")
    if ground.protected(inner):
        return Objection("FLT-GRD-008", f"{inner[:100]!r} is a protected path: only a person changes it")
    if not ground.scope.may_write(inner):
        return Objection("FLT-GRD-004", f"{ground.role} may not change {inner[:100]!r}; its handbook says what it may")
    return None


def _read(path: str, cwd: str, ground: Ground) -> Objection | None:
    """Whether a file may be read: the clone, the session's own files, the system's programs; no secrets of either."""
    real = ground.real(_place(path, cwd))
    if any(_below(real, place) for place in ground.secret):
        return Objection("FLT-GRD-009", f"{path[:100]!r} holds secrets or belongs to the fleet; it is not for agents")
    if any(_below(real, folder) for folder in (ground.clone, *ground.writable, *ground.readable)):
        return None
    return Objection(
        "FLT-GRD-009", f"{path[:100]!r} is outside what agents may read: the clone and the system's programs"
    )
