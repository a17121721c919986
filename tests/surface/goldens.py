"""Takes down what each command prints: text with what varies taken out, and the fields and types of its JSON."""

from __future__ import annotations

import contextlib
import getpass
import io
import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from fleet import __version__
from fleet.cli import main
from fleet.process import Completed
from fleet.testing.shell import Shell, object_of

ROOT = Path(__file__).resolve().parents[2]
# What differs from run to run or from machine to machine, the most telling first.
VARIES = [
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?", "<time>"),
    (r"\b\d\d:\d\dZ", "<time>"),
    (r"\b\d{4}-\d\d-\d\d\b", "<day>"),
    (r"\b\d\d:\d\d:\d\d\b", "<clock>"),
    (r"\b\d{8}T\d{6}Z?\b|\b\d{8}-\d{6}\b", "<time>"),
    (r"\b[a-z]{1,2}0[0-9a-z]{14,20}(?=\b|-)", "<id>"),
    (r"\b[0-9a-f]{8,}\b", "<hex>"),
    (r"/tmp/fleet-demo-\w+", "<demo>"),
    (r"^ +\d+ (?=<time>)", "  <n> "),
    (r"\b(entry|entries|checkpoint|up to entry) \d+( to \d+)?", r"\1 <n>"),
    (
        r"\b\d+ (of them|entries|tick|journal entries|refs|would leave|stay in it|checkpoint|in the \w+)s?",
        r"<n> \1",
    ),
    (r"\b\d+ decisions? made again", "<n> decisions made again"),
    (r"newer entries: \d+", "newer entries: <n>"),
    (r"index [0-9a-f]{7}\.\.[0-9a-f]{7}", "index <hex>"),
    (r"\b\d+ deliver(y|ies) to", "<n> deliveries to"),
    (r"\bpid \d+", "pid <pid>"),
    (r"\b\d+h\d\dm\b|\b\d+m\d\ds\b|\b\d+d\d\dh\b|(?<![\w/.])\d+(\.\d+)? ?(ms|s|min|h|m|d)\b", "<span>"),
    (r"(?<![\w.])\d+(\.\d+)? ?(B|bytes?|[kKMGT]i?B)\b", "<size>"),
    (r"\b\d+(\.\d+)? ?%", "<percent>"),
    (r"(?<=\S) {2,}", "  "),
    (r"^\d+(?=  <time>  )", "<n>"),
    (r"(?<=<time>  )\d+(?=  <hex>)", "<n>"),
    (r" +$", ""),
]


def shape(value: object, depth: int = 8) -> Any:
    """The fields of a value and their types; what stands in a list is described once, all of it together."""
    if isinstance(value, dict):
        return {key: shape(inner, depth - 1) for key, inner in sorted(value.items())} if depth else "object"
    if isinstance(value, list):
        return [merged([shape(one, depth - 1) for one in value])] if value else []
    names = {bool: "true|false", int: "number", float: "number", str: "text", type(None): "null"}
    return names[type(value)]


def merged(shapes: Iterable[Any]) -> Any:
    """One description of all of these; what may be several things is named with all of them."""
    result: Any = None
    for one in shapes:
        if result is None or result == one or result == []:
            result = one
        elif isinstance(result, dict) and isinstance(one, dict):
            keys = sorted({*result, *one})
            result = {key: merged([each[key] for each in (result, one) if key in each]) for key in keys}
        elif isinstance(result, list) and isinstance(one, list):
            result = [merged([*result, *one])] if [*result, *one] else []
        elif isinstance(result, str) and isinstance(one, str):
            result = "|".join(sorted({*result.split("|"), *one.split("|")}))
        else:
            result = one if result == "null" else result
    return result


class Inside(Shell):
    """A shell whose commands run in this process, which spares hundreds of starts of an interpreter."""

    def fleet(self, *words: str | bytes, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Completed:
        """One command to its end, in the shell's folder and environment."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        argv = [os.fsdecode(word) for word in words]
        with (
            mock.patch.dict(os.environ, {**self._env(), **(env or {})}),
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = main.run(argv)
        return Completed(tuple(argv), code, out.buffer.getvalue(), err.buffer.getvalue())


class Show:
    """Runs commands for people and for programs, and keeps what they looked like.

    ``texts`` and ``shapes`` are by the words of the command, such as "ticket show".
    """

    def __init__(self, shell: Shell, folder: Path) -> None:
        self.shell = shell
        self.folder = folder
        self.texts: dict[str, str] = {}
        self.shapes: dict[str, object] = {}
        self.problems: list[str] = []

    def __call__(
        self, command: str, words: str = "", as_json: str | None = None, *, code: int = 0, head: int = 0,
        env: Mapping[str, str] | None = None, free: str = "", depth: int = 8,
    ) -> dict[str, Any]:  # fmt: skip
        """Run a command for both readers; gives the JSON.

        ``as_json`` are other arguments where the same would be refused the second time. Of a long text only the
        first ``head`` lines are kept; ``free`` names fields whose keys are data, ``depth`` is how deep fields are.
        """
        self.text(command, words, code=code, head=head, env=env)
        return self.fields(command, words if as_json is None else as_json, code=code, env=env, free=free, depth=depth)

    def text(
        self, command: str, words: str = "", *, code: int = 0, head: int = 0, env: Mapping[str, str] | None = None
    ) -> str:
        """What a person sees, both streams; gives it as it was."""
        done = self.shell.fleet(*command.split(), *shlex.split(words), env=env)
        self._check(done.code, code, f"{command} {words}: {done.code} {done.text}{done.error_text}")
        lines = self.steady(done.text).splitlines()
        if head and len(lines) > head:
            lines = [*lines[:head], "<and so on>"]
        said = [f"(stderr) {line}" for line in self.steady(done.error_text).splitlines()]
        call = self.steady(f"$ fleet {command} {words}".rstrip())
        ended = [f"(exit code {code})"] if code else []
        self.texts[command] = "\n".join([call, *lines, *said, *ended, ""])
        return done.text

    def fields(
        self, command: str, words: str = "", *, code: int = 0, env: Mapping[str, str] | None = None, free: str = "",
        depth: int = 8,
    ) -> dict[str, Any]:  # fmt: skip
        """What a program reads; gives it."""
        done = self.shell.fleet(*command.split(), *shlex.split(words), "--json", env=env)
        self._check(done.code, code, f"{command} {words} --json: {done.code} {done.text}{done.error_text}")
        found = object_of(done)
        self.shapes[command] = shape(without(found, {"payload", *free.split()}), depth)
        return found

    def _check(self, code: int, expected: int, what: str) -> None:
        if code != expected:
            self.problems.append(what)

    def steady(self, text: str) -> str:
        """The text without what varies."""
        for known, name in (
            (str(self.folder), "<folder>"),
            (sys.executable, "<python>"),
            (str(Path(sys.executable).parent), "<bin>"),
            (str(ROOT), "<program>"),
            (f"human:{getpass.getuser()}", "human:<user>"),
            (f"enable-linger {getpass.getuser()}", "enable-linger <user>"),
            (__version__, "<version>"),
        ):
            text = text.replace(known, name)
        for pattern, name in VARIES:
            text = re.sub(pattern, name, text, flags=re.MULTILINE)
        return text


def without(value: object, names: set[str]) -> object:
    """The value with these fields, whose inner keys are data and differ, made to texts."""
    if isinstance(value, dict):
        return {key: "" if key in names else without(inner, names) for key, inner in value.items()}
    return [without(inner, names) for inner in value] if isinstance(value, list) else value
