"""What the local GitHub's answers look like: the shapes of GitHub's own description of its API, which tests check."""

from __future__ import annotations

from fleet.testing.github.hub import Hub, Item, Json, stamp
from fleet.testing.github.watching import CheckRun
from fleet.testing.repos import git

API, WEB = "https://api.github.com", "https://github.com"
_USER_URLS = (
    "followers_url", "following_url", "gists_url", "starred_url", "subscriptions_url", "organizations_url", "repos_url",
    "events_url", "received_events_url",
)  # fmt: skip
_REPO_URLS = (
    "archive_url", "assignees_url", "blobs_url", "branches_url", "collaborators_url", "comments_url", "commits_url",
    "compare_url", "contents_url", "contributors_url", "deployments_url", "downloads_url", "events_url", "forks_url",
    "git_commits_url", "git_refs_url", "git_tags_url", "hooks_url", "issue_comment_url", "issue_events_url",
    "issues_url", "keys_url", "labels_url", "languages_url", "merges_url", "milestones_url", "notifications_url",
    "pulls_url", "releases_url", "stargazers_url", "statuses_url", "subscribers_url", "subscription_url", "tags_url",
    "teams_url", "trees_url",
)  # fmt: skip


def node(kind: str, number: int) -> str:
    """A global id, which nobody reads."""
    return f"{kind}_{number:08x}"


def plain_number(text: str) -> int:
    """A number for something that has only a name."""
    return sum(map(ord, text))


