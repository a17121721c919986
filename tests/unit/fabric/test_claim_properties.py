"""Claims under any order of events: never two holders, and whoever lost a claim can move nothing with its token."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from fleet.audit.verify import verify_journal
from fleet.core.board import TaskState
from fleet.core.clock import SECOND
from fleet.core.errors import Conflict
from fleet.core.principal import Principal, PrincipalKind, human
from fleet.daemon.janitor import Janitor
from fleet.fabric import claims
from fleet.store import journal, tasks
from fleet.store.db import Tx
from fleet.store.open import open_for_daemon
from fleet.testing.clock import ManualClock
from fleet.testing.folders import make_folder
from fleet.testing.rings import examples

T = TypeVar("T")

# Two runs of one agent are two claimants; so are two people.
CLAIMANTS = (
    Principal(PrincipalKind.AGENT, "dev", "r1", 1),
    Principal(PrincipalKind.AGENT, "dev", "r2", 1),
    Principal(PrincipalKind.AGENT, "qa", "r3", 1),
    human("ann"),
    human("bob"),
)
people = st.sampled_from(CLAIMANTS)
thieves = st.sampled_from((None, None, None, None, *CLAIMANTS))  # mostly whoever got the token


class Claims(RuleBasedStateMachine):
    """One task, a few claimants, and a model that knows only: who holds it, by which token, until when."""

    tokens = Bundle("tokens")

    @initialize()
    def begin(self) -> None:
        self.folder = make_folder()
        self.clock = ManualClock()
        self.db = open_for_daemon(self.folder / "fleet.db", clock=self.clock)
        self.janitor = Janitor(self.db)
        self.holder: tuple[Principal, str, int] | None = None
        self.ended = False
        self.issued: list[tuple[Principal, str]] = []
        self.db.write(self._offer)

    def _offer(self, tx: Tx) -> None:
        tasks.create(tx, 1, entry_id="e1", title="work", body="", subject="", work_item="", offered_by="human:ann")

    def held_by(self, who: Principal, token: str) -> bool:
        """Whether the model says that this token counts now."""
        return self.holder is not None and self.holder[:2] == (who, token) and self.holder[2] > self.clock.now()

    def is_held(self) -> bool:
        return self.holder is not None and self.holder[2] > self.clock.now()

    def tried(self, call: Callable[[Tx], T]) -> T | str:
        """What the call gives, or the code of its refusal."""
        try:
            return self.db.write(call)
        except Conflict as error:
            return error.code

    @rule(target=tokens, who=people, seconds=st.integers(1, 50))
    def claim(self, who: Principal, seconds: int) -> tuple[Principal, str]:
        free = not self.ended and (not self.is_held() or (self.holder is not None and self.holder[0] == who))
        won = self.tried(lambda tx: claims.claim(tx, 1, who, seconds=seconds))
        if isinstance(won, str):
            assert (free, won) == (False, "FLT-FAB-103" if self.ended else "FLT-FAB-102")
            return who, "0" * 32
        assert free, "two holders"
        assert won.token not in {token for _, token in self.issued}
        self.holder = (who, won.token, self.clock.now() + seconds * SECOND)
        self.issued.append((who, won.token))
        return who, won.token

    @rule(held=tokens, thief=thieves, seconds=st.integers(1, 50))
    def renew(self, held: tuple[Principal, str], thief: Principal | None, seconds: int) -> None:
        who = thief or held[0]
        good = self.held_by(who, held[1])
        said = self.tried(lambda tx: claims.renew(tx, 1, who, held[1], seconds=seconds))
        assert good is (said != "FLT-FAB-104")
        if good:
            self.holder = (who, held[1], self.clock.now() + seconds * SECOND)

    @rule(held=tokens, thief=thieves)
    def release(self, held: tuple[Principal, str], thief: Principal | None) -> None:
        who = thief or held[0]
        good = self.held_by(who, held[1])
        said = self.tried(lambda tx: claims.release(tx, 1, who, held[1], reason=""))
        assert good is (said != "FLT-FAB-104")
        if good:
            self.holder = None

    @rule(held=tokens, thief=thieves, really=st.integers(0, 9))
    def complete(self, held: tuple[Principal, str], thief: Principal | None, really: int) -> None:
        who = thief or held[0]
        good, before = self.held_by(who, held[1]), self.ended
        if good and really:
            return  # the story would end too often
        done = self.tried(lambda tx: claims.complete(tx, 1, who, held[1], outcome=""))
        if isinstance(done, str):
            assert (good, done) == (False, "FLT-FAB-104")
            return
        assert good or (before and (done.holder, done.holder_run) == (str(who), who.run_id))
        if good:
            self.holder, self.ended = None, True

    @rule(seconds=st.integers(0, 30))
    def pass_time(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def look(self) -> None:
        """The janitor may come at any time; it changes nothing that counts."""
        self.janitor.tick(self.clock.now())

    @invariant()
    def the_store_agrees(self) -> None:
        if not hasattr(self, "db"):
            return
        task = self.db.read(lambda tx: tasks.get(tx, 1))
        if self.is_held():
            assert self.holder is not None
            assert (task.state, task.holder, task.holder_run) == (
                TaskState.CLAIMED,
                str(self.holder[0]),
                self.holder[0].run_id,
            )
            assert task.token_hash == claims.digest(self.holder[1])
        elif self.ended:
            assert task.state is TaskState.DONE
        else:
            assert task.state is TaskState.OPEN or task.lease_until <= self.clock.now()

    def teardown(self) -> None:
        if not hasattr(self, "db"):
            return
        entries = self.db.read(lambda tx: journal.select(tx, journal.Filter(), limit=1000))
        won = [entry for entry in entries if entry.type == "claim"]
        assert len(won) == len(self.issued), "every claim is on record, once"
        assert [entry.payload and entry.payload["claim"] for entry in won] == list(range(1, len(won) + 1))
        assert not any(token in str(entry.as_dict()) for entry in entries for _, token in self.issued)
        assert verify_journal(self.db).ok
        self.db.close()
        shutil.rmtree(self.folder, ignore_errors=True)


TestClaims = Claims.TestCase
TestClaims.settings = settings(max_examples=examples(15, 40), stateful_step_count=30, deadline=None)
