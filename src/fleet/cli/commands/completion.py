"""``fleet completion``: the script that lets a shell complete commands, options and names."""

from __future__ import annotations

import sys

import click
from click.shell_completion import ShellComplete, get_completion_class

from fleet.cli import main
from fleet.cli.output import json_line
from fleet.cli.remote import Local, wants_json

SHELLS = ("bash", "zsh", "fish")


@click.command(
    cls=Local,
    examples=(
        "fleet completion bash > ~/.local/share/bash-completion/completions/fleet",
        "fleet completion zsh > ~/.zfunc/_fleet  # a folder of your fpath",
        "fleet completion fish > ~/.config/fish/completions/fleet.fish",
    ),
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, options and names in a shell.

    Agents, tickets, pull requests and runs are read from the fleet of the folder you are in; no daemon is needed. For
    the present bash only: source <(fleet completion bash)
    """
    kind = get_completion_class(shell)
    assert kind is not None
    # ShellComplete's own method: bash's starts a bash first, to find out that it is not too old
    script = ShellComplete.source(kind(main.root, {}, "fleet", main.COMPLETE))
    sys.stdout.write(json_line({"ok": True, "shell": shell, "script": script}) if wants_json(ctx) else script)