class Shapes:
    """JSON out of a hub's state."""

    def __init__(self, hub: Hub) -> None:
        """Take the state."""
        self.hub = hub
        self.name = hub.repo
        self.api, self.html = f"{API}/repos/{hub.repo}", f"{WEB}/{hub.repo}"

    # -- people and the repository -------------------------------------------------------------

    def root(self) -> Json:
        """The list of entries to the API."""
        names = (
            "authorizations_url", "code_search_url", "commit_search_url", "emails_url", "emojis_url",
            "feeds_url", "followers_url", "following_url", "gists_url", "issue_search_url", "issues_url", "keys_url",
            "label_search_url", "notifications_url", "organization_repositories_url", "organization_teams_url",
            "organization_url", "public_gists_url", "rate_limit_url", "repository_search_url", "repository_url",
            "starred_gists_url", "starred_url", "topic_search_url", "user_organizations_url", "user_repositories_url",
            "user_search_url", "user_url", "hub_url", "events_url", "current_user_authorizations_html_url",
            "current_user_repositories_url",
        )  # fmt: skip
        return {"current_user_url": f"{API}/user"} | {name: f"{API}/{name.removesuffix('_url')}" for name in names}

    def user(self, login: str) -> Json:
        """An account in few words."""
        url, number = f"{API}/users/{login}", plain_number(login)
        return {
            "login": login,
            "id": number,
            "node_id": node("U", number),
            "avatar_url": f"{WEB}/{login}.png",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{WEB}/{login}",
            **{name: f"{url}/{name.removesuffix('_url')}" for name in _USER_URLS},
            "type": "User",
            "site_admin": False,
        }

    def account(self, login: str) -> Json:
        """An account as its owner sees it."""
        nothing = ("name", "company", "location", "email", "hireable", "bio")
        return {
            **self.user(login),
            **dict.fromkeys(nothing),
            "blog": "",
            "public_repos": 1,
            "public_gists": 0,
            "followers": 0,
            "following": 0,
            "created_at": stamp(1),
            "updated_at": stamp(1),
        }

    def collaborator(self, login: str, role: str) -> Json:
        """Somebody with a role on the repository."""
        return {**self.user(login), "role_name": role}

    def small_repository(self) -> Json:
        """The repository in few words."""
        return {
            "id": 1,
            "node_id": node("R", 1),
            "name": self.name.partition("/")[2],
            "full_name": self.name,
            "owner": self.user(self.hub.owner),
            "private": True,
            "html_url": self.html,
            "description": None,
            "fork": False,
            "url": self.api,
            **{name: f"{self.api}/{name.removesuffix('_url')}" for name in _REPO_URLS},
        }

    def repository(self, permission: str) -> Json:
        """The repository as somebody with this permission sees it."""
        writes = permission in ("write", "maintain", "admin")
        counts = ("forks_count", "stargazers_count", "watchers_count", "size", "open_issues_count", "network_count",
                  "subscribers_count", "forks", "open_issues", "watchers")  # fmt: skip
        has = ("has_issues", "has_projects", "has_wiki", "has_pages", "has_discussions", "has_downloads")
        return {
            **self.small_repository(),
            **dict.fromkeys(counts, 0),
            **dict.fromkeys(("homepage", "language", "license", "mirror_url"), None),
            **dict.fromkeys((*has, "archived", "disabled"), False),
            **dict.fromkeys(("pushed_at", "created_at", "updated_at"), stamp(1)),
            "default_branch": "main",
            "visibility": "private",
            "git_url": f"git://github.com/{self.name}.git",
            "ssh_url": f"git@github.com:{self.name}.git",
            "clone_url": f"{self.html}.git",
            "svn_url": self.html,
            "permissions": {
                "pull": True,
                "push": writes,
                "triage": writes or permission == "triage",
                "maintain": permission in ("maintain", "admin"),
                "admin": permission == "admin",
            },
            **self.hub.settings,
        }

    # -- issues --------------------------------------------------------------------------------

    def labels(self, names: list[str]) -> list[Json]:
        """Labels by their names."""
        return [
            {
                "id": plain_number(name) + 1,
                "node_id": node("L", plain_number(name)),
                "url": f"{self.api}/labels/{name}",
                "name": name,
                "description": self.hub.labels.get(name, {}).get("description"),
                "color": self.hub.labels.get(name, {}).get("color", "ededed"),
                "default": False,
            }
            for name in names
        ]

    def _written(self, item: Item) -> Json:
        """What an issue and a pull request have in common."""
        closed = item.updated if item.state == "closed" else 0
        return {
            "id": 10_000 + item.number,
            "number": item.number,
            "title": item.title,
            "body": item.body,
            "state": item.state,
            "user": self.user(item.user),
            "labels": self.labels(item.labels),
            "assignee": None,
            "assignees": [],
            "milestone": None,
            "locked": False,
            "active_lock_reason": None,
            "author_association": "MEMBER",
            "created_at": stamp(item.created),
            "updated_at": stamp(item.updated),
            "closed_at": stamp(item.merged_at or closed),
        }

    def issue(self, item: Item) -> Json:
        """An issue; a pull request carries its key."""
        url = f"{self.api}/issues/{item.number}"
        kind = "pull" if item.head else "issues"
        shape: Json = {
            **self._written(item),
            "node_id": node("I", item.number),
            "url": url,
            "repository_url": self.api,
            "labels_url": f"{url}/labels{{/name}}",
            "comments_url": f"{url}/comments",
            "events_url": f"{url}/events",
            "html_url": f"{self.html}/{kind}/{item.number}",
            "comments": sum(comment["number"] == item.number for comment in self.hub.comments),
            "state_reason": None,
        }
        if not item.head:
            return shape
        pull = f"{self.html}/pull/{item.number}"
        own = f"{self.api}/pulls/{item.number}"
        links = {"url": own, "html_url": pull, "diff_url": f"{pull}.diff", "patch_url": f"{pull}.patch"}
        return shape | {"pull_request": {**links, "merged_at": stamp(item.merged_at)}}

    def pull(self, item: Item, *, whole: bool = True) -> Json:
        """A pull request; a list shows less of each (not ``whole``)."""
        url, page = f"{self.api}/pulls/{item.number}", f"{self.html}/pull/{item.number}"
        issue = f"{self.api}/issues/{item.number}"
        links = {
            "self": url, "html": page, "issue": issue, "comments": f"{issue}/comments",
            "review_comments": f"{url}/comments", "review_comment": f"{self.api}/pulls/comments{{/number}}",
            "commits": f"{url}/commits", "statuses": f"{self.api}/statuses/{item.head_sha}",
        }  # fmt: skip
        shape = {
            **self._written(item),
            "node_id": node("PR", item.number),
            "url": url,
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "issue_url": issue,
            "commits_url": links["commits"],
            "review_comments_url": links["review_comments"],
            "review_comment_url": links["review_comment"],
            "comments_url": links["comments"],
            "statuses_url": links["statuses"],
            "requested_reviewers": [],
            "requested_teams": [],
            "head": self._end(item.head, item.head_sha),
            "base": self._end(item.base, self.hub.heads.get(item.base, "")),
            "_links": {name: {"href": href} for name, href in links.items()},
            "auto_merge": None,
            "draft": False,
            "merged_at": stamp(item.merged_at),
            "merge_commit_sha": item.merge_commit or None,
        }
        return shape | (self._whole(item) if whole else {})

    def _end(self, ref: str, sha: str) -> Json:
        return {
            "label": f"{self.hub.owner}:{ref}",
            "ref": ref,
            "sha": sha,
            "user": self.user(self.hub.owner),
            "repo": self.repository("read"),
        }

    def _whole(self, item: Item) -> Json:
        span = f"{item.base}..{item.head_sha}"
        commits = git(self.hub.bare, "rev-list", "--count", span, must=False)
        return {
            "merged": bool(item.merged_at),
            "mergeable": None,  # GitHub works it out later
            "rebaseable": None,
            "mergeable_state": "unknown",
            "merged_by": self.user(item.user) if item.merged_at else None,
            "comments": sum(comment["number"] == item.number for comment in self.hub.comments),
            "review_comments": 0,
            "maintainer_can_modify": False,
            "commits": int(commits or 0),
            "additions": 0,
            "deletions": 0,
            "changed_files": 0,
        }

    def event(self, event: Json, *, with_issue: bool) -> Json:
        """A change of labels, or of a pull request's branch."""
        shape: Json = {
            "id": event["id"],
            "node_id": node("E", event["id"]),
            "url": f"{self.api}/issues/events/{event['id']}",
            "event": event["event"],
            "actor": self.user(event["actor"]),
            "commit_id": None,
            "commit_url": None,
            "created_at": stamp(event["at"]),
            "performed_via_github_app": None,
        }
        if event["label"]:
            shape["label"] = {"name": event["label"], "color": "ededed"}
        return shape | ({"issue": self.issue(self.hub.items[event["number"]])} if with_issue else {})

    def comment(self, comment: Json) -> Json:
        """A remark."""
        return {
            "id": comment["id"],
            "node_id": node("IC", comment["id"]),
            "url": f"{self.api}/issues/comments/{comment['id']}",
            "html_url": f"{self.html}/issues/{comment['number']}#issuecomment-{comment['id']}",
            "issue_url": f"{self.api}/issues/{comment['number']}",
            "user": self.user(comment["user"]),
            "body": comment["body"],
            "author_association": "MEMBER",
            "created_at": stamp(comment["at"]),
            "updated_at": stamp(comment["at"]),
        }

    # -- commits and branches ------------------------------------------------------------------

    def git_ref(self, ref: str, sha: str) -> Json:
        """A branch as git has it."""
        return {
            "ref": f"refs/{ref}",
            "node_id": node("REF", 1),
            "url": f"{self.api}/git/refs/{ref}",
            "object": {"type": "commit", "sha": sha, "url": f"{self.api}/git/commits/{sha}"},
        }

    def simple_status(self, made: Json) -> Json:
        """A commit status in a combined answer."""
        return {
            "url": f"{self.api}/statuses/{made['sha']}",
            "avatar_url": f"{WEB}/{made['by']}.png",
            "id": made["id"],
            "node_id": node("SC", made["id"]),
            "state": made["state"],
            "description": made.get("description"),
            "target_url": made.get("target_url"),
            "context": made.get("context", "default"),
            "created_at": stamp(made["at"]),
            "updated_at": stamp(made["at"]),
        }

    def status(self, made: Json) -> Json:
        """A commit status with who said it."""
        return {**self.simple_status(made), "creator": self.user(made["by"])}

    def check_run(self, run: CheckRun) -> Json:
        """What an app says about a commit."""
        url, ended = f"{self.api}/check-runs/{run.id}", bool(run.conclusion)
        return {
            "id": run.id,
            "node_id": node("CR", run.id),
            "head_sha": run.sha,
            "external_id": "",
            "url": url,
            "html_url": f"{self.html}/runs/{run.id}",
            "details_url": f"{self.html}/runs/{run.id}",
            "name": run.name,
            "status": "completed" if ended else "in_progress",
            "conclusion": run.conclusion or None,
            "started_at": stamp(run.at),
            "completed_at": stamp(run.at) if ended else None,
            "output": {
                "title": run.title or None,
                "summary": run.summary or None,
                "text": None,
                "annotations_count": 0,
                "annotations_url": f"{url}/annotations",
            },
            "check_suite": {"id": run.id + 1},
            "app": self.app(run.app_id),
            "pull_requests": [],
        }

    def app(self, number: int) -> Json:
        """A GitHub App."""
        return {
            "id": number,
            "node_id": node("A", number),
            "slug": f"app-{number}",
            "owner": self.user(self.hub.owner),
            "name": f"App {number}",
            "description": None,
            "external_url": f"{WEB}/apps/app-{number}",
            "html_url": f"{WEB}/apps/app-{number}",
            "created_at": stamp(1),
            "updated_at": stamp(1),
            "permissions": {"checks": "write"},
            "events": [],
        }

    def commit(self, sha: str) -> Json:
        """A commit in few words."""
        words = git(self.hub.bare, "show", "--no-patch", "--format=%T%x00%an%x00%ae%x00%aI%x00%P%x00%s", sha).split(
            "\0"
        )
        tree, name, mail, date, parents, text = words
        who = {"name": name, "email": mail, "date": date}
        url = f"{self.api}/commits/{sha}"
        verified: Json = {"verified": False, "reason": "unsigned", "payload": None, "signature": None}
        return {
            "url": url,
            "sha": sha,
            "node_id": node("C", 1),
            "html_url": f"{self.html}/commit/{sha}",
            "comments_url": f"{url}/comments",
            "commit": {
                "url": f"{self.api}/git/commits/{sha}",
                "author": who,
                "committer": who,
                "message": text,
                "comment_count": 0,
                "tree": {"sha": tree, "url": f"{self.api}/git/trees/{tree}"},
                "verification": {**verified, "verified_at": None},
            },
            "author": None,
            "committer": None,
            "parents": [{"sha": one, "url": f"{self.api}/commits/{one}"} for one in parents.split()],
        }
