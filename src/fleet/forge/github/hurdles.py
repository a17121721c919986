"""What a repository at GitHub asks that a fleet with one login can never meet, or not by itself: found before it hurts.

Asked for when a person looks (``fleet doctor``), never by a service. What our login may bypass is in nobody's way:
GitHub says so of each ruleset to whoever asks, and of a branch protection to administrators.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fleet.core.errors import NotFound, Refused
from fleet.forge.github.checks import rules_in_force
from fleet.forge.github.client import Client
from fleet.forge.github.gate import GATE
from fleet.forge.github.people import People
from fleet.forge.port import Hurdle

Json = Any
# How our login may bypass a ruleset, in GitHub's words; by pull request is enough for a merge, not for a push.
_BYPASSES_A_PUSH = ("always", "exempt")
_BYPASSES_A_MERGE = (*_BYPASSES_A_PUSH, "pull_requests_only")
_A_BRANCH = "fleet/1"  # stands for all branches that agents push
_STOPS_A_PUSH = (
    "creation", "update", "pull_request", "required_status_checks", "required_signatures", "branch_name_pattern",
    "commit_author_email_pattern", "committer_email_pattern", "commit_message_pattern", "file_path_restriction",
    "max_file_size", "file_extension_restriction", "required_deployments", "workflows",
)  # fmt: skip


@dataclass
class Asked:
    """What a base branch asks for, out of rulesets and branch protection together."""

    reviews: int = 0
    owners: bool = False
    last_push: bool = False
    signatures: bool = False
    no_merge_commits: list[str] = field(default_factory=list)  # what says so
    queue: bool = False
    up_to_date: bool = False
    gate_app: int = 0  # the App that alone may say fleet/gate
    closed: list[str] = field(default_factory=list)  # what keeps our login from moving it


class Hurdles:
    """Asks one repository."""

    def __init__(self, client: Client, repo: str, base: str, people: People) -> None:
        """``base`` is the base branch's short name; ``people`` knows our login."""
        self._people = people
        self._client = client
        self._root = f"repos/{repo}"
        self._base = base

    def all(self) -> tuple[Hurdle, ...]:
        """Everything that our login is going to meet. A handful of requests, free while nothing changes."""
        login = self._people.own_login()
        repo = self._client.read(self._root)
        asked = Asked()
        _of_repository(asked, repo)
        for item in self._binding(self._base, _BYPASSES_A_MERGE):
            _of_ruleset(asked, item)
        hidden = self._take_protection(asked, login, is_admin=bool((repo.get("permissions") or {}).get("admin")))
        stops = sorted({str(item["type"]) for item in self._binding(_A_BRANCH, _BYPASSES_A_PUSH)} & set(_STOPS_A_PUSH))
        return (*_rights(repo, login), *_of_base(asked, self._base, login, hidden), *_of_branches(stops, login))

    def _rules(self, branch: str) -> list[Json]:
        return rules_in_force(self._client, self._root, branch)

    def _binding(self, branch: str, enough: tuple[str, ...]) -> list[Json]:
        """The rules in force for a branch, without those of rulesets that our login may bypass in one of these ways."""
        found = self._rules(branch)
        sets = {int(item["ruleset_id"]) for item in found if item.get("ruleset_id")}
        bypassed = {number for number in sets if self._bypass(number) in enough}
        return [item for item in found if item.get("ruleset_id") not in bypassed]

    def _bypass(self, ruleset: int) -> str:
        """How our login may bypass a ruleset; "" where GitHub does not say."""
        try:
            return str(self._client.read(f"{self._root}/rulesets/{ruleset}").get("current_user_can_bypass") or "")
        except (NotFound, Refused):
            return ""

    def _take_protection(self, asked: Asked, login: str, *, is_admin: bool) -> bool:
        """Branch protection too; True where there is one that our login may not read."""
        path = f"{self._root}/branches/{quote(self._base, safe='')}"
        try:
            if not self._client.read(path).get("protected"):
                return False
        except NotFound:
            return False  # no such branch: that is told elsewhere
        try:
            found = self._client.read(f"{path}/protection")
            if not (is_admin and (found.get("enforce_admins") or {}).get("enabled") is False):
                _of_protection(asked, found, login)
        except (NotFound, Refused):
            return not self._rules(self._base)  # a ruleset makes a branch protected as well, and was read
        return False


# -- reading ---------------------------------------------------------------------------------------------


def _of_repository(asked: Asked, repo: Json) -> None:
    if repo.get("allow_merge_commit") is False:
        asked.no_merge_commits.append("the repository's settings")


def _of_ruleset(asked: Asked, item: Json) -> None:
    """One rule of those in force."""
    kind, facts = str(item["type"]), item.get("parameters") or {}
    if kind == "pull_request":
        _take_reviews(asked, facts, "require_code_owner_review")
        if "merge" not in (facts.get("allowed_merge_methods") or ("merge",)):
            asked.no_merge_commits.append("a ruleset's merge methods")
    elif kind == "required_status_checks":
        asked.up_to_date |= bool(facts.get("strict_required_status_checks_policy"))
        _take_gate(asked, facts.get("required_status_checks"), "integration_id")
    elif kind == "required_linear_history":
        asked.no_merge_commits.append("a linear history")
    elif kind in ("update", "merge_queue", "required_signatures"):
        asked.queue |= kind == "merge_queue"
        asked.signatures |= kind == "required_signatures"
        asked.closed += ["a ruleset that restricts updates"] if kind == "update" else []


