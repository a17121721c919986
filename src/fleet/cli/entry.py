"""Where every ``fleet`` starts: the version and the quick verbs are answered before any framework loads.

Start-up is a feature: agents and hooks run ``fleet`` all day. This file imports next to nothing; what a call
needs is imported once the call is known, which is the one reason for imports in functions.
"""

from __future__ import annotations

import os
import sys

from fleet import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# First words of the commands that may go the quick way; `hot` has the exact list.
_QUICK = ("fabric", "ps", "status", "why", "agent", "ticket", "pr")

INTERRUPTED = 130


def main(argv: list[str]) -> int:
    """Run one command line, program name included, and return its exit code."""
    try:
        code = _dispatch(argv[1:])
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        # Python would complain once more when it closes the stream that could not take it all.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(error, BrokenPipeError):  # a reader that went away, as `head` does, wants no words
            sys.stderr.write(f"fleet: {error} [FLT-CLI-011]\n")
        return 1


def _leave(code: int) -> NoReturn:
    """End at once: nothing is open, and taking the interpreter apart costs a sixth of a bare start."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _dispatch(words: list[str]) -> int:
    """The version, the quick way, or the full one."""
    if words == ["--version"]:
        sys.stdout.write(f"fleet {__version__}\n")
        return 0
    if words and words[0] in _QUICK:
        from fleet.cli import hot

        try:
            code = hot.run(words)
        except hot.Failed as failed:
            from fleet.cli import client, output

            return output.report(client.meaning_of(failed.reason), as_json="--json" in words)
        if code is not None:
            _leave(code)
    from fleet.cli import main as full

    return full.run(words)
