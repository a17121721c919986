"""Checks: whose work it is. One author at a time on a piece of work; a pull request goes back to its author.

Also which changed paths only a person may let through.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from fleet.core.decision import Reason, Verdict
from fleet.policy.facts import StartFacts

BACK_TO_AUTHOR = frozenset({"pr_changes_requested", "pr_conflict", "ci_fail"})


def one_author(facts: StartFacts) -> Reason:
    """HOLD an agent that pushes while another one that pushes is at work on the same ticket."""
    other = facts.load.other_author
    seen: dict[str, object] = {"other_author": other, "pushes": facts.agent.pushes}
    if not facts.agent.pushes or not other:
        return Reason("one_author", Verdict.ALLOW, "FLT-POL-040", "no other author is at work here", seen)
    text = f"{other} is at work on this; it starts only if that ends without a pull request"
    return Reason("one_author", Verdict.HOLD, "FLT-POL-041", text, seen)


def own_pull(facts: StartFacts) -> Reason:
    """DENY an agent that pushes when a pull request goes back to an author who is somebody else."""
    pull, name = facts.pull, facts.agent.name
    goes_back = facts.agent.pushes and pull is not None and facts.work.event_type in BACK_TO_AUTHOR
    if pull is None or not goes_back:
        return Reason("own_pull", Verdict.ALLOW, "FLT-POL-042", "nothing goes back to an author here", {})
    seen: dict[str, object] = {"author": pull.author, "author_is_member": pull.author_is_member}
    if pull.author == f"agent:{name}":
        return Reason("own_pull", Verdict.ALLOW, "FLT-POL-043", f"{name} opened this pull request", seen)
    if pull.author.startswith("agent:") and not pull.author_is_member:
        text = "its author is no longer an enabled member, so others may go on with it"
        return Reason("own_pull", Verdict.ALLOW, "FLT-POL-044", text, seen)
    text = f"{pull.author} opened this pull request and goes on with it"
    return Reason("own_pull", Verdict.DENY, "FLT-POL-045", text, seen)


def protected_among(paths: Iterable[str], protected: Iterable[str]) -> tuple[str, ...]:
    """The changed paths that lie at or below a protected one, sorted.

    A protected name without a slash inside protects every file and folder of that name at any depth; one
    with a slash inside is a path from the root. Case and Unicode spelling make no difference.
    """
    rules = [rule for rule in (_plain(entry).strip("/") for entry in protected) if rule]
    return tuple(sorted(path for path in paths if any(_covers(rule, _plain(path)) for rule in rules)))


def _covers(rule: str, path: str) -> bool:
    if "/" in rule:
        return path == rule or path.startswith(rule + "/")
    return rule in path.split("/")


def _plain(path: str) -> str:
    """One spelling for paths that some file systems hold to be the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
