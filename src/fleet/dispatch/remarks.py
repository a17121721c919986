"""What people say about a piece of work while an agent is at it: it is told once, by a message that says where to read.

What its brief held is on record with its start; whatever of other people's words is there now and was not then is
news: remarks, and a text that somebody accepted since. The message itself holds no word of theirs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleet.core.board import MailKind
from fleet.core.event import subject_kind, subject_number
from fleet.core.journal import Draft, Stream
from fleet.core.live import LiveRemark
from fleet.core.work import Run, RunState
from fleet.dispatch.holds import accepted_pull_text, accepted_text
from fleet.store import inbox, journal, runs
from fleet.store.db import Tx
from fleet.store.journal import Filter

PASSED_ON = "remarks.passed_on"
_DIGEST = re.compile("[0-9a-f]{64}")
_MOST = 1000  # entries about one run
_COUNTED = ("human:", "bot:")  # whose words are told to everybody; what agents write goes its own ways


@dataclass(frozen=True, slots=True)
class AtWork:
    """A run, and what of other people's words it knows: digests of remarks, and of the text of each subject."""

    run: Run
    remarks: frozenset[str]
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class News:
    """What a run does not know yet: digests of remarks, and of accepted texts, by subject."""

    at_work: AtWork
    remarks: Mapping[str, tuple[str, ...]]
    texts: Mapping[str, str]

    @property
    def key(self) -> str:
        """The same as long as nothing more comes."""
        words = repr((sorted(self.remarks.items()), sorted(self.texts.items())))
        return f"{PASSED_ON}:{self.at_work.run.id}:{hashlib.sha256(words.encode()).hexdigest()[:16]}"


def at_work(tx: Tx) -> tuple[AtWork, ...]:
    """Running runs whose start says what they were told."""
    return tuple(found for run in runs.live(tx) if run.state is RunState.RUNNING and (found := _known(tx, run)))


def _known(tx: Tx, run: Run) -> AtWork | None:
    told = _payloads(tx, run, "handbook.compiled", "told")
    if not told:
        return None
    remarks, texts = set(_strings(told[-1].get("remarks"))), _texts(told[-1])
    for later in _payloads(tx, run, PASSED_ON, "told"):
        remarks.update(_strings(later.get("remarks")))
        texts.update({name: digest for name, digest in _texts(later).items() if name in texts})
    return AtWork(run, frozenset(remarks), texts)


def _payloads(tx: Tx, run: Run, kind: str, key: str) -> list[Mapping[str, object]]:
    found = journal.select(tx, Filter(type=kind, run_id=run.id), limit=_MOST)
    parts = [(entry.payload or {}).get(key) for entry in found]
    return [part for part in parts if isinstance(part, Mapping)]


def _strings(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _texts(told: Mapping[str, object]) -> dict[str, str]:
    found = told.get("texts")
    return {str(name): str(digest) for name, digest in found.items()} if isinstance(found, Mapping) else {}


def news(tx: Tx, known: AtWork, heard: Mapping[int, tuple[LiveRemark, ...]], *, reads_untrusted: bool) -> News | None:
    """What is there now and was not told; None when there is nothing."""
    counted = (*_COUNTED, "outsider:") if reads_untrusted else _COUNTED
    remarks: dict[str, tuple[str, ...]] = {}
    texts: dict[str, str] = {}
    for subject, told in known.texts.items():
        number = subject_number(subject)
        fresh = [
            one.digest
            for one in heard.get(number, ())
            if one.author.startswith(counted) and one.digest not in known.remarks
        ]
        if fresh:
            remarks[subject] = tuple(fresh)
        accepted = _accepted(tx, subject, told)
        if accepted not in ("", told):
            texts[subject] = accepted
    return News(known, remarks, texts) if remarks or texts else None


def _accepted(tx: Tx, subject: str, told: str) -> str:
    """The digest of the text that is accepted now; "" when none is, or it was never to be told."""
    number = subject_number(subject)
    if subject_kind(subject) == "ticket":
        found = accepted_text(tx, number)
    else:
        found = accepted_pull_text(tx, number) if told else ""
    return found if _DIGEST.fullmatch(found) else ""


def pass_on(tx: Tx, found: News, *, actor: str, most: int) -> bool:
    """Queue the message and record it; False when it is there already, or the inbox takes no more for now."""
    run = found.at_work.run
    reader = f"agent:{run.agent}"
    if journal.find_dedup(tx, found.key) is not None or inbox.count_unread(tx, reader) >= most:
        return False
    number, subject = inbox.next_number(tx), next(iter([*found.remarks, *found.texts]))
    said = "; ".join(_sentences(found))
    draft = Draft(
        Stream.ACTIVITY,
        PASSED_ON,
        actor,
        subject=subject,
        work_item=run.work_item,
        agent=run.agent,
        run_id=run.id,
        dedup_key=found.key,
        summary=f"{run.agent} is told by message/{number}: {said}",
        payload={
            "message": number,
            "to": run.agent,
            "told": {"remarks": [one for some in found.remarks.values() for one in some], "texts": dict(found.texts)},
        },
    )
    made = journal.append(tx, draft)
    inbox.put(
        tx,
        number,
        entry_id=made.id,
        recipient=reader,
        kind=MailKind.MESSAGE,
        sender=actor,
        sender_run="",
        subject=subject,
        work_item=run.work_item,
        body=f"Since you began: {said}",
    )
    return True


def _sentences(found: News) -> Iterator[str]:
    """Constant words: who wrote what is read where it stands, with who wrote it."""
    for subject, digests in found.remarks.items():
        kind, _, number = subject.partition("/")
        count = f"{len(digests)} new remark{'s' if len(digests) > 1 else ''}"
        yield f"{count} on {subject}, read: fleet {kind} show {number}"
    for subject in found.texts:
        kind, _, number = subject.partition("/")
        yield f"a person accepted another text of {subject}, read: fleet {kind} show {number}"
