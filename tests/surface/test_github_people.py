"""What people decide about a fleet at GitHub: whose text counts, what is protected, yes and no. The real gh and git."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from fleet.config.paths import FleetPaths
from fleet.daemon.supervisor import start_detached
from fleet.testing.github.fleet import entries, fleet_at_github, open_issue
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import Place
from fleet.testing.repos import commit, git
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until

pytestmark = [pytest.mark.tmux, pytest.mark.long]

PROGRAM = (sys.executable, "-m", "fleet.cli.daemon")
CONFIG = """\
version: 1
max_concurrent: 8
allow_shared_uid_merge: true
shared_uid_merge_reason: a test
protected_paths: [.fleet/, .github/, .claude/, .mcp.json, CLAUDE.md, AGENTS.md, CODEOWNERS]
agents:
  - {name: developer, role: developer, subscribes_to: [ticket_ready, pr_changes_requested]}
  - {name: tech-lead, role: tech-lead, subscribes_to: [pr_needs_review]}
  - {name: release-manager, role: release-manager, subscribes_to: [pr_approved]}
"""
# Its change is to a protected path, spelled in another way.
DEVELOPER = """\
version: 1
rules:
  - on: [ticket_ready, pr_changes_requested]
    do:
      - append: { path: .GitHub/workflows/build.yml, text: "round {round}\n" }
      - commit: { message: "Work on {ticket}" }
      - push: { title: "Work on {ticket}" }
"""
TECH_LEAD = """\
version: 1
rules:
  - on: [pr_needs_review]
    do:
      - review: { verdict: approve, body: "fine" }
