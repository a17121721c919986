"""After a red run: tries the few tests that failed once more, alone, and tells a broken test from an unsteady one.

Used by ``./dev test``. Reads what pytest noted about its last run. Ends with 0 only if every failed test passes alone,
they are few, and none of them shows a promise of ``docs/reference/guarantees.md``: a promise that is broken once is
broken. An unsteady test is named at the very end of the output. It is a fault, of Fleet or of the test, that somebody
has to mend; it is only no reason to throw away what was changed elsewhere. Why: docs/adr/0039-unsteady-tests.md.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

FEW = 3  # more than that is no chance
NOTED = Path(".pytest_cache/v/cache/lastfailed")
PROMISES = Path("docs/reference/guarantees.md")
_NAMED = re.compile(r"`(tests/[^`\s]+\.py::[^`\s]+)`")


def refusal(failed: list[str], promised: frozenset[str]) -> str:
    """Why these tests get no second look: a sentence, or "" if they get one."""
    if not failed:
        return "nothing is noted about what failed"
    if len(failed) > FEW:
        return f"{len(failed)} tests failed; up to {FEW} may be chance"
    for test in failed:
        if test.partition("[")[0] in promised:
            return f"{test} shows a promise of {PROMISES}: one failure is enough"
    return ""


def noted(path: Path) -> list[str]:
    """The ids of the tests that failed in the last run; none where pytest left no note."""
    try:
        return sorted(json.loads(path.read_text()))
    except (OSError, ValueError):
        return []


def main() -> int:
    """The exit code of the check."""
    failed = noted(NOTED)
    why = refusal(failed, frozenset(_NAMED.findall(PROMISES.read_text())))
    if why:
        print(f"no second look: {why}")
        return 1
    print(f"second look, alone: {len(failed)} failed")
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *failed])
    if done.returncode != 0:
        return 1
    for test in failed:
        print(f"UNSTEADY {test}: failed beside others, passes alone; mend it, its failure is above")
    return 0


if __name__ == "__main__":
    sys.exit(main())
