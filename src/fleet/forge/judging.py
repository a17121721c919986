"""Is what is about to be merged still what the merge was allowed on? Asked right before it, by every forge."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fleet.core.errors import Conflict
from fleet.core.live import LiveCheck, not_green
from fleet.forge import pullgit
from fleet.forge.gitrepo import Repo
from fleet.forge.port import Judged


def require_as_judged(
    judged: Judged | None, repo: Repo, ends: tuple[str, str], checks: Callable[[], Iterable[LiveCheck]], where: str
) -> None:
    """Compare the diff between base and head (``ends``) and the ``checks`` as they are now with what was judged.

    Raises Conflict FLT-FRG-031 for another diff, FLT-FRG-032 for a check that is not green.
    """
    if judged is None:
        return
    base, head = ends
    if judged.diff and pullgit.diff_digest(repo, base, head) != judged.diff:
        raise Conflict(
            "FLT-FRG-031",
            "against the base branch as it is now, the diff is not the one that was approved",
            where=where,
            hint="The same commit, but another change: it needs a review again.",
        )
    if not judged.checks:
        return
    red = not_green(judged.checks, checks())
    if red:
        listed = ", ".join(f"{one.name} ({word})" for one, word in red)
        raise Conflict(
            "FLT-FRG-032", f"a required check is not green: {listed}", where=where, hint="Wait for it, or mend it."
        )
