"""The quick way: what goes it, that it means the same as the full one, and that it loads next to nothing."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from fleet.cli import hot, hotparse, main
from fleet.cli.door import Door
from fleet.cli.remote import Call, Remote
from fleet.core.errors import FleetError, UsageError

LINES = [
    ["fabric", "publish", "--event", "qa_passed", "--summary", "all pass", "--subject", "pr/8"],
    ["fabric", "publish", "--event=qa_passed", '--payload={"a": [1, "ü"]}', "--json"],
    ["fabric", "publish", "--kind", "note", "--summary", "--json", "--subject", "ticket/7"],
    ["fabric", "publish", "--kind", "note", "--summary", "", "--color", "never"],
    ["fabric", "history", "--json"],
    ["fabric", "history", "--json", "--event", "pr_created", "--limit", "3", "--after", "7", "--subject", "pr/1"],
    ["ps", "--json"],
    ["ps", "--all", "--json", "--color=always"],
    ["status", "--json"],
    ["why", "pr/8", "--json"],
    ["why", "--json", "--", "-x"],
    ["agent", "list", "--json"],
    ["ticket", "list", "--json"],
    ["ticket", "show", "ticket/7", "--json"],
    ["pr", "list", "--json"],
    ["pr", "show", "#8", "--json"],
]

WRONG = [
    ["fabric", "publish"],
    ["fabric", "publish", "--event", "a", "--kind", "note"],
    ["fabric", "publish", "--event"],
    ["fabric", "publish", "--kind", "gossip"],
    ["fabric", "publish", "qa_passed"],
    ["fabric", "publish", "--sender", "human:owner", "--event", "a"],
    ["fabric", "publish", "--event", "a", "--sender="],
    ["ps", "--json", "now"],
    ["pr", "show", "--json", "eight"],
    ["fabric", "history", "--json", "--since", "soon"],
]


def called(words: list[str]) -> tuple[Call, Remote]:
    """What the full way would ask for."""
    with main.root.make_context("fleet", list(words), obj=Door({}, "/")) as top:
        at, group = top, click.Group()
        command: click.Command = main.root
        rest = list(words)
        while isinstance(command, click.Group):
            group = command
            name, found, rest = group.resolve_command(at, rest)
            assert found is not None
            command = found
            at = click.Context(command, info_name=name, parent=at)
        assert isinstance(command, Remote)
        with command.make_context(command.name, rest, parent=at) as ctx:
            return command.call(ctx), command


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_both_ways_ask_for_the_same(words: list[str]) -> None:
    assert hot.goes_quickly(words)
    quick = hotparse.parse(words, "/")
    full, command = called(words)
    assert (quick.verb, dict(quick.args)) == (full.verb, dict(full.args))
    assert command.code is None, "a quick command ends with 0 whenever it is answered"


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_both_ways_refuse_the_same(words: list[str]) -> None:
    assert hot.goes_quickly(words)
    with pytest.raises(UsageError) as quick:
        hotparse.parse(words, "/")
    with pytest.raises((click.UsageError, FleetError)) as full:
        called(words)
    error = full.value
    said = main.usage(error) if isinstance(error, click.ClickException) else error
    assert (quick.value.code, quick.value.message, quick.value.hint) == (said.code, said.message, said.hint)


@pytest.mark.parametrize(
    "words",
    [
        ["fabric", "publish", "--help"],
        ["fabric", "publish", "--event", "a", "--payload", "-"],
        ["fabric", "publish", "--event", "a", "--payload", "@file"],
        ["fabric", "publish", "--event", "a", "--payload=@file"],
        ["fabric", "publish", "--event", "a", "--payload=-"],
        ["ps"],
        ["log", "--json"],
        ["release", "check", "8", "--json"],
        ["pr", "merge", "8", "--json"],
        ["--color", "never", "ps", "--json"],
        [],
    ],
    ids=" ".join,
)
def test_what_needs_files_or_a_terminal_or_changes_things_goes_the_full_way(words: list[str]) -> None:
    assert not hot.goes_quickly(words)
    with pytest.raises(UsageError):
        hotparse.parse(words, "/")


def test_every_quick_command_is_tried_here() -> None:
    tried = {tuple(words[:2]) for words in LINES} | {tuple(words[:1]) for words in LINES}
    assert set(hot.READS) <= tried


HEAVY = {
    "click",
    "rich",
    "json",
    "re",
    "typing",
    "collections",
    "contextlib",
    "pathlib",
    "hashlib",
    "socket",
    "asyncio",
}


@pytest.mark.parametrize("words", ["--version", "fabric publish --event a", "ps --json"])
def test_a_quick_start_loads_next_to_nothing(words: str, tmp_path: object) -> None:
    """Ratios of times are benched; which modules are loaded can be tested."""
    program = (
        "import os, sys\n"
        f"sys.argv = ['fleet', *{words.split()!r}]\n"
        "from fleet.cli import entry, hot, place, pipe\n"
        "def answer(self, kind, body, timeout): return 'text', b'0\\0said\\0'\n"
        "pipe.Pipe.__init__ = lambda self, path, timeout: None\n"
        "pipe.Pipe.exchange = answer\n"
        "code = entry.main(sys.argv)\n"
        "sys.stderr.write(' '.join(sys.modules))\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith(("said", "fleet "))
    loaded = set(done.stderr.split())
    at_start = set(
        subprocess.run(
            [sys.executable, "-c", "import sys; print(*sys.modules)"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.split()
    )
    assert loaded & (HEAVY - at_start) == set()