def _of_protection(asked: Asked, found: Json, login: str) -> None:
    """The older kind of rule."""
    reviews = found.get("required_pull_request_reviews") or {}
    if not _names(reviews.get("bypass_pull_request_allowances"), login):
        _take_reviews(asked, reviews, "require_code_owner_reviews")
    asked.signatures |= _on(found, "required_signatures")
    if _on(found, "required_linear_history"):
        asked.no_merge_commits.append("a linear history")
    if _on(found, "lock_branch"):
        asked.closed.append("a lock")
    may = found.get("restrictions")
    if may is not None and not may.get("teams") and not _names(may, login):
        asked.closed.append("a list of those who may push")
    checks = found.get("required_status_checks") or {}
    asked.up_to_date |= bool(checks.get("strict"))
    _take_gate(asked, checks.get("checks"), "app_id")


def _take_reviews(asked: Asked, facts: Json, owners: str) -> None:
    """What both kinds of rule say of reviews; that a code owner's is needed, each under a name of its own."""
    asked.reviews = max(asked.reviews, int(facts.get("required_approving_review_count") or 0))
    asked.owners |= bool(facts.get(owners))
    asked.last_push |= bool(facts.get("require_last_push_approval"))


def _names(listed: Json | None, login: str) -> bool:
    """Whether a list of people, teams and Apps names our login itself."""
    return login in [one.get("login") for one in (listed or {}).get("users") or ()]


def _on(found: Json, key: str) -> bool:
    return bool((found.get(key) or {}).get("enabled"))


def _take_gate(asked: Asked, checks: Iterable[Json] | None, key: str) -> None:
    for one in checks or ():
        if one.get("context") == GATE:
            asked.gate_app = asked.gate_app or max(0, int(one.get(key) or 0))


# -- telling ---------------------------------------------------------------------------------------------


def _rights(repo: Json, login: str) -> Iterator[Hurdle]:
    if repo.get("archived"):
        yield Hurdle(
            "forge.archived", "the repository is archived", "Nobody can write to it.", "Unarchive it at GitHub", True
        )
    elif (repo.get("permissions") or {}).get("push") is False:
        yield Hurdle(
            "forge.rights",
            f"{login} may not write to the repository",
            "Pushes, labels and merges will be refused.",
            f"Give {login} the role write, or log in as somebody who has it: gh auth login",
            True,
        )


def _of_base(asked: Asked, base: str, login: str, hidden: bool) -> Iterator[Hurdle]:
    bypass = f"let {login} bypass the rule"
    rows: tuple[tuple[object, str, str, str, str], ...] = (
        (
            asked.reviews or asked.owners or asked.last_push,
            "forge.reviews",
            f"a merge into {base} needs {_reviews(asked)} at GitHub",
            f"All agents share the login {login}: it opens every pull request, and nobody may approve their own."
            " No merge of the fleet gets through by itself.",
            f"Require the status check {GATE} in place of the review; or {bypass}; or approve each pull request at"
            " GitHub with another login",
        ),
        (
            asked.signatures, "forge.signatures", f"{base} takes signed commits only", "Agents do not sign theirs.",
            f"Take the rule off, or {bypass}",
        ),
        (
            asked.no_merge_commits, "forge.merge_commits",
            f"{base} takes no merge commits: {_listed(asked.no_merge_commits)}",
            "The fleet merges exactly the approved commit; squashed or rebased it would be another one.",
            "Allow merge commits, or merge by hand",
        ),
        (
            asked.queue, "forge.merge_queue", f"{base} has a merge queue",
            "The fleet merges the approved commit past any queue.",
            f"Take the queue off, or {bypass}, or merge by hand",
        ),
        (
            asked.gate_app, "forge.gate", f"{GATE} is required from the App {asked.gate_app}",
            f"The fleet posts it as {login}, and no App stands behind that: the check is never met.",
            f"Require {GATE} from any source",
        ),
        (
            asked.closed, "forge.base_closed", f"{base} is closed to {login}: {_listed(asked.closed)}",
            "Every merge of the fleet will be refused.", f"Name {login} there, or {bypass}",
        ),
        (
            asked.up_to_date, "forge.up_to_date", f"{base} takes only branches that are up to date with it",
            "After each merge every other open pull request has to take it in and be reviewed again.",
            "Turn that off: the fleet compares the effective change once more right before each merge",
        ),
        (
            hidden, "forge.hidden", f"{base} is protected, and {login} may not read by what (it is no administrator)",
            "Whether the fleet can merge shows at the first merge.",
            "Have an administrator look: reviews, signatures and linear history stop a fleet",
        ),
    )  # fmt: skip
    yield from (Hurdle(name, found, why, choose) for met, name, found, why, choose in rows if met)


def _listed(words: list[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _reviews(asked: Asked) -> str:
    words = []
    if asked.reviews or not asked.owners:
        words.append(f"{max(1, asked.reviews)} approving review{'s' if asked.reviews > 1 else ''}")
    if asked.owners:
        words.append("a review by a code owner")
    if asked.last_push:
        words.append("an approval by somebody else than who pushed last")
    return " and ".join(words)


def _of_branches(stops: list[str], login: str) -> Iterator[Hurdle]:
    if stops:
        yield Hurdle(
            "forge.branches",
            f"a ruleset covers the branches fleet/* too: {', '.join(stops)}",
            "Pushes of agents may be refused.",
            f"Leave fleet/* out of the ruleset, or let {login} bypass it",
        )
