"""The quick way: the words go to the daemon as they are, and what it answers is printed.

The daemon parses them with the very commands of the full way (``hotparse``), so there is one declaration
of every option. This file may import only what costs next to nothing; whatever is out of the ordinary is
left to the full way, which explains it.
"""

from __future__ import annotations

import os
import sys

from fleet.cli import pipe, place
from fleet.core.wire import WireError, decode_text, encode_argv

TYPE_CHECKING = False  # `typing` and `collections.abc` cost 15 % of a bare start
if TYPE_CHECKING:
    from collections.abc import Mapping

ANSWER_SECONDS = 60.0
_SECRET_LIMIT = 1024  # characters; a capability has 64

# Reads that end with 0 whenever they are answered; quick with --json, because words for people may need a terminal.
READS = (
    ("ps",),
    ("questions",),
    ("status",),
    ("why",),
    ("agent", "list"),
    ("ticket", "list"),
    ("ticket", "show"),
    ("pr", "list"),
    ("pr", "show"),
    ("fabric", "history"),
    ("fabric", "tasks"),
    ("fabric", "blockers"),
)


class Failed(Exception):
    """The words were sent and no text came back: ``reason`` is what did, for the full way to explain."""

    def __init__(self, reason: pipe.NoAnswer | WireError | bytes) -> None:
        """Take the exception, or the body of the JSON answer that came instead."""
        super().__init__()
        self.reason = reason


def goes_quickly(words: list[str]) -> bool:
    """Whether this command line may go the quick way; the rest is rare, needs files or needs a terminal."""
    if "--help" in words or "-h" in words:
        return False
    if words[:2] == ["fabric", "publish"]:
        return not any(word == "-" or word.startswith(("@", "--payload=@", "--payload=-")) for word in words)
    return "--json" in words and (tuple(words[:1]) in READS or tuple(words[:2]) in READS)


def run(words: list[str]) -> int | None:
    """Send the words and print the answer; None when the full way has to take over: nothing was sent then.

    Raises Failed once the words are sent and no text comes back.
    """
    if not goes_quickly(words):
        return None
    try:
        folder = os.getcwd()
        body = encode_argv(secret(os.environ), folder, words)
        line = pipe.Pipe(place.socket_path(os.environ, folder), ANSWER_SECONDS)
    except (OSError, ValueError, pipe.NotSent):
        return None
    try:
        kind, answer = line.exchange("argv", body, ANSWER_SECONDS)
        if kind != "text":
            raise Failed(answer)
        code, out, err = decode_text(answer)
    except (pipe.NoAnswer, WireError) as error:
        raise Failed(error) from error
    if out:
        sys.stdout.write(out)
    if err:
        sys.stderr.write(err)
    return code


def secret(env: Mapping[str, str]) -> str:
    """What proves an agent's run, from the file that FLEET_CAPABILITY_FILE names; "" for people. Raises OSError."""
    path = env.get("FLEET_CAPABILITY_FILE")
    if not path:
        return ""
    with open(path, encoding="ascii") as file:
        return file.read(_SECRET_LIMIT).strip()
