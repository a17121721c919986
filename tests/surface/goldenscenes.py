"""The stories in which each command is shown once: before a fleet, its daemon's life, work, people, record, keeping."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.surface.goldens import Show

from fleet.config.paths import FleetPaths, fleet_paths
from fleet.testing.fleets import ask_permissions
from fleet.testing.repos import commit, git
from fleet.testing.waiting import wait_until

CONFIG = """\
version: 1
base: main
max_concurrent: 4
allow_shared_uid_merge: true
shared_uid_merge_reason: a test
audit: {keep_days: 0}
retry: {attempts: 1, backoff_seconds: 0}
agents:
  - {name: developer, role: developer, reports_to: tech-lead, subscribes_to: [ticket_ready, pr_changes_requested]}
  - {name: tech-lead, role: tech-lead, subscribes_to: [pr_needs_review]}
  - {name: release-manager, role: release-manager, subscribes_to: [pr_approved]}
  - {name: clerk, role: developer, publishes: [qa_passed]}
  - {name: slow, role: developer, budget_seconds: 36000}
  - {name: scribe, role: docs-writer, schedule: {cron: "0 9 1 1 *", timezone: Europe/Berlin}}
teams:
  - {name: makers, agents: [developer, slow]}
"""
SLIPPED = ("developer", "developer@agents.fleet.invalid")
PLAYBOOKS = {
    "developer": """\
version: 1
rules:
  - on: [ticket_ready, pr_changes_requested]
    do:
      - write: {path: CLAUDE.md, text: "round {round}\\n"}
      - commit: {message: Change the rules}
      - push: {title: Change the rules, body: As the ticket says.}
""",
    "clerk": """\
version: 1
rules:
  - {on: agent_start_requested, do: [{say: no luck today}, {exit: 3}]}
""",
    "slow": """\
version: 1
rules:
  - {on: [agent_start_requested, ticket_ready, task_assigned], do: [{say: on it}, {pause: 600}]}
""",
    "scribe": """\
version: 1
rules:
  - {on: schedule_due, do: [{publish: {event: note, summary: on time}}]}
""",
}


def furnish(paths: FleetPaths) -> None:
    """The configuration of these stories in the place of the starter's."""
    paths.config.write_text(CONFIG, encoding="utf-8")
    for name, text in PLAYBOOKS.items():
        (paths.config.parent / "playbooks" / f"{name}.yaml").write_text(text, encoding="utf-8")
    git(paths.checkout, "add", ".fleet")
    git(paths.checkout, "commit", "--quiet", "-m", "fleet")


def play(show: Show, folder: Path) -> None:
    """Every story on one fleet, in this order. A daemon runs in most of it; none does at the end."""
    lives(show, folder)
    tickets(show, folder)
    approvals(show, folder)
    dead_letters(show, folder)
    agents(show, folder)
    halting(show, folder)
    sessions(show, folder)
    people(show, folder)
    shared(show, folder)
    pulls(show, folder)
    configuration(show, folder)
    scores(show, folder)
    teams(show, folder)
    looks(show, folder)
    risks(show)
    record(show, folder)
    keeping(show, folder)


def before(show: Show, manager: Mapping[str, str]) -> None:
    """In a repository without a fleet, and what needs no daemon; ``manager`` is what finds a service manager."""
    show("init", "--vendor scripted", "--vendor scripted --force")
    show("demo", head=4, free="steps")
    show("version")
    show("mcp tools")
    show("help", "exit-codes")
    show("explain", "FLT-CLI-001")
    show("completion", "bash", head=5)
    show("role list", "--department release")
    show("role search", "pr_merged 'merge gate'")
    show("role show", "release-manager", free="expects")
    show("skills list")
    show("skills install", "--target skills --dry-run")
    show("config schema", head=8, depth=1)
    show("audit verifier", head=5)
    show("service print", env=manager)
    show.text("service install", "--no-start", env=manager)
    show.text("service uninstall", env=manager)
    show.fields("service install", "--no-start", env=manager)
    show("service status", env=manager)
    show.fields("service uninstall", env=manager)


def resting(show: Show) -> None:
    """Wait until nobody works."""
    wait_until(lambda: not show.shell.answer("ps")["runs"], what="the runs to end")


def rows(show: Show, words: str, key: str, count: int) -> list[dict[str, Any]]:
    """The rows of an answer, once there are as many."""

    def look() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = show.shell.answer(*words.split())[key]
        return found if len(found) >= count else []

    return wait_until(look, what=f"{count} {key}")


