"""The full way: every command, loaded when it is called, and every error as one line and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from types import TracebackType
from typing import Any, ClassVar

import click
from click.shell_completion import CompletionItem

from fleet import __version__
from fleet.cli.door import Door
from fleet.cli.output import report
from fleet.core.errors import FleetError, UsageError

_HERE = "fleet.cli.commands."

# name -> (section, module, attribute, one line of help). The line stands here so that help loads nothing; a test
# compares it with the command's own.
COMMANDS: dict[str, tuple[str, str, str, str]] = {
    "init": ("Start", "setup", "init", "Write .fleet/: a configuration, prompts and playbooks."),
    "up": ("Start", "lifecycle", "up", "Start the fleet of this repository."),
    "down": ("Start", "lifecycle", "down", "Stop the fleet; work under way is saved and comes back."),
    "restart": (
        "Start",
        "lifecycle",
        "restart",
        "Put a fresh daemon of this version in the place of the one that runs; agents go on.",
    ),
    "halt": ("Start", "halt", "halt", "End every run at once; nothing starts until fleet resume. People only."),
    "resume": ("Start", "halt", "resume", "Let a halted fleet go on. People only."),
    "service": (
        "Start",
        "service",
        "service",
        "Have systemd start the fleet with the machine and look after its daemon.",
    ),
    "demo": ("Start", "demo", "demo", "Watch a ticket become a merged branch."),
    "reload": ("Start", "config", "reload", "Take the changed configuration into force, whole or not at all."),
    "watcher": ("Start", "lifecycle", "watcher", "Start, stop or look at the daemon."),
    "ticket": ("Work", "ticket", "ticket", "Create, list, show, label, cancel and retry tickets."),
    "labels": ("Work", "labels", "labels", "Make the labels that the fleet uses in the repository."),
    "pr": ("Work", "pr", "pr", "Open, list, show, review, merge and close pull requests."),
    "release": ("Work", "pr", "release", "Ask whether a pull request may be merged."),
    "task": ("Work", "task", "task", "Hand work to agents by name."),
    "deadletters": ("Work", "deadletters", "deadletters", "List, explain, replay and discard work that was given up."),
    "approvals": ("Work", "approvals", "approvals", "List what waits for a person's word, or show one with its diff."),
    "approve": (
        "Work",
        "approvals",
        "approve",
        "Let a held change go on, at exactly the commit that is shown. People only.",
    ),
    "deny": (
        "Work",
        "approvals",
        "deny",
        "Refuse a held change; its author is brought back with the reason. People only.",
    ),
    "permission": (
        "Work",
        "sessions",
        "permission",
        "List and answer what sessions may not do without a person's word.",
    ),
    "provider": (
        "Work",
        "sessions",
        "provider",
        "List the model providers that refused, and let sessions start there again.",
    ),
    "schedules": ("Work", "schedules", "schedules", "List what starts by the clock, with the next times."),
    "team": ("Work", "team", "team", "List, show and change teams of agents."),
    "agent": ("Work", "agent", "agent", "List, start, stop, pause, watch and write to agents."),
    "budget": ("Work", "budget", "budget", "Show budgets of run time, tokens and dollars, and grant more."),
    "role": ("Work", "role", "role", "List, search and show the roles that agents are made from."),
    "handbook": (
        "Work",
        "handbook",
        "handbook",
        "Show what an agent reads about itself, and where each part comes from.",
    ),
    "skills": ("Work", "skills", "skills", "List the ways of working, and write them as skills for Claude Code."),
    "limits": ("Work", "limits", "limits", "Show limits on loops and storms, and let go on what they hold."),
    "fabric": ("Work", "fabric", "fabric", "Publish events, share tasks, hand work over, read the history."),
    "ask": ("Work", "mail", "ask_", "Ask a person."),
    "questions": ("Work", "mail", "questions", "List what agents ask people."),
    "answer": ("Work", "mail", "answer", "Answer what an agent asked. People only, and once."),
    "inbox": ("Work", "mail", "inbox", "Read your inbox."),
    "status": ("Look", "status", "status", "Say how the fleet is doing: who works, what waits, what needs a person."),
    "top": (
        "Look",
        "top",
        "top",
        "Watch the runs: processor, memory, time, what is quiet; event rate and writer.",
    ),
    "ps": ("Look", "look", "ps", "List runs."),
    "log": ("Look", "log", "log", "Print the journal."),
    "insights": (
        "Look",
        "insights",
        "insights",
        "Tell what is stuck, stalled, flapping, expensive, idle or about to collide.",
    ),
    "eval": (
        "Look",
        "eval",
        "eval_",
        "Score agents from the journal: six dimensions, 0 to 100, each with its evidence.",
    ),
    "risk": ("Look", "risk", "risk", "Show how likely each agent is to do harm, why, and fit that on your judgement."),
    "why": ("Look", "look", "why", "Tell why something started, waited or was refused."),
    "audit": ("Look", "audit", "audit", "Verify the journal, sign its head, or erase a payload from it."),
    "backup": ("Keep", "keeping", "backup", "Write everything of this fleet into one file, while it works."),
    "gc": ("Keep", "keeping", "gc", "Show what can go from the disk and why the rest stays; --yes removes it."),
    "restore": ("Keep", "keeping", "restore", "Put a backup in the place of this fleet's state."),
    "config": ("Check", "config", "config", "Look at the configuration, change it, check it."),
    "policy": ("Check", "policy", "policy", "Try a changed configuration on what was decided before."),
    "doctor": ("Check", "doctor", "doctor", "Check this machine, this fleet, and what does not protect you."),
    "support-bundle": ("Check", "bundle", "support_bundle", "Write a file for support, without secrets or your work."),
    "explain": ("Check", "explain", "explain", "Explain a code: what it means, what usually causes it, what to type."),
    "mcp": (
        "Check",
        "mcp",
        "mcp",
        "Offer the fleet as tools to clients of the Model Context Protocol, such as Claude Code.",
    ),
    "completion": (
        "Check",
        "completion",
        "completion",
        "Print the script that completes commands, options and names in a shell.",
    ),
    "version": (
        "Check",
        "about",
        "version",
        "Print the version, and that of the daemon of this folder where one runs.",
    ),
    "help": ("Check", "about", "help_", "Explain a command, the exit codes or an error code."),
}


COMPLETE = "_FLEET_COMPLETE"  # in the environment: a shell asks what could stand here; click looks for it


class LazyGroup(click.Group):
    """A group that knows its commands by name and loads one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every name, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command."""
        if cmd_name not in COMMANDS:
            return None
        _, module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(_HERE + module), attribute)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names from the table, so that none of the commands is loaded."""
        names = [CompletionItem(name, help=row[3]) for name, row in COMMANDS.items() if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's; an unknown name is compared with all names."""
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=list(COMMANDS), ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands by section, from the table."""
        for section in dict.fromkeys(row[0] for row in COMMANDS.values()):
            with formatter.section(section):
                formatter.write_dl([(name, row[3]) for name, row in COMMANDS.items() if row[0] == section])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.version_option(__version__, message="fleet %(version)s")
@click.pass_context
def root(ctx: click.Context) -> None:
    """Run AI coding agents as one governed system.

    Every command takes --json. Data goes to standard output, talk to standard error.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(words: list[str]) -> int:
    """Run one command line without the program's name; print every error; return the exit code."""
    as_json = "--json" in words
    sys.excepthook = _InternalError.explain if "FLEET_DEBUG" not in os.environ else sys.__excepthook__
    _InternalError.as_json = as_json
    try:
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        door = Door(dict(os.environ), os.getcwd())
        return int(root.main(args=words, prog_name="fleet", standalone_mode=False, obj=door) or 0)
    except FleetError as error:
        return report(error, as_json=as_json)
    except click.exceptions.NoArgsIsHelpError as error:
        if not as_json:
            sys.stderr.write(error.format_message() + "\n")
            return error.exit_code
        return report(UsageError("FLT-CLI-010", "a command is missing"), as_json=True)
    except click.ClickException as error:
        return report(usage(error), as_json=as_json)
    except click.Abort:
        return 130


def usage(error: click.ClickException) -> UsageError:
    """A complaint of the option parser as one of ours."""
    ctx = getattr(error, "ctx", None)
    hint = f"See: {ctx.command_path} --help" if ctx else ""
    return UsageError("FLT-CLI-010", error.format_message(), hint=hint)


class _InternalError:
    """What a person sees of a bug: one line with its place. FLEET_DEBUG=1 shows the traceback instead."""

    as_json: ClassVar[bool] = False

    @classmethod
    def explain(cls, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
        """Stand in for Python's own report of an uncaught error."""
        frames = traceback.extract_tb(trace)
        place = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
        text = f"internal error: {kind.__name__}: {error}"
        report(
            FleetError("FLT-CLI-012", text, where=place, hint="This is a bug. FLEET_DEBUG=1 shows where it happened."),
            as_json=cls.as_json,
        )