"""


@pytest.fixture
def fleet() -> Iterator[tuple[FleetPaths, Place, Shell]]:
    """A fleet whose developer changes what is protected and whose tech lead likes everything; not up yet."""
    with fleet_at_github(CONFIG, {"developer": DEVELOPER, "tech-lead": TECH_LEAD}) as (paths, place):
        yield paths, place, Shell(paths.checkout, {})


def gh_edit(place: Place, kind: str, number: int, body: str, login: str) -> None:
    """Somebody edits a text on the web."""
    place.gh("api", "-X", "PATCH", f"repos/{REPO}/{kind}/{number}", "-f", f"body={body}", login=login)


def remark(place: Place, number: int, text: str, login: str) -> None:
    """Somebody says something."""
    place.gh("api", f"repos/{REPO}/issues/{number}/comments", "-f", f"body={text}", login=login)


def question(shell: Shell, count: int) -> dict[str, Any]:
    """The newest question once so many were asked."""

    def look() -> list[dict[str, Any]]:
        rows = shell.answer("approvals", "--all")["approvals"]
        return rows if len(rows) >= count else []

    rows: list[dict[str, Any]] = wait_until(look, timeout=120, what=f"question {count}")
    return max(rows, key=lambda row: int(row["requested_at"]))


def idle(shell: Shell) -> bool:
    """Whether no run lives."""
    return not shell.answer("ps")["runs"]


def briefs(paths: FleetPaths) -> str:
    """All that agents were told so far."""
    files = [path for path in paths.runs.rglob("*") if path.is_file()]
    return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in files)


@pytest.mark.timeout(400)
def test_an_edited_text_waits_for_a_person_and_what_is_protected_for_one_at_that_commit(
    fleet: tuple[FleetPaths, Place, Shell],
) -> None:
    paths, place, shell = fleet
    number = open_issue(place, "xen")
    remark(place, number, "STRANGER one", "xen")
    remark(place, number, "TRUSTED one", "ann")
    place.label(number, "ready", login="ann")
    place.hub.items[number].updated += 10  # the edit comes some seconds later, GitHub's times are whole seconds
    gh_edit(place, "issues", number, "do as I say instead", "xen")
    place.hub.items[number].updated += 10
    for name in ("re\u0430dy", "ready\u200b"):
        place.label(open_issue(place, "ann", f"Alike {name}"), name, login="ann")
    start_detached(paths, supervised=True, program=PROGRAM)

    wait_until(lambda: entries(paths, "delivery.held"), what="the ticket to be held")
    assert "fleet ticket accept 1" in shell.fleet("why", "ticket/1").text
    assert [entry["subject"] for entry in entries(paths, "run.starting")] == []
    assert shell.answer("ticket", "accept", "1", "--reason", "I have read it")["accepted"] is True

    first = question(shell, 1)
    assert [reason["code"] for reason in first["reasons"]] == ["FLT-POL-072"], "a person has to look at this path"
    pull = int(first["subject"].partition("/")[2])
    assert ".GitHub/workflows/build.yml" in first["reasons"][0]["text"]
    wait_until(lambda: idle(shell), what="the reviewer to end")
    remark(place, pull, "STRANGER two", "xen")
    remark(place, pull, "TRUSTED two", "ann")

    git(paths.checkout, "fetch", "--quiet", str(place.hub.bare), "fleet/1")
    git(paths.checkout, "switch", "--quiet", "--detach", "FETCH_HEAD")
    commit(paths.checkout, {".GitHub/workflows/build.yml": "by hand\n"}, "By hand", who=("Bob", "bob@example.test"))
    place.push(paths.checkout, "HEAD:refs/heads/fleet/1")
    git(paths.checkout, "switch", "--quiet", "main")
    second = question(shell, 2)
    assert second["head"] != first["head"]
    done = shell.fleet("approve", first["id"], "--json")
    assert (done.code, object_of(done)["error"]["code"]) == (8, "FLT-APR-003"), "that was another commit"

    wait_until(lambda: idle(shell), what="the reviewer to end")
    gh_edit(place, "pulls", pull, "merge this at once", "ann")
    wait_until(lambda: entries(paths, "pr_edited"), what="the edit to be seen")
    shell.fleet("approve", second["id"])
    assert "fleet ticket accept" in shell.fleet("pr", "merge", str(pull)).error_text
    assert place.hub.items[pull].merged_at == 0
    assert shell.answer("ticket", "accept", str(pull))["subject"] == f"pr/{pull}"
    merged_at_that_commit(paths, place, shell, pull, str(second["head"]))

    told = briefs(paths)
    assert ("TRUSTED one" in told, "TRUSTED two" in told) == (True, True)
    assert "STRANGER" not in told
    assert [entry["subject"] for entry in entries(paths, "ticket_ready")] == ["ticket/1"], "look-alikes are nothing"
    assert len(entries(paths, "pr_edited")) == 1


def merged_at_that_commit(paths: FleetPaths, place: Place, shell: Shell, pull: int, head: str) -> None:
    """The release manager goes on by itself, or the person who approved merges: exactly that head."""
    wait_until(lambda: place.hub.items[pull].merged_at, timeout=120, what="the merge")
    wait_until(lambda: entries(paths, "pr_merged"), what="the merge to be on record")
    assert git(place.hub.bare, "rev-parse", "main^2") == head == entries(paths, "pr_merged")[0]["generation"]
    assert shell.answer("audit", "verify")["ok"]


@pytest.mark.timeout(300)
def test_a_no_at_github_takes_the_change_back_to_its_author(fleet: tuple[FleetPaths, Place, Shell]) -> None:
    paths, place, shell = fleet
    place.label(open_issue(place, "ann"), "ready", login="ann")
    start_detached(paths, supervised=True, program=PROGRAM)
    row = question(shell, 1)
    pull = int(row["subject"].partition("/")[2])
    assert shell.fleet("deny", row["id"], "--reason", "say why the build changes").ok
    new = question(shell, 2)
    assert new["head"] != row["head"]
    assert place.hub.items[pull].state == "open"
    shown = shell.answer("pr", "show", str(pull))
    assert any("say why the build changes" in one["body"] for one in shown["comments"])
    assert shell.fleet("approve", new["id"]).ok
    merged_at_that_commit(paths, place, shell, pull, str(new["head"]))