def lives(show: Show, folder: Path) -> None:
    """The daemon comes and goes; it runs afterwards."""
    show.text("up")
    show.text("down")
    show.text("watcher start")
    show.text("watcher stop")
    show.fields("watcher start")
    show.fields("watcher stop")
    show.fields("up")
    show("restart")
    show("reload")
    show("watcher status")
    show("insights")


def tickets(show: Show, folder: Path) -> None:
    """Tickets that nobody takes: 1 and 2."""
    show("ticket create", "'Change the rules' --body 'Kindly.' --label later")
    show("ticket comment", "1 --body 'The file is CLAUDE.md.'")
    show("ticket label", "1 --add soon --remove later", "1 --add later --remove soon")
    show("labels sync", "--dry-run")
    show.text("ticket close", "2 --reason 'done elsewhere'")
    show.text("ticket reopen", "2")
    show.fields("ticket close", "2 --reason 'done elsewhere'")
    show.fields("ticket reopen", "2")
    show("ticket show", "1")
    show("ticket list")
    for title in ("Three", "Four"):
        show.shell.answer("ticket", "create", title)
    show("ticket cancel", "3 --reason superseded", "4 --reason superseded")


def approvals(show: Show, folder: Path) -> None:
    """The developer changes a protected path: refused once, then let through."""
    show.shell.answer("ticket", "label", "1", "--add", "ready")
    first = rows(show, "approvals", "approvals", 1)[0]["id"]
    resting(show)
    show("ticket accept", "1")
    show("approvals")
    show.text("deny", f"{first} --reason 'say why the rules change'")
    second = rows(show, "approvals --all", "approvals", 2)[-1]["id"]
    show.fields("deny", f"{second} --reason 'say why the rules change'")
    third = rows(show, "approvals --all", "approvals", 3)[-1]["id"]
    resting(show)
    show("release check", "5", code=1)
    show.shell.answer("agent", "pause", "release-manager", "--reason", "a test")
    show("approve", f"{third} --reason 'read it'")
    show("pr review", "5 --approve")
    show("pr merge", "5")
    show.shell.answer("agent", "resume", "release-manager")
    resting(show)
    show("pr show", "5")
    show("pr diff", "5")
    show("why", "pr/5")
    show("policy replay", "--config .fleet/config.yaml")
    show("agent output", "tech-lead")
    show("agent logs", "tech-lead")


def given_up(show: Show, *known: str) -> str:
    """Wait for one open dead letter that is none of these, and until nobody works; which."""

    def look() -> str:
        found = show.shell.answer("deadletters", "list")["dead_letters"]
        return next((row["id"] for row in found if row["id"] not in known), "")

    letter = wait_until(look, what="work to be given up")
    resting(show)
    return letter


def quarantined(show: Show, name: str) -> bool:
    """Whether an agent was taken out of service."""
    return bool(show.shell.answer("risk", "show", name)["agents"][0]["quarantine"])


def dead_letters(show: Show, folder: Path) -> None:
    """The clerk fails at ticket 2, again and again."""
    show.text("agent start", "clerk --ticket 2")
    known = [given_up(show)]
    show("deadletters list")
    show("deadletters explain", known[-1])
    show.text("deadletters replay", known[-1])
    known.append(given_up(show, *known))
    show.fields("deadletters replay", known[-1])
    known.append(given_up(show, *known))
    show.text("ticket retry", "2")
    known.append(given_up(show, *known))
    show.fields("ticket retry", "2")
    known.append(given_up(show, *known))
    show.text("deadletters discard", f"{known[-1]} --reason 'done by hand'")
    wait_until(lambda: quarantined(show, "clerk"), what="an agent that always fails to be quarantined")
    show.shell.answer("agent", "release", "clerk", "--reason", "it is meant to fail")
    show.fields("agent start", "clerk --ticket 2")
    known.append(given_up(show, *known))
    show.fields("deadletters discard", f"{known[-1]} --reason 'done by hand'")


def sessions(show: Show, folder: Path) -> None:
    """Two sessions ask whether they may use a tool, and two providers refuse."""
    run = show.shell.answer("ps", "--all")["runs"][-1]
    show.shell.answer("down")
    asked = ask_permissions(fleet_paths(show.shell.folder, os.environ, os.getuid()), run["id"], run["agent"], 4)
    show.shell.answer("up")
    show("permission list")
    show("permission allow", asked[0], asked[1])
    show("permission deny", f"{asked[2]} --reason 'use make test'", asked[3])
    show("provider list")
    show("provider release", "anthropic --reason 'topped up'", "'vertex europe-west1'")


