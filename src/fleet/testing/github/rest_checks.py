"""The answers about commits and branches: check runs, statuses, protection, rules."""

from __future__ import annotations

import re

from fleet.testing.github.hub import Json, Wrong
from fleet.testing.github.rest import ROUTES, Answer, Rest, of_repo


@of_repo("GET", "/commits/{ref}/check-runs")
def _check_runs(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    newest = {(run.name, run.app_id): run for run in rest.hub.check_runs if run.sha == found[1]}
    return 200, {"total_count": len(newest), "check_runs": [rest.check_run(run) for run in newest.values()]}


@of_repo("GET", "/commits/{ref}/status")
def _combined(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    newest = {status["context"]: status for status in rest.hub.statuses.get(found[1], [])}
    states = {status["state"] for status in newest.values()}
    bad = bool(states & {"failure", "error"})
    return 200, {
        "state": "failure" if bad else "pending" if states - {"success"} or not states else "success",
        "statuses": [rest.simple_status(status) for status in newest.values()],
        "sha": found[1],
        "total_count": len(newest),
        "repository": rest.small_repository(),
        "commit_url": f"{rest.api}/commits/{found[1]}",
        "url": f"{rest.api}/commits/{found[1]}/status",
    }


@of_repo("GET", "/branches/{branch}")
def _branch(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    sha = rest.hub.branch(found[1])
    if not sha:
        raise Wrong(404, "Branch not found")
    rules = rest.hub.rules.get(found[1])
    return 200, {
        "name": found[1],
        "commit": rest.commit(sha),
        "_links": {"self": f"{rest.api}/branches/{found[1]}", "html": f"{rest.html}/tree/{found[1]}"},
        "protected": rules is not None and rules.protected,
        "protection": {"enabled": rules is not None and rules.protected},
        "protection_url": f"{rest.api}/branches/{found[1]}/protection",
    }


@of_repo("GET", "/branches/{branch}/protection")
def _protection(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    rules = rest.hub.rules.get(found[1])
    if rest.hub.permissions.get(login) != "admin":
        raise Wrong(404, "Not Found")  # as GitHub hides it from everybody else
    if rules is None or not rules.protected:
        raise Wrong(404, "Branch not protected")
    url = f"{rest.api}/branches/{found[1]}/protection"
    shape: Json = {"url": url, "enabled": True, "allow_force_pushes": {"enabled": False}}
    if rules.checks:
        shape["required_status_checks"] = {
            "url": f"{url}/required_status_checks",
            "strict": False,
            "contexts": [name for name, _ in rules.checks],
            "contexts_url": f"{url}/required_status_checks/contexts",
            "checks": [{"context": name, "app_id": app or None} for name, app in rules.checks],
        }
    if rules.reviews:
        shape["required_pull_request_reviews"] = {
            "url": f"{url}/required_pull_request_reviews",
            "dismiss_stale_reviews": False,
            "require_code_owner_reviews": rules.code_owners,
            "required_approving_review_count": rules.reviews,
        }
    return 200, shape | rules.more_protection


@of_repo("GET", "/rules/branches/{branch}")
def _rules(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    rules = rest.hub.rules.get(found[1])
    of: Json = {"ruleset_source_type": "Repository", "ruleset_source": rest.name, "ruleset_id": 1}
    listed: list[Json] = []
    if rules is not None and rules.ruled_checks:
        checks = [{"context": name} | ({"integration_id": app} if app else {}) for name, app in rules.ruled_checks]
        asked: Json = {"strict_required_status_checks_policy": False, "required_status_checks": checks}
        listed.append({"type": "required_status_checks", "parameters": asked, **of})
    if rules is not None and rules.ruled_reviews:
        asked = {
            "required_approving_review_count": rules.ruled_reviews,
            "dismiss_stale_reviews_on_push": False,
            "require_code_owner_review": rules.code_owners,
            "require_last_push_approval": False,
            "required_review_thread_resolution": False,
        }
        listed.append({"type": "pull_request", "parameters": asked, **of})
    listed += [{**one, **of} for one in (rules.more_ruled if rules is not None else ())]
    return 200, listed


@of_repo("GET", "/rulesets/{ruleset_id}")
def _ruleset(rest: Rest, login: str, found: re.Match[str], body: Json) -> Answer:
    """Each branch that is asked about has one ruleset, and all have the same number."""
    rules = next(iter(rest.hub.rules.values()), None)
    if found[1] != "1" or rules is None:
        raise Wrong(404, "Not Found")
    return 200, {
        "id": 1,
        "name": "rules",
        "target": "branch",
        "source_type": "Repository",
        "source": rest.name,
        "enforcement": "active",
        "current_user_can_bypass": rules.bypass,
        "node_id": "RRS_1",
    }


HERE = frozenset(one.template for one in ROUTES if one.handler.__module__ == __name__)
