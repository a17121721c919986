"""The seam to the command line: a whole command's words in, what to print out.

The quickest commands send their words unparsed and let the daemon, which is running already, do the
parsing. The daemon knows no command line; the door that does hands in a parser.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fleet.core.errors import FleetError

Explain = Callable[[FleetError], tuple[str, str]]  # an error -> standard output, standard error


@dataclass(frozen=True, slots=True)
class ArgvCall:
    """A parsed command: what to call, and how its outcome is shown.

    ``render`` turns the result into standard output, ``explain`` an error into both outputs.
    """

    verb: str
    args: Mapping[str, object]
    render: Callable[[Mapping[str, object]], str]
    explain: Explain


# The words without the program's name, and the caller's folder. May raise FleetError.
ArgvParser = Callable[[Sequence[str], str], ArgvCall]


def explain_plainly(words: Sequence[str]) -> Explain:
    """How to show an error of words that could not be parsed: as JSON where ``--json`` stands among them."""

    def explain(error: FleetError) -> tuple[str, str]:
        if "--json" in words:
            return json.dumps({"schema_version": 1, "ok": False, "error": error.as_dict()}) + "\n", ""
        place = f"{error.where}: " if error.where else ""
        hint = f"  {error.hint}\n" if error.hint else ""
        return "", f"fleet: {place}{error.message} [{error.code}]\n{hint}"

    return explain