def working(show: Show) -> None:
    """Wait for one run that works."""

    def look() -> bool:
        found = show.shell.answer("ps")["runs"]
        return [run["state"] for run in found] == ["running"]

    wait_until(look, what="a run that works")


def agents(show: Show, folder: Path) -> None:
    """One agent that works until it is stopped."""
    show.shell.answer("agent", "start", "slow", "--ticket", "2")
    working(show)
    show("ps")
    show("top", "--once")
    show("agent list")
    show("agent show", "slow")
    show("agent budget", "slow")
    show("budget list")
    show("limits list")
    show("budget grant", "slow 30m --reason 'one more round'", "slow 30m --reason 'one more round'")
    show("agent send", "slow 'Be kind.'")
    show("agent messages", "slow")
    show("handbook show", "slow", head=12)
    show.text("agent stop", "slow --reason 'the ticket was wrong'")
    resting(show)
    show.fields("agent stop", "slow")
    show.text("agent pause", "slow --reason 'release week'")
    show.text("agent resume", "slow")
    show.fields("agent pause", "slow --reason 'release week'")
    show("task assign", "slow 'Read the error messages' --dry-run")
    show.fields("agent resume", "slow")


def halting(show: Show, folder: Path) -> None:
    """All of it ends, and goes on. Nobody works meanwhile."""
    show.text("halt", "--reason 'wrong files'")
    show.text("resume")
    show.fields("halt", "--reason 'wrong files'")
    show.fields("resume")


def people(show: Show, folder: Path) -> None:
    """Questions and answers, letters and notes."""
    show("ask", "'May I?' --subject ticket/2", "'May I, too?' --subject ticket/2")
    show("questions")
    show("answer", "1 Yes.", "2 Yes.")
    show("inbox", "--all")
    number = show.shell.answer("inbox", "--all")["items"][0]["number"]
    show("fabric inbox", "--all")
    show("fabric ack", str(number))
    for kind in ("note", "decision", "status"):
        show(f"fabric {kind}", "'the tests need tzdata' --subject ticket/2")
    show("fabric publish", "--event qa_passed --subject ticket/2 --summary 'all tests pass'")
    show("fabric handoff", "'The API is done' --to slow --subject ticket/2")
    show("fabric history", "--event note --limit 3")
    show("log", "--type note --limit 3")


def shared(show: Show, folder: Path) -> None:
    """Tasks, blockers, artifacts."""
    show("fabric blocker", "'No translator' --subject ticket/2", "'No reader' --subject ticket/2")
    show("fabric blockers")
    show.text("fabric resolve", "1 'There is one now'")
    show.fields("fabric resolve", "2 'There is one now'")
    show("fabric task", "'Write the guide' --subject ticket/2")
    show("fabric tasks")
    show.text("fabric claim", "1 --lease 600")
    token = show.fields("fabric claim", "2 --lease 600")["token"]
    show("fabric renew", f"2 --token {token} --lease 600")
    show.text("fabric release", f"2 --token {token}")
    token = show.shell.answer("fabric", "claim", "2")["token"]
    show.fields("fabric release", f"2 --token {token}")
    token = show.shell.answer("fabric", "claim", "2")["token"]
    show("fabric complete", f"2 --token {token} --summary done")
    show.shell.answer("fabric", "task", "Another")
    show.text("fabric withdraw", "3 --reason 'not needed'")
    show.shell.answer("fabric", "task", "One more")
    show.fields("fabric withdraw", "4 --reason 'not needed'")
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(name, encoding="utf-8")
    show("fabric artifact put", f"{folder}/a.txt --subject ticket/2", f"{folder}/b.txt --subject ticket/2")
    show("fabric artifact list")
    show("fabric artifact get", f"1 -o {folder}/1.txt", f"1 -o {folder}/2.txt")
    show("fabric artifact remove", "1 --reason superseded", "2 --reason superseded")


def pulls(show: Show, folder: Path) -> None:
    """A person's pull requests: two are closed, while no agent looks at them."""
    repo = show.shell.folder
    for name in ("one", "two", "three", "four"):
        git(repo, "switch", "--quiet", "--create", name)
        commit(repo, {f"{name}.txt": "by hand\n"})
    show.shell.answer("agent", "pause", "--all", "--reason", "a test")
    show("pr create", "--title 'By hand' --ref one", "--title 'By hand, too' --ref two")
    for name in ("three", "four"):
        show.shell.answer("pr", "create", "--title", name, "--ref", name)
    show("pr list")
    show("pr waive", "6 tech-lead --reason 'no behaviour changes'", "7 tech-lead --reason same")
    show("pr close", "8 --reason 'the approach is wrong'", "9 --reason 'the approach is wrong'")
    for number in ("6", "7"):
        show.shell.answer("pr", "close", number, "--reason", "a test")
    show.shell.answer("agent", "resume", "--all")
    resting(show)


