"""What programs say about a head (check runs, commit statuses), and what the base branch's rules ask for.

A head's checks are believed for a while that depends on what they were; a merge asks afresh. Every question is
conditional and costs nothing while the answer is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from fleet.core.clock import SECOND, Clock
from fleet.core.errors import NotFound, Refused
from fleet.core.live import LiveCheck, WantedCheck
from fleet.forge.github.client import Client
from fleet.forge.github.gate import GATE
from fleet.forge.port import BaseRules

PENDING_SECONDS = 15  # how long it is believed that a check is still at work
SETTLED_SECONDS = 300  # and that all of them ended, or that a head has none
YOUNG_SECONDS = 600  # a head that came so lately may get its first check at any moment
RULES_SECONDS = 60
_PASSED = ("success", "neutral", "skipped")
_SUMMARY = 2000  # characters of a check's own words
_KEPT = 500  # heads


class Checks:
    """Checks and rules of one repository."""

    def __init__(self, client: Client, repo: str, base: str, clock: Clock) -> None:
        """``base`` is the base branch's short name. Nothing is asked until something is wanted."""
        self._client = client
        self._root = f"repos/{repo}"
        self._base = base
        self._clock = clock
        self._heads: dict[str, tuple[int, int, tuple[LiveCheck, ...]]] = {}  # head -> first seen, read at, checks
        self._rules: tuple[int, BaseRules] = (-1, BaseRules())

    def of(self, head: str, *, fresh: bool) -> tuple[LiveCheck, ...]:
        """The checks of a commit, as they are now (``fresh``) or were a little while ago."""
        now = self._clock.now()
        first, at, known = self._heads.get(head, (now, -1, ()))
        if not fresh and 0 <= at <= now < at + _believed(known, now - first):
            return known
        found = (*self._runs(head), *self._statuses(head))
        self._heads.pop(head, None)
        self._heads[head] = (first, now, found)
        while len(self._heads) > _KEPT:
            gone = next(iter(self._heads))
            del self._heads[gone]
            self._client.forget(f"{self._root}/commits/{gone}/")
        return found

    def _runs(self, head: str) -> Iterable[LiveCheck]:
        path = f"{self._root}/commits/{head}/check-runs?per_page=100"
        for item in self._client.pages(path, key="check_runs"):
            output = item.get("output") or {}
            words = "\n\n".join(str(output[part]) for part in ("title", "summary") if output.get(part))
            yield LiveCheck(
                str(item["name"]),
                int((item.get("app") or {}).get("id") or 0),
                _state(str(item.get("conclusion") or "")),
                words[:_SUMMARY],
                str(item.get("html_url") or ""),
            )

    def _statuses(self, head: str) -> Iterable[LiveCheck]:
        path = f"{self._root}/commits/{head}/status?per_page=100"
        for item in self._client.pages(path, key="statuses"):
            if item["context"] != GATE:  # our own word is no reason for itself
                word = {"success": "success", "pending": ""}.get(str(item["state"]), "failure")
                text, url = str(item.get("description") or ""), str(item.get("target_url") or "")
                yield LiveCheck(str(item["context"]), 0, _state(word), text[:_SUMMARY], url)

    # -- rules ---------------------------------------------------------------------------------

    def rules(self) -> BaseRules:
        """What GitHub asks of a merge into the base branch, out of rulesets and of branch protection."""
        now = self._clock.now()
        at, known = self._rules
        if 0 <= at <= now < at + RULES_SECONDS * SECOND:
            return known
        branch = quote(self._base, safe="")
        checks, reviews, owners = _of_rulesets(rules_in_force(self._client, self._root, self._base))
        hidden = ""
        if self._client.read(f"{self._root}/branches/{branch}").get("protected"):
            more, hidden = self._protection(branch)
            if more:
                asked = more.get("required_pull_request_reviews") or {}
                reviews = max(reviews, int(asked.get("required_approving_review_count") or 0))
                owners = owners or bool(asked.get("require_code_owner_reviews"))
                checks += _of_protection(more.get("required_status_checks") or {})
        found = BaseRules(tuple(one for one in dict.fromkeys(checks) if one.name != GATE), reviews, owners, hidden)
        self._rules = (now, found)
        return found

    def _protection(self, branch: str) -> tuple[Any, str]:
        """The branch's protection, which only an administrator may read; else why not."""
        try:
            return self._client.read(f"{self._root}/branches/{branch}/protection"), ""
        except (NotFound, Refused):
            return None, "the base branch is protected, and our login may not read by what (it is no administrator)"


def rules_in_force(client: Client, root: str, branch: str) -> list[Any]:
    """The rules that rulesets put on a branch, there or not; none where the owner's plan has no rulesets."""
    try:
        return client.pages(f"{root}/rules/branches/{quote(branch, safe='')}?per_page=100")
    except Refused as error:
        if "upgrade to github" not in error.message.lower():
            raise
        return []


def _believed(known: tuple[LiveCheck, ...], age: int) -> int:
    """For how long, in microseconds, an answer is believed."""
    waiting = any(check.state == "pending" for check in known) or (not known and age < YOUNG_SECONDS * SECOND)
    return (PENDING_SECONDS if waiting else SETTLED_SECONDS) * SECOND


def _state(conclusion: str) -> Any:
    return "pending" if not conclusion else "passed" if conclusion in _PASSED else "failed"


def _of_rulesets(items: Iterable[Any]) -> tuple[list[WantedCheck], int, bool]:
    """Checks, number of reviews, and whether code owners have to review, out of the rules in force."""
    checks: list[WantedCheck] = []
    reviews, owners = 0, False
    for item in items:
        asked = item.get("parameters") or {}
        if item["type"] == "required_status_checks":
            checks += [
                WantedCheck(str(one["context"]), int(one.get("integration_id") or 0))
                for one in asked.get("required_status_checks") or ()
            ]
        elif item["type"] == "pull_request":
            reviews = max(reviews, int(asked.get("required_approving_review_count") or 0))
            owners = owners or bool(asked.get("require_code_owner_review"))
    return checks, reviews, owners


def _of_protection(asked: Any) -> list[WantedCheck]:
    """Checks of a branch protection: with their app where it says so, by name alone where it does not."""
    found = [WantedCheck(str(one["context"]), max(0, int(one.get("app_id") or 0))) for one in asked.get("checks") or ()]
    named = {one.name for one in found}
    return found + [WantedCheck(str(name)) for name in asked.get("contexts") or () if name not in named]
