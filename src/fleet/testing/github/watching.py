"""What the local GitHub says about commits and branches: check runs, statuses, branch protection, rulesets.

State and rules here; the answers in ``rest_checks.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
ACTIONS = 15368  # the number of the GitHub App of Actions


@dataclass
class CheckRun:
    """What an app says about a commit. ``conclusion`` "" = still at work."""

    id: int
    sha: str
    name: str
    app_id: int
    conclusion: str
    title: str
    summary: str
    at: int


@dataclass
class Rules:
    """What a branch asks for before a merge; once as its protection, once as a ruleset."""

    protected: bool = False
    checks: list[tuple[str, int]] = field(default_factory=list)  # name and app, 0 = anybody
    reviews: int = 0
    code_owners: bool = False
    ruled_checks: list[tuple[str, int]] = field(default_factory=list)
    ruled_reviews: int = 0
    more_ruled: list[Json] = field(default_factory=list)  # further rules of a ruleset: type and parameters
    bypass: str = "never"  # how whoever asks may bypass the ruleset
    more_protection: Json = field(default_factory=dict)  # further parts of the protection

    def missing(self, runs: list[CheckRun], statuses: list[Json]) -> str:
        """Why GitHub would refuse a merge of this head, in its words; "" when it would not."""
        for name, app in [*self.checks, *self.ruled_checks]:
            if not _is_green(name, app, runs, statuses):
                return f'Required status check "{name}" is expected.'
        wanted = max(self.reviews, self.ruled_reviews)
        if wanted:
            return f"At least {wanted} approving review is required by reviewers with write access."
        return ""


def _is_green(name: str, app: int, runs: list[CheckRun], statuses: list[Json]) -> bool:
    newest: dict[tuple[str, int], CheckRun] = {(run.name, run.app_id): run for run in runs}
    found = [run for (one, by), run in newest.items() if one == name and app in (0, by)]
    words = [run.conclusion in ("success", "neutral", "skipped") for run in found]
    said = [status["state"] == "success" for status in statuses if status["context"] == name]
    if said and not app:
        words.append(said[-1])
    return bool(words) and all(words)
