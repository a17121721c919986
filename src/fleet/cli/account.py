"""How people say on a command line with what Claude Code proves itself: a program that prints the key, or a login."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Auth = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])
OPTIONS = "--key-command 'PROGRAM ARGUMENT', or --login DIR"


def options(command: F) -> F:
    """``--key-command`` and ``--login`` for a command."""
    for name, metavar, text in (
        ("--login", "DIR", "A folder in which you logged in: CLAUDE_CONFIG_DIR=DIR claude, then /login."),
        ("--key-command", "WORDS", "A program that prints the API key, and its arguments; no shell, no key."),
    ):
        command = click.option(name, metavar=metavar, default="", help=text)(command)
    return command


def auth_of(key_command: str, login: str, folder: str) -> Auth | None:
    """What was said, as `auth` in the configuration; None for nothing. Paths are below ``folder``.

    Raises click.UsageError for both, or for words that cannot be split.
    """
    if key_command and login:
        raise click.UsageError("--key-command and --login exclude each other")
    if login:
        return {"kind": "login", "folder": str((Path(folder) / Path(login).expanduser()).absolute())}
    if not key_command:
        return None
    try:
        words = shlex.split(key_command)
    except ValueError as error:
        raise click.UsageError(f"--key-command cannot be split into words: {error}") from error
    if not words:
        raise click.UsageError("--key-command is empty")
    return {"kind": "key_helper", "command": words}
