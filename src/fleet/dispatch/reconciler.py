"""Service: brings back the work that a broken run left behind, and finishes what a crash interrupted.

It respawns nothing: it compares live state with the records and publishes an event, so that everything
enters by the one way in. What it sees at the forge it acts on only at the second look in a row, because
somebody may just be in the middle of recording it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from fleet.config.loader import LoadedConfig
from fleet.core.clock import SECOND
from fleet.core.errors import FleetError, TemporaryError, Unreadable
from fleet.core.event import subject_number
from fleet.core.journal import Draft, Entry, Stream
from fleet.core.live import LiveEffects, LivePull, LiveRemark, LiveState, LiveTicket
from fleet.core.principal import system
from fleet.core.service import Tick
from fleet.core.work import Run
from fleet.dispatch import remarks, unserved
from fleet.dispatch.broken import broken_facts
from fleet.dispatch.calledoff import call_off, called_off
from fleet.dispatch.glance import Glance, look
from fleet.dispatch.operations import Places, carry_on
from fleet.dispatch.plan import backoff
from fleet.dispatch.pullevents import head_moved, pull_event
from fleet.dispatch.pullnews import Asker, Seen, head_before, news
from fleet.dispatch.settle import finish_merge, is_settled
from fleet.dispatch.unreadable import failed, recovered, say_failed, unreadable_now
from fleet.dispatch.verdicts import to_ask_again
from fleet.policy.facts import BrokenFacts, CallOffFacts
from fleet.policy.record import recorded
from fleet.policy.recovery import what_becomes_of
from fleet.store import journal, operations, refheads, runs
from fleet.store.db import Database, Tx
from fleet.store.journal import Filter
from fleet.store.operations import Operation

LOOK_EVERY = 3.0  # seconds between looks at the whole forge
_HEAD_KNOWN_BY = ("pr_created", "pr_updated", "pr_needs_review")

Finding = tuple[str, Callable[[], int]]  # what was seen, and what to do about it


class Reconciler:
    """Broken runs and live state -> events. One instance runs at a time."""

    name = "reconciler"

    def __init__(
        self,
        db: Database,
        live: LiveState,
        effects: LiveEffects,
        config: Callable[[], LoadedConfig],
        *,
        before_look: Callable[[], object] | None = None,
        after_merge: Callable[[LivePull], object] | None = None,
        look_every: float = LOOK_EVERY,
    ) -> None:
        """Take the store, the forge in two halves, and who knows the configuration in force.

        ``before_look`` brings up to date what a look compares with, such as a base branch that is elsewhere.
        ``after_merge`` is what else has to follow a merge that an interrupted caller left behind; it is
        repeatable. ``look_every`` is the seconds between two looks at the whole forge.
        """
        self._db = db
        self._live = live
        self._effects = effects
        self._config = config
        self._loaded = config()  # of this tick
        self._before_look = before_look
        self._after_merge = after_merge
        self._ask = Asker(live)
        self._actor = str(system(self.name))
        self._period = round(look_every * SECOND)
        self._next_look = 0
        self._seen_before: frozenset[str] = frozenset()

    def tick(self, now: int) -> Tick:
        """Deal with every broken run; now and then compare the forge with the records."""
        self._loaded = self._config()
        glance = Glance(self._live)
        did = sum(self._deal_with(run, glance) for run in self._db.read(runs.finished_without_result))
        if not now < self._next_look <= now + self._period:
            did += self._look_around(glance)
            self._next_look = now + self._period
        return Tick(did, self._next_look)

    # -- runs that ended without their result --------------------------------------------------

    def _deal_with(self, run: Run, glance: LiveState) -> int:
        """Bring the work of one run back, or say on record why not."""
        seen = look(glance, run.subject)
        facts = self._db.read(lambda tx: broken_facts(tx, run, seen, self._loaded))
        return int(self._db.write(lambda tx: self._record(tx, run, facts)))

    def _record(self, tx: Tx, run: Run, facts: BrokenFacts) -> bool:
        """One entry for a broken run, whatever becomes of its work; False when it is there already."""
        outcome = what_becomes_of(facts)
        retry = self._loaded.config.retry
        not_before = tx.now + backoff(outcome.attempt, retry.backoff_seconds)
        payload: dict[str, object] = {
            "run": run.id,
            "of": run.event_id,
            "event_type": run.event_type,
            "attempt": outcome.attempt,
            "reason": outcome.reason,
            "facts": recorded(facts),
        }
        stream, kind, word = {
            "returned": (Stream.EVENT, "work_returned", "is offered again"),
            "moot": (Stream.DECISION, "delivery.denied", "does not come back"),
            "dead": (Stream.DECISION, "delivery.dead_lettered", "does not come back"),
        }[outcome.kind]
        draft = Draft(
            stream,
            kind,
            self._actor,
            kind="task" if outcome.kind == "returned" else "",
            subject=run.subject,
            generation=run.generation,
            work_item=run.work_item,
            agent=run.agent,
            run_id=run.id,
            cause_id=run.event_id,
            dedup_key=f"returned:{run.id}",
            summary=f"the work of {run.agent} on {run.subject or run.event_type} {word}: {outcome.reason}",
            payload=payload | ({"not_before": not_before} if outcome.kind == "returned" else {}),
        )
        runs.follow_up(tx, run.id)
        return journal.append(tx, draft).fresh

    # -- the forge against the records ---------------------------------------------------------

    def _look_around(self, glance: LiveState) -> int:
        """Act on what is the same as at the look before; remember the rest for the next one."""
        if self._before_look is not None:
            self._before_look()
        tickets, pulls = glance.tickets(), glance.pulls()
        doubtful = {subject_number(one.subject) for one in self._db.read(unreadable_now)}
        seen = self._ask(pulls, self._loaded.config.base, doubtful)
        busy = self._db.read(remarks.at_work)
        numbers = {subject_number(subject) for one in busy for subject in one.texts}
        heard = {number: glance.remarks(number) for number in sorted(numbers)}
        findings = self._db.read(
            lambda tx: [
                *_unfinished(tx, self._go_on),
                *self._pull_findings(tx, pulls),
                *self._news(tx, pulls, seen),
                *self._readable(tx, pulls),
                *self._reviews_again(tx, pulls),
                *self._called_off(tx, tickets, pulls),
                *self._remarked(tx, busy, heard),
                *self._offers(tx, tickets, pulls),
            ]
        )
        due = [act for key, act in findings if key in self._seen_before]
        self._seen_before = frozenset(key for key, _ in findings)
        return _all_of(due)

    def _pull_findings(self, tx: Tx, pulls: tuple[LivePull, ...]) -> list[Finding]:
        """Merges that were not finished, and heads that moved without a word.

        While a movement of the base waits for a person's word, what it brought in counts as merged by nobody.
        """
        found: list[Finding] = []
        unexplained = bool(refheads.open_alarms(tx, holding=True))
        for pull in pulls:
            if pull.state == "merged" and not is_settled(tx, pull.number):
                if unexplained and _intent(tx, pull) is None:
                    continue
                found.append((f"merged:{pull.number}", partial(self._finish, pull)))
            elif pull.state == "open" and ((before := head_before(tx, pull)) or _moved_silently(tx, pull)):
                found.append((f"moved:{pull.number}:{pull.head_sha}", partial(self._head_moved, pull, before)))
        return found

    def _go_on(self, operation: Operation) -> int:
        """What a person asked and a crash, or a run that takes long to end, left open."""
        try:
            return int(carry_on(Places(self._db, self._live, self._effects), operation))
        except TemporaryError:
            raise
        except FleetError:
            return 1  # it is on record that this cannot be done

    def _finish(self, pull: LivePull) -> int:
        """Record a merge that happened, then do what follows from one."""
        did = self._db.write(lambda tx: self._record_merge(tx, pull))
        if self._after_merge is not None:
            self._after_merge(pull)
        return did + finish_merge(self._db, self._live, self._effects, pull, actor=self._actor)

    def _record_merge(self, tx: Tx, pull: LivePull) -> bool:
        """``pr_merged`` in the name of the run whose intent is on record."""
        intent = _intent(tx, pull)
        how = "; its record was interrupted" if intent is not None else " past the fleet"
        draft = pull_event(
            pull,
            "pr_merged",
            "status",
            self._actor,
            f"{pull.subject} was merged{how}",
            f"pr_merged:{pull.subject}",
            head=pull.merged_head,
            run_id=intent.run_id if intent is not None else "",
            cause_id=intent.id if intent is not None else "",
            more={"merge_commit": pull.merge_commit, "merged_by": intent.actor if intent is not None else ""},
        )
        return journal.append(tx, draft).fresh

    def _head_moved(self, pull: LivePull, before: str) -> int:
        """Say that a head came past the fleet, and ask for a review of one that nobody announced."""
        events = []
        if before:
            try:
                rewritten = all(commit.sha != before for commit in self._live.commits(pull.number))
            except Unreadable as error:
                return self._left_out(pull, error)
            events.append(head_moved(pull, before, rewritten=rewritten, actor=self._actor))
        if self._db.read(lambda tx: _moved_silently(tx, pull)):
            events.append(self._asked_for_review(pull))
        return self._db.write(lambda tx: sum(journal.append(tx, draft).fresh for draft in events))

    def _asked_for_review(self, pull: LivePull) -> Draft:
        """A head that nobody announced has to be reviewed: the label makes the watcher say so."""
        add, remove = ("needs-review",), ("approved", "changes-requested")
        self._effects.set_labels(pull.number, add=add, remove=remove, actor=self._actor)
        return Draft(
            Stream.ACTIVITY,
            "label.changed",
            self._actor,
            subject=pull.subject,
            generation=pull.head_sha,
            work_item=pull.work_item,
            dedup_key=_asked_key(pull),
            summary=f"{pull.subject} has a new head that nobody announced; it needs review",
            payload={"add": list(add), "remove": list(remove), "head": pull.head_sha},
        )

    def _news(self, tx: Tx, pulls: tuple[LivePull, ...], seen: Mapping[int, Seen]) -> Iterator[Finding]:
        """What happened to pull requests past the fleet."""
        for draft in news(tx, pulls, seen, self._loaded.config, self._actor):
            yield draft.dedup_key or draft.summary, partial(self._say, draft)

    def _readable(self, tx: Tx, pulls: tuple[LivePull, ...]) -> Iterator[Finding]:
        """Pull requests whose commits cannot be read, and those that can be again."""
        unreadable = self._ask.unreadable
        for pull in (one for one in pulls if one.number in unreadable):
            error = unreadable[pull.number]
            if failed(tx, pull, error, self._actor) is not None:
                yield f"unreadable:{pull.number}:{pull.head_sha}", partial(self._left_out, pull, error)
        for draft in recovered(tx, pulls, unreadable, self._actor):
            yield draft.dedup_key or draft.summary, partial(self._say, draft)

    def _left_out(self, pull: LivePull, error: Unreadable) -> int:
        return int(self._db.write(lambda tx: say_failed(tx, pull, error, self._actor)))

    def _reviews_again(self, tx: Tx, pulls: tuple[LivePull, ...]) -> Iterator[Finding]:
        """Reviewers whose approval of a live head lost its force."""
        for draft in (one for pull in pulls if pull.state == "open" for one in to_ask_again(tx, pull, self._actor)):
            fresh = journal.find_dedup(tx, draft.dedup_key or "") is None
            if fresh and self._loaded.config.agent(draft.agent) is not None:
                yield draft.dedup_key or draft.summary, partial(self._say, draft)

    def _say(self, draft: Draft) -> int:
        return int(self._db.write(lambda tx: journal.append(tx, draft)).fresh)

    def _called_off(self, tx: Tx, tickets: tuple[LiveTicket, ...], pulls: tuple[LivePull, ...]) -> Iterator[Finding]:
        """Runs whose ticket was closed, or is not ready any more."""
        for run, word, facts in called_off(tx, tickets, pulls, self._loaded):
            yield f"off:{run.id}", partial(self._call_off, run, word, facts)

    def _call_off(self, run: Run, word: Entry, facts: CallOffFacts) -> int:
        return int(self._db.write(lambda tx: call_off(tx, run, word, facts, actor=self._actor)))

    def _remarked(
        self, tx: Tx, busy: tuple[remarks.AtWork, ...], heard: Mapping[int, tuple[LiveRemark, ...]]
    ) -> Iterator[Finding]:
        """What people said about the work of a run after it began."""
        for one in busy:
            member = self._loaded.config.agent(one.run.agent)
            found = remarks.news(tx, one, heard, reads_untrusted=member is not None and member.read_untrusted)
            if found is not None:
                yield found.key, partial(self._pass_on, found)

    def _pass_on(self, found: remarks.News) -> int:
        most = self._loaded.config.fabric.inbox_limit
        return int(self._db.write(lambda tx: remarks.pass_on(tx, found, actor=self._actor, most=most)))

    def _offers(self, tx: Tx, tickets: tuple[LiveTicket, ...], pulls: tuple[LivePull, ...]) -> list[Finding]:
        """Work that nobody heard of when it came, and that somebody would hear of now."""
        return [
            (f"unserved:{event.id}:{agent}", partial(self._offer, event, agent))
            for event, agent in unserved.offers(tx, tickets, pulls, self._loaded)
        ]

    def _offer(self, event: Entry, agent: str) -> int:
        return self._say(unserved.offer(event, agent, actor=self._actor))


def _intent(tx: Tx, pull: LivePull) -> Entry | None:
    """The fleet's own word that this head may be merged; None for a merge past the fleet."""
    allowed = journal.select(tx, Filter(type="merge.allowed", subject=pull.subject), limit=50, newest=True)
    return next((entry for entry in reversed(allowed) if entry.generation == pull.merged_head), None)


def _all_of(due: list[Callable[[], int]]) -> int:
    """Do each, also after one of them failed: what is refused for one pull request holds up no other.

    Raises the first failure once all have had their turn.
    """
    did, first = 0, None
    for act in due:
        try:
            did += act()
        except FleetError as error:
            first = first or error
    if first is not None:
        raise first
    return did


def _unfinished(tx: Tx, go_on: Callable[[Operation], int]) -> list[Finding]:
    """Operations whose last step is not on record."""
    return [(f"operation:{one.id}", partial(go_on, one)) for one in operations.open_ones(tx)]


def _asked_key(pull: LivePull) -> str:
    return f"relabelled:{pull.subject}:{pull.head_sha}"


def _moved_silently(tx: Tx, pull: LivePull) -> bool:
    """True for a head that no event speaks of, on a pull request that does not ask for a review."""
    if not pull.head_sha or "needs-review" in pull.labels or journal.find_dedup(tx, _asked_key(pull)) is not None:
        return False
    entries = (
        entry
        for kind in _HEAD_KNOWN_BY
        for entry in journal.select(tx, Filter(type=kind, subject=pull.subject), limit=10_000)
    )
    return all(entry.generation != pull.head_sha for entry in entries)
