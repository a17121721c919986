"""Stops a run whose tokens or money are used up: one transaction, with the facts that it was decided on.

Called wherever it may have become true: after what a client reported was counted, before a tool is used, and by the
service below, for runs whose budget others used up.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fleet.config.loader import LoadedConfig
from fleet.core.journal import Draft, Stream
from fleet.core.principal import system
from fleet.core.service import Tick
from fleet.core.work import OVER_BUDGET, Run, RunState
from fleet.dispatch.budgets import limits_on_run
from fleet.policy import meter
from fleet.policy.budget import label
from fleet.policy.ceilings import meters
from fleet.policy.facts import Limit
from fleet.store import journal, runs, sessions, usage
from fleet.store.db import Database, Tx

ACTOR = str(system("metering"))


def stop_if_over(tx: Tx, run: Run, loaded: LoadedConfig) -> str:
    """Ask a live run to end when a budget in tokens or dollars is used up; why, "" when none is.

    ``loaded`` is the configuration in force: a budget that people changed holds for runs that live.
    """
    limit = _limit_over(tx, run, loaded)
    if limit is None:
        return ""
    facts = {**meter.facts_of(limit), "run_tokens": run.used_tokens, "run_micros": run.used_micros}
    return _stop(tx, run, meter.why(limit), label(limit), facts)


def stop_blind(tx: Tx, run: Run, uses: int) -> str:
    """Ask a run to end whose use nobody measures, although a budget has to hold; why."""
    why = (
        f"{OVER_BUDGET}: neither its telemetry nor its transcript said what its last {uses} uses of tools had cost, and"
        " a budget in tokens or dollars has to hold"
    )
    return _stop(tx, run, why, f"agent/{run.agent}", {"budget": f"agent/{run.agent}", "unmeasured": uses})


def _stop(tx: Tx, run: Run, why: str, whose: str, facts: dict[str, object]) -> str:
    if runs.ask_cancel(tx, run.id, why):
        journal.append(
            tx,
            Draft(
                Stream.DECISION,
                "budget.exhausted",
                ACTOR,
                subject=whose if whose.startswith(("agent/", "ticket/", "pr/")) else "",
                generation=run.generation,
                work_item=run.work_item,
                agent=run.agent,
                run_id=run.id,
                cause_id=run.event_id,
                dedup_key=f"budget.exhausted:{run.id}",
                summary=f"{run.agent} is stopped: {why.removeprefix(OVER_BUDGET + ': ')}",
                payload={"run": run.id, **facts},
            ),
        )
    return why


class Metering:
    """The service: prices what had no price, and stops every live run of a budget that is used up."""

    name = "metering"

    def __init__(self, db: Database, config: Callable[[], LoadedConfig]) -> None:
        """Take the store, and who knows the configuration in force."""
        self._db = db
        self._config = config

    def tick(self, now: int) -> Tick:
        """One look at what is not priced, and at every live run."""
        loaded = self._config()
        priced = self._price(loaded)
        over = self._db.read(lambda tx: [run for run in runs.live(tx) if _limit_over(tx, run, loaded) is not None])
        for run in over:
            self._db.write(partial(_stop_as_it_is, run_id=run.id, loaded=loaded))
        return Tick(priced + len(over))

    def _price(self, loaded: LoadedConfig) -> int:
        """Answers of a model that has a price by now, some at a time."""
        prices = loaded.prices
        unknown = self._db.read(usage.unpriced)
        return sum(
            self._db.write(partial(usage.price_again, backend=backend, model=model, prices=prices))
            for backend, model in unknown
            if prices.find(backend, model) is not None
        )


def _limit_over(tx: Tx, run: Run, loaded: LoadedConfig) -> Limit | None:
    """The limit for which a run is to be stopped; None for one that did not begin, ends anyway, or did its work."""
    if run.cancel_reason or run.state is RunState.QUEUED or not meters(loaded.config, run.agent):
        return None
    session = sessions.get(tx, run.session)
    if session is not None and session.ending == "done":
        return None
    return meter.crossed(limits_on_run(tx, run, loaded.config))


def _stop_as_it_is(tx: Tx, run_id: str, loaded: LoadedConfig) -> None:
    stop_if_over(tx, runs.get(tx, run_id), loaded)
