"""What every forge must do: one body of cases for the local forge, for GitHub and for anybody's own.

A backend's test builds a ``ForgeWorld`` and runs each of ``CASES`` in a fresh one. The cases use the port
only, real git repositories, and nothing of a backend's inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec

from fleet.core.errors import FleetError
from fleet.core.label import LabelSpec
from fleet.forge.port import Forge, Pull
from fleet.testing.repos import commit, git

Args = ParamSpec("Args")
DEVELOPER = ("developer", "developer@agents.fleet.invalid")


@dataclass(frozen=True)
class ForgeWorld:
    """A forge with its surroundings.

    ``checkout`` is the person's repository, on the base branch ``main`` with one commit; ``new_clone`` makes
    a clone of the fleet's repository at its base, as a run gets one. ``share`` brings the checkout's base to
    where the forge looks for it. ``one_identity`` is the principal that every effect is seen under, "" where
    the forge knows them apart. ``shown`` is how a text with control characters comes back.
    """

    forge: Forge
    checkout: Path
    new_clone: Callable[[], Path]
    share: Callable[[], object] = lambda: None
    one_identity: str = ""
    shown: Callable[[str], str] = lambda text: text

    def arrive(self) -> None:
        """What the person committed on the base comes to the fleet."""
        self.share()
        self.forge.refresh()

    def pushed(self, branch: str = "fleet/1", files: dict[str, str] | None = None) -> tuple[Path, str]:
        """A new clone with one commit that was pushed to a new branch: the clone and the commit."""
        clone = self.new_clone()
        sha = commit(clone, files or {"work.txt": "done\n"}, "the work", who=DEVELOPER)
        self.forge.push(clone, sha, branch, expected_old="")
        return clone, sha

    def opened(self, branch: str = "fleet/1", files: dict[str, str] | None = None) -> tuple[Path, Pull]:
        """A pushed branch with its pull request: the clone and the pull request."""
        clone, _ = self.pushed(branch, files)
        return clone, self.open(branch)

    def open(self, branch: str, ticket: int = 0) -> Pull:
        """Open the pull request of a pushed branch."""
        return self.forge.open_pull(
            branch=branch, title="The work", body="What I did.", author="agent:developer", ticket=ticket
        )

    def base_file(self, name: str) -> str:
        """A file's content on the fleet's base branch, seen through a fresh clone; "" when absent."""
        path = self.new_clone() / name
        return path.read_text() if path.is_file() else ""


def refusal(step: Callable[Args, object], *args: Args.args, **named: Args.kwargs) -> str:
    """The code of the error that a call raises; "" when it raises none."""
    try:
        step(*args, **named)
    except FleetError as error:
        return error.code
    return ""


Case = Callable[[ForgeWorld], None]
CASES: dict[str, Case] = {}


def case(body: Case) -> Case:
    """Enter a case under its sentence-like name."""
    CASES[body.__name__] = body
    return body


# -- tickets, labels, comments -------------------------------------------------------------------------


@case
def tickets_and_pull_requests_share_one_series_of_numbers(world: ForgeWorld) -> None:
    first = world.forge.create_ticket("First", "body\nof it", author="human:ann", labels=("ready", "bug"))
    _, pull = world.opened()
    last = world.forge.create_ticket("Last", "", author="human:ann")
    assert first.number < pull.number < last.number
    seen = world.forge.ticket(first.number)
    assert (seen.title, seen.body, seen.state, seen.author) == ("First", "body\nof it", "open", "human:ann")
    assert {mark.name for mark in seen.labels} == {"ready", "bug"}
    assert refusal(world.forge.ticket, pull.number) == "FLT-FRG-001"
    assert refusal(world.forge.pull, first.number) == "FLT-FRG-002"
    assert refusal(world.forge.ticket, last.number + 1) == "FLT-FRG-001"


@case
def a_label_keeps_its_mark_until_it_is_taken_off(world: ForgeWorld) -> None:
    number = world.forge.create_ticket("T", "", author="human:ann", labels=("ready",)).number
    (first,) = world.forge.ticket(number).labels
    assert world.forge.set_labels(number, add=("ready",), actor="human:bob") == ("ready",)
    assert world.forge.ticket(number).labels == (first,)
    assert world.forge.set_labels(number, remove=("ready", "absent"), actor="human:bob") == ()
    world.forge.set_labels(number, add=("ready",), actor="human:bob")
    (second,) = world.forge.ticket(number).labels
    assert (second.name, second.actor) == ("ready", world.one_identity or "human:bob")
    assert second.mark_id != first.mark_id


@case
def several_labels_change_in_one_step_on_a_pull_request_too(world: ForgeWorld) -> None:
    _, pull = world.opened()
    world.forge.set_labels(pull.number, add=("changes-requested", "approved"), actor="agent:reviewer")
    after = world.forge.set_labels(
        pull.number, add=("needs-review",), remove=("changes-requested", "approved"), actor="agent:developer"
    )
    assert after == ("needs-review",)
    assert [mark.name for mark in world.forge.pull(pull.number).labels] == ["needs-review"]
    assert refusal(world.forge.set_labels, 999, add=("ready",), actor="human:ann") == "FLT-FRG-007"


@case
def labels_that_a_repository_keeps_are_made_once_and_changed_in_place(world: ForgeWorld) -> None:
    number = world.forge.create_ticket("T", "", author="human:ann", labels=("seen",)).number
    for color in ("0075ca", "ffffff", "ffffff"):
        world.forge.keep_label(LabelSpec("team/ready", color, "An agent may start"))
    kept = {one.name: one for one in world.forge.kept_labels()}
    assert "seen" in kept, "what is on something is known"
    assert kept.get("team/ready") == (
        LabelSpec("team/ready", "ffffff", "An agent may start") if world.forge.keeps_labels else None
    )
    assert [mark.name for mark in world.forge.ticket(number).labels] == ["seen"]


@case
def labels_are_plain_ascii_names(world: ForgeWorld) -> None:
    number = world.forge.create_ticket("T", "", author="human:ann").number
    for label in ("", " ready", "ready\n", "r\u0435ady", "ready,now", "-x", "x" * 51, "a\0b"):
        assert refusal(world.forge.set_labels, number, add=(label,), actor="a") == "FLT-FRG-013"
        assert refusal(world.forge.create_ticket, "T", "", author="a", labels=(label,))
    both = refusal(world.forge.set_labels, number, add=("x",), remove=("x",), actor="a")
    assert both == "FLT-FRG-013"
    assert world.forge.ticket(number).labels == ()


@case
def text_that_no_ticket_can_hold_is_refused(world: ForgeWorld) -> None:
    for title in ("", "   ", "two\nlines", "nul\0", "esc\x1b[2J", "x" * 257, "\ud800"):
        assert refusal(world.forge.create_ticket, title, "", author="a") == "FLT-FRG-012"
    for body in ("nul\0", "x" * 70_000, "\ud800"):
        assert refusal(world.forge.create_ticket, "T", body, author="a") == "FLT-FRG-012"
    assert world.forge.snapshot().tickets == ()


@case
def hostile_text_is_kept_as_it_is(world: ForgeWorld) -> None:
    title = "'; DROP TABLE forge_tickets; -- $(touch x) `id` \u202e <script>"
    body = "--upload-pack=x\n\x1b]0;title\x07\r\n%s {{7*7}} \U0001f600"
    number = world.forge.create_ticket(title, body, author="human:ann").number
    world.forge.comment(number, body, author="human:ann")
    assert (world.forge.ticket(number).title, world.forge.ticket(number).body) == (title, world.shown(body))
    assert world.forge.comments(number)[0].body == world.shown(body)


@case
def a_comment_with_a_marker_is_written_once(world: ForgeWorld) -> None:
    one = world.forge.create_ticket("One", "", author="human:ann").number
    two = world.forge.create_ticket("Two", "", author="human:ann").number
    world.forge.comment(one, "first", author="agent:qa", marker="run-1")
    world.forge.comment(one, "again", author="agent:qa", marker="run-1")
    world.forge.comment(two, "elsewhere", author="agent:qa", marker="run-1")
    world.forge.comment(one, "plain", author="human:ann")
    world.forge.comment(one, "plain", author="human:ann")
    assert [note.body for note in world.forge.comments(one)] == ["first", "plain", "plain"]
    assert [note.author for note in world.forge.comments(two)] == ["agent:qa"]
    assert refusal(world.forge.comment, 999, "x", author="a") == "FLT-FRG-007"
    assert refusal(world.forge.comments, 999) == "FLT-FRG-007"
    assert refusal(world.forge.comment, one, " \n", author="a") == "FLT-FRG-012"


@case
def a_ticket_is_closed_once_and_stays_visible(world: ForgeWorld) -> None:
    number = world.forge.create_ticket("T", "", author="human:ann").number
    world.forge.close_ticket(number)
    world.forge.close_ticket(number)
    assert world.forge.ticket(number).state == "closed"
    assert [(ticket.number, ticket.state) for ticket in world.forge.snapshot().tickets] == [(number, "closed")]
    assert refusal(world.forge.close_ticket, 999) == "FLT-FRG-001"


@case
def a_closed_ticket_is_opened_again_with_its_labels(world: ForgeWorld) -> None:
    number = world.forge.create_ticket("T", "", author="human:ann", labels=("ready",)).number
    before = world.forge.ticket(number).labels
    world.forge.close_ticket(number)
    world.forge.reopen_ticket(number)
    world.forge.reopen_ticket(number)
    after = world.forge.ticket(number)
    assert (after.state, after.labels) == ("open", before)
    assert refusal(world.forge.reopen_ticket, 999) == "FLT-FRG-001"


@case
def a_ticket_with_a_marker_is_opened_once(world: ForgeWorld) -> None:
    one = world.forge.create_ticket("One", "first", author="human:ann", labels=("a",), marker="op-1")
    again = world.forge.create_ticket("Other", "second", author="human:bob", labels=("b",), marker="op-1")
    assert again == one
    two = world.forge.create_ticket("One", "first", author="human:ann", marker="op-2")
    three = world.forge.create_ticket("One", "first", author="human:ann")
    assert len({one.number, two.number, three.number}) == 3
    world.forge.close_ticket(one.number)
    assert world.forge.create_ticket("One", "", author="human:ann", marker="op-1").state == "closed"


# -- pushing -------------------------------------------------------------------------------------------


@case
def a_push_moves_a_branch_only_from_where_it_is_expected(world: ForgeWorld) -> None:
    clone, first = world.pushed()
    assert world.forge.branch_head("fleet/1") == first
    world.forge.push(clone, first, "fleet/1", expected_old="")  # repeated: it is there
    second = commit(clone, {"work.txt": "better\n"}, "more")
    assert refusal(world.forge.push, clone, second, "fleet/1", expected_old="") == "FLT-FRG-003"
    assert refusal(world.forge.push, clone, second, "fleet/1", expected_old="0" * 40) == "FLT-FRG-003"
    assert world.forge.branch_head("fleet/1") == first
    world.forge.push(clone, second, "fleet/1", expected_old=first)
    assert world.forge.branch_head("fleet/1") == second
    assert world.forge.branch_head("fleet/none") == ""


@case
def a_rewritten_branch_can_be_pushed_by_whoever_knows_its_head(world: ForgeWorld) -> None:
    clone, first = world.pushed()
    git(clone, "reset", "--quiet", "--hard", "HEAD~1")
    other = commit(clone, {"other.txt": "x\n"}, "another way")
    world.forge.push(clone, other, "fleet/1", expected_old=first)
    assert world.forge.branch_head("fleet/1") == other


@case
def only_branches_of_the_fleet_are_pushed(world: ForgeWorld) -> None:
    clone = world.new_clone()
    sha = commit(clone, {"x": "y"}, "x")
    for branch in ("main", "feature", "fleet", "fleet/a/b", "refs/heads/main"):
        assert refusal(world.forge.push, clone, sha, branch, expected_old="") == "FLT-FRG-004"
    assert world.base_file("x") == ""


@case
def names_that_mean_something_to_git_are_refused(world: ForgeWorld) -> None:
    clone = world.new_clone()
    sha = commit(clone, {"x": "y"}, "x")
    names = (
        "", "-x", "--upload-pack=touch x", "fleet/..", "fleet/a..b", "fleet/.a", "fleet/a.lock", "fleet/a.", "fleet//a",
        "fleet/a/", "/fleet/a", "fleet/a b", "fleet/a\n", "fleet/a~1", "fleet/a^", "fleet/a:b", "fleet/a?", "fleet/*",
        "fleet/a[b", "fleet/a\\b", "fleet/@{u}", "fleet/\u00e4", "fleet/a\0b", "@", "HEAD", "fleet/" + "x" * 250,
    )  # fmt: skip
    for name in names:
        assert refusal(world.forge.push, clone, sha, name, expected_old="") == "FLT-FRG-011", name
        assert refusal(world.forge.branch_head, name) == "FLT-FRG-011", name
    for commit_id in ("", "HEAD", "main", sha[:12], sha.upper(), f"{sha}\n", "-x", f"{sha}^", "z" * 40):
        assert refusal(world.forge.push, clone, commit_id, "fleet/1", expected_old="") == "FLT-FRG-011"


@case
def a_commit_that_is_not_there_or_not_new_is_not_pushed(world: ForgeWorld) -> None:
    clone = world.new_clone()
    base = git(clone, "rev-parse", "HEAD")
    assert refusal(world.forge.push, clone, base, "fleet/1", expected_old="") == "FLT-FRG-009"
    assert refusal(world.forge.push, clone, "1" * 40, "fleet/1", expected_old="") == "FLT-FRG-019"
    assert world.forge.branch_head("fleet/1") == ""


# -- pull requests -------------------------------------------------------------------------------------


@case
def a_pull_request_is_opened_once_for_a_branch(world: ForgeWorld) -> None:
    ticket = world.forge.create_ticket("T", "", author="human:ann").number
    _, sha = world.pushed(f"fleet/{ticket}")
    pull = world.open(f"fleet/{ticket}", ticket)
    assert (pull.state, pull.ticket, pull.head_ref, pull.base_ref) == ("open", ticket, f"fleet/{ticket}", "main")
    assert (pull.head_sha, pull.author, pull.merge_commit) == (sha, "agent:developer", "")
    again = world.forge.open_pull(
        branch=f"fleet/{ticket}", title="Other title", body="", author="agent:other", ticket=ticket
    )
    assert again == pull
    assert world.forge.pull(pull.number) == pull


@case
def a_pull_request_needs_a_pushed_branch_and_a_known_ticket(world: ForgeWorld) -> None:
    assert refusal(world.open, "fleet/1") == "FLT-FRG-008"
    world.pushed("fleet/1")
    assert refusal(world.open, "fleet/1", ticket=77) == "FLT-FRG-001"
    clone = world.new_clone()
    empty = commit(clone, {}, "nothing changed")
    world.forge.push(clone, empty, "fleet/2", expected_old="")
    assert refusal(world.open, "fleet/2") == "FLT-FRG-009"
    git(clone, "checkout", "--quiet", "--orphan", "alone")
    alone = commit(clone, {"alone.txt": "x\n"}, "unrelated")
    world.forge.push(clone, alone, "fleet/3", expected_old="")
    assert refusal(world.open, "fleet/3") == "FLT-FRG-010"


@case
def a_pull_request_shows_its_live_head(world: ForgeWorld) -> None:
    clone, pull = world.opened()
    second = commit(clone, {"work.txt": "better\n"}, "more")
    world.forge.push(clone, second, "fleet/1", expected_old=pull.head_sha)
    assert world.forge.pull(pull.number).head_sha == second
    (listed,) = world.forge.snapshot().pulls
    assert (listed.number, listed.head_sha) == (pull.number, second)


@case
def everybody_behind_a_commit_is_known(world: ForgeWorld) -> None:
    clone = world.new_clone()
    first = commit(
        clone, {"a": "1\n"}, "one\n\nCo-Authored-By: Bob <BOB@Example.test>\nSigned-off-by: X <x@y>", who=DEVELOPER
    )
    git(clone, "config", "trailer.separators", "=")
    second = commit(
        clone, {"b": "1\n"}, "two\n\nco-authored-by: C <c@x.test>\nCO-AUTHORED-BY: D <D@x.test>, E <e@x.test>"
    )
    world.forge.push(clone, second, "fleet/1", expected_old="")
    newest, oldest = world.forge.commits(world.open("fleet/1").number)
    assert (newest.sha, oldest.sha) == (second, first)
    assert (oldest.author_email, oldest.subject) == ("developer@agents.fleet.invalid", "one")
    assert oldest.coauthor_emails == ("bob@example.test",)
    assert set(newest.coauthor_emails) == {"c@x.test", "d@x.test", "e@x.test"}
    assert newest.committer_email == "ann@example.test"


@case
def changed_paths_name_both_sides_of_a_rename(world: ForgeWorld) -> None:
    clone = world.new_clone()
    git(clone, "mv", "app.py", "prog ram\t\u00e4.py")
    sha = commit(clone, {"new\nline.txt": "x\n", "sub/deep.txt": "y\n"}, "move")
    world.forge.push(clone, sha, "fleet/1", expected_old="")
    paths = world.forge.changed_paths(world.open("fleet/1").number)
    assert paths == tuple(sorted(("app.py", "prog ram\t\u00e4.py", "new\nline.txt", "sub/deep.txt")))


@case
def changes_of_the_base_do_not_count_as_the_pull_requests_own(world: ForgeWorld) -> None:
    _, pull = world.opened(files={"mine.txt": "1\n"})
    commit(world.checkout, {"theirs.txt": "2\n"}, "meanwhile")
    world.arrive()
    assert world.forge.changed_paths(pull.number) == ("mine.txt",)
    assert [fact.sha for fact in world.forge.commits(pull.number)] == [pull.head_sha]
    assert "theirs" not in world.forge.diff(pull.number)


@case
def a_diff_is_cut_at_its_limit_and_says_so(world: ForgeWorld) -> None:
    _, pull = world.opened(files={"big.txt": "".join(f"line {n}\n" for n in range(5000))})
    whole = world.forge.diff(pull.number)
    assert whole.startswith("diff --git")
    assert "+line 4999" in whole
    short = world.forge.diff(pull.number, limit=1000)
    assert short[:1000] == whole[:1000]
    assert "cut here" in short
    assert len(short) < 1100