def configuration(show: Show, folder: Path) -> None:
    """Looked at and changed."""
    show("config validate")
    show("config show")
    show("config get", "retry.attempts")
    show("config explain", "retry.attempts")
    show("config set", "max_concurrent 3 --reason 'a small machine'", "max_concurrent 5")
    show("config revisions")
    show.text("config unset", "agents.slow.budget_seconds")
    show.fields("config unset", "max_concurrent")
    show("config rollback", "1", "2")
    show("config diff")
    show("schedules")
    show.text("agent create", "second --role developer --budget 2h --subscribes-to qa_failed")
    show.fields("agent create", "third --role developer --budget 2h")
    show.shell.answer("agent", "budget", "second", "--set", "3h")
    show("agent revisions", "second")
    show("agent rollback", "second", "second")


def teams(show: Show, folder: Path) -> None:
    """Teams are made, shown, dissolved."""
    show("team add", "reviewers tech-lead", "watchers tech-lead")
    show("team list")
    show("team show", "reviewers")
    show("team remove", "reviewers", "watchers")


def looks(show: Show, folder: Path) -> None:
    """Looking at all of it."""
    show("status")
    show.fields("doctor")
    show("support-bundle", "--dry-run")


def scores(show: Show, folder: Path) -> None:
    """Scorecards: of a window long ago for their texts, of today for what a program reads."""
    long_ago = "--since 2001-01-01 --until 2001-01-02"
    data = "score overall for against"  # whether there is enough of it differs with how fast the machine is
    show("eval show", f"slow {long_ago}", "slow --since 1h", free=data)
    show("eval compare", f"{long_ago} slow", "slow --since 1h", free=data)
    show("eval run", f"slow {long_ago}", "slow --since 1h", free=data)
    show("eval list", "--agent slow", free=data)


def risks(show: Show) -> None:
    """How likely an agent is to do harm; out of service and back again; what is learned from people's labels."""
    show("risk show", "scribe")
    show("risk explain", "scribe")
    show("risk label", "scribe ok --at 40m", "scribe ok --at 41m --reason 'it did well'")
    show("risk labels")
    for number in range(20):
        show.shell.answer("risk", "label", "scribe", "ok", "--at", f"{number + 10}m")
    for _ in range(5):
        show.shell.answer("risk", "label", "clerk", "bad")
    show.text("risk fit", head=3)
    show.fields("risk fit", "--apply")
    show.text("agent quarantine", "scribe --reason 'it deletes tests'")
    show.text("agent release", "scribe --reason 'looked into' --verdict unjust")
    show.fields("agent quarantine", "scribe --reason 'it deletes tests'")
    show.fields("agent release", "scribe --reason 'looked into'")
    show.text("risk history", "scribe", head=2)
    show.fields("risk history", "scribe")


def alarmed(show: Show) -> bool:
    """Whether somebody moved the base branch past the fleet."""
    return any(one["kind"] == "base" for one in show.shell.answer("status")["attention"])


def record(show: Show, folder: Path) -> None:
    """The record is signed, exported, verified, archived, erased from."""
    show("audit checkpoint")
    show("audit checkpoints", "--limit 2")
    show("audit key")
    show("audit rotate-key", "--reason yearly")
    show("audit export", f"-o {folder}/1.jsonl", f"-o {folder}/2.jsonl")
    show("audit archive", "--keep 20 --dry-run")
    note = show.shell.answer("fabric", "publish", "--kind", "note", "--summary", "secret")["id"]
    show("audit erase", f"{note} --reason 'a password was pasted'")
    bare = Path(show.shell.answer("watcher", "status")["paths"]["state"]) / "repo.git"
    for way in (show.text, show.fields):
        old = git(bare, "rev-parse", "main")
        new = git(bare, "commit-tree", "-p", old, "-m", "slipped in", f"{old}^{{tree}}", who=SLIPPED)
        git(bare, "update-ref", "refs/heads/main", new)
        wait_until(lambda: alarmed(show), what="the alarm about the base branch")
        way("audit accept-base", f"{new} --reason 'my own hotfix'")
    show("audit verify")


def keeping(show: Show, folder: Path) -> None:
    """A copy is made and looked at; the fleet goes down."""
    show("gc")
    show("backup", f"{folder}/1.tar", f"{folder}/2.tar")
    show("restore", f"{folder}/1.tar --dry-run")
    show.fields("down")
