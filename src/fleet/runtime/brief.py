"""What an agent is told at its start: the brief (data for it to read) and its environment. Pure.

Everything that somebody else wrote, titles, bodies, comments, review texts, is in the brief and nowhere
else: the environment and the argument list hold only names, numbers and paths of our own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.core.event import subject_kind, subject_number
from fleet.core.journal import Entry
from fleet.core.pin import remark_digest, text_digest
from fleet.core.work import Run

MAIL_DOMAIN = "agents.fleet.invalid"
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_CHANGES = frozenset({"request_changes", "changes_requested", "pr_changes_requested"})

Plain = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class WorkFacts:
    """The live state around a run, as plain data; gathered when its session is prepared.

    ``ticket`` and ``pull`` are None when there is none; a pull request has at least ``number`` and
    ``head``. ``reviews`` are given oldest first, each with at least ``verdict`` and ``head``. ``branch`` is
    where the work goes, such as ``fleet/7``; ``base`` the branch it starts from. ``trusted`` says whether
    the ticket's author may give orders to agents. ``inbox`` are the agent's unread messages, each with its
    ``number``, ``from`` and whether that author is ``trusted``; ``inbox_left_out`` says how many more there are.
    """

    branch: str
    base: str
    ticket: Plain | None = None
    pull: Plain | None = None
    reviews: Sequence[Plain] = ()
    trusted: bool = False
    inbox: Sequence[Plain] = ()
    inbox_left_out: int = 0


@dataclass(frozen=True, slots=True)
class Places:
    """Where one session finds its things. ``programs`` is the folder of the fleet command."""

    folder: Path
    clone: Path
    socket: Path
    programs: Path
    vendor_env: Mapping[str, str] = field(default_factory=dict)

    @property
    def brief(self) -> Path:
        """The brief, readable by the agent."""
        return self.folder / "brief.json"

    @property
    def handbook(self) -> Path:
        """What the agent reads about itself, mode 0400."""
        return self.folder / "handbook.md"

    @property
    def capability(self) -> Path:
        """The run's secret, mode 0400."""
        return self.folder / "capability"

    @property
    def gitconfig(self) -> Path:
        """The only git configuration beside the clone's own."""
        return self.folder / "gitconfig"

    @property
    def home(self) -> Path:
        """An empty home folder."""
        return self.folder / "home"

    @property
    def tmp(self) -> Path:
        """The session's own temporary folder."""
        return self.folder / "tmp"


def review_round(reviews: Sequence[Plain]) -> int:
    """1 at first, and one more for every head at which changes were requested."""
    heads = {str(review.get("head", "")) for review in reviews if review.get("verdict") in _CHANGES}
    return len(heads) + 1


def build_brief(run: Run, event: Entry, facts: WorkFacts) -> dict[str, object]:
    """The content of brief.json: what started the run, and the live state of what it is about."""
    return {
        "schema_version": 1,
        "agent": run.agent,
        "role": run.role,
        "run": run.session,
        "attempt": run.attempt,
        "round": review_round(facts.reviews),
        "branch": facts.branch,
        "base": facts.base,
        "trusted": facts.trusted,
        "event": event.as_dict(),
        "ticket": dict(facts.ticket) if facts.ticket is not None else None,
        "pr": dict(facts.pull) if facts.pull is not None else None,
        "reviews": [dict(review) for review in facts.reviews],
        "inbox": [{**message, "about_this_work": _concerns(run, message)} for message in facts.inbox],
        "inbox_left_out": facts.inbox_left_out,
    }


def _concerns(run: Run, message: Plain) -> bool:
    """Whether a message names this run's work; one that names none concerns every run."""
    return message.get("work_item") in ("", run.work_item)


def told(facts: WorkFacts) -> dict[str, object]:
    """What of other people's words a brief holds, by digests: remarks, and the text of each subject ("" = left out)."""
    items = {"ticket": facts.ticket, "pr": facts.pull}
    found = {f"{kind}/{item['number']}": item for kind, item in items.items() if item is not None}
    return {
        "texts": {name: _text_of(item) for name, item in found.items()},
        "remarks": [
            remark_digest(int(one.get("at", 0)), str(one.get("body", "")))
            for item in found.values()
            for one in _remarks_of(item)
        ],
    }


def _text_of(item: Plain) -> str:
    title, body = str(item.get("title", "")), str(item.get("body", ""))
    return text_digest(title, body) if title or body else ""


def _remarks_of(item: Plain) -> Sequence[Mapping[str, Any]]:
    found = item.get("comments")
    return found if isinstance(found, Sequence) and not isinstance(found, str) else ()


def messages_in(facts: WorkFacts) -> list[int]:
    """The numbers of the messages that a brief holds."""
    return [number for number in (message.get("number") for message in facts.inbox) if isinstance(number, int)]


def ticket_number(run: Run) -> int:
    """The ticket a run works on; 0 when there is none."""
    return subject_number(run.work_item) if subject_kind(run.work_item) == "ticket" else 0


def pull_number(run: Run, facts: WorkFacts | None = None) -> int:
    """The pull request a run works on; 0 when there is none (yet)."""
    if subject_kind(run.subject) == "pr":
        return subject_number(run.subject)
    number = facts.pull.get("number") if facts is not None and facts.pull is not None else 0
    return number if isinstance(number, int) else 0


def subjects_of(run: Run, facts: WorkFacts | None = None) -> frozenset[str]:
    """The objects a run may touch: what it was started for, its ticket, its pull request."""
    found = {run.subject, run.work_item}
    pull = pull_number(run, facts)
    if pull:
        found.add(f"pr/{pull}")
    return frozenset(name for name in found if name)


def agent_env(run: Run, facts: WorkFacts, places: Places) -> dict[str, str]:
    """The whole environment of an agent's process; nothing is inherited."""
    ticket, pull = ticket_number(run), pull_number(run, facts)
    head = facts.pull.get("head", "") if facts.pull is not None else ""
    mail = f"{run.agent}@{MAIL_DOMAIN}"
    return {
        **places.vendor_env,
        "PATH": f"{places.programs}:{SYSTEM_PATH}",
        "HOME": str(places.home),
        "LANG": "C.UTF-8",
        "TERM": "screen-256color",
        "TMPDIR": str(places.tmp),
        "FLEET_AGENT": run.agent,
        "FLEET_ROLE": run.role,
        "FLEET_RUN": run.session,
        "FLEET_EVENT": run.event_type,
        "FLEET_SUBJECT": run.subject,
        "FLEET_TICKET": str(ticket or ""),
        "FLEET_PR": str(pull or ""),
        "FLEET_HEAD": run.generation or str(head),
        "FLEET_ATTEMPT": str(run.attempt),
        "FLEET_BRIEF": str(places.brief),
        "FLEET_HANDBOOK": str(places.handbook),
        "FLEET_SOCKET": str(places.socket),
        "FLEET_CAPABILITY_FILE": str(places.capability),
        "GIT_AUTHOR_NAME": run.agent,
        "GIT_AUTHOR_EMAIL": mail,
        "GIT_COMMITTER_NAME": run.agent,
        "GIT_COMMITTER_EMAIL": mail,
        "GIT_CONFIG_GLOBAL": str(places.gitconfig),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }


def git_config(run: Run) -> str:
    """The git configuration of a session: who commits, nothing that asks or signs."""
    return (
        f"[user]\n\tname = {run.agent}\n\temail = {run.agent}@{MAIL_DOMAIN}\n"
        "[commit]\n\tgpgSign = false\n[tag]\n\tgpgSign = false\n[core]\n\teditor = true\n"
        "[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n"
        "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
    )
