"""The one entrance: arguments checked, authority asked, the verb's function called, refusals put on record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from fleet.control import (
    agents,
    approvals,
    archives,
    artifacts,
    assign,
    audits,
    budgets,
    configlook,
    configs,
    crew,
    deadletters,
    evaluations,
    exports,
    forgecheck,
    halting,
    handbooks,
    handoffs,
    insights,
    keeping,
    labels,
    limits,
    members,
    merges,
    messages,
    operations,
    permissions,
    publish,
    pulls,
    quarantines,
    queries,
    replay,
    reviews,
    risks,
    schedules,
    screens,
    status,
    tasks,
    teams,
    tickets,
    top,
    why,
)
from fleet.control.arguments import checked, verb_named
from fleet.control.authority import allow
from fleet.control.context import Context, Handlers
from fleet.control.refusals import Refusals
from fleet.control.verbs import VERBS, Access
from fleet.core.decision import Verdict
from fleet.core.errors import FleetError, Refused, TemporaryError
from fleet.core.principal import Principal
from fleet.core.probe import probe
from fleet.store.db import Tx

_DONE_BY = (
    status,
    forgecheck,
    top,
    queries,
    why,
    agents,
    halting,
    members,
    handbooks,
    crew,
    budgets,
    limits,
    screens,
    teams,
    assign,
    tickets,
    labels,
    operations,
    pulls,
    reviews,
    merges,
    publish,
    tasks,
    handoffs,
    messages,
    artifacts,
    audits,
    configlook,
    exports,
    archives,
    configs,
    deadletters,
    evaluations,
    insights,
    schedules,
    approvals,
    permissions,
    keeping,
    replay,
    quarantines,
    risks,
)
HANDLERS: Handlers = {verb: done for module in _DONE_BY for verb, done in module.HANDLERS.items()}

PATIENCE_SECONDS = 60.0  # below what a client waits for an answer


class Control:
    """What the daemon's doors call."""

    def __init__(self, context: Context) -> None:
        """Take the rooms to speak to."""
        self._ctx = context
        self._refusals = Refusals(context.db)

    def handle(self, principal: Principal, verb: str, args: Mapping[str, object]) -> dict[str, Any]:
        """Answer a call on this thread; may take as long as git and the store do.

        Raises FleetError: UsageError for the call's form, Refused when authority or policy says no, and what
        the verb's own function raises.
        """
        values = checked(verb_named(verb), args)
        self._authorise(principal, verb, values)
        try:
            return self._patiently(principal, verb, lambda: self._do(principal, verb, values))
        except Refused as error:
            self._record_identity(principal, verb, error)
            raise

    def _do(self, principal: Principal, verb: str, values: dict[str, Any]) -> dict[str, Any]:
        """Call the verb's function. A run passes the doorway, so that a quarantine knows what is under way.

        Raises BudgetRefused FLT-RSK-001 for a run whose agent is being quarantined.
        """
        if not principal.is_agent or VERBS[verb].access is Access.READ:
            return HANDLERS[verb](self._ctx, principal, values)
        with self._ctx.doorway.passing(principal.name, verb):
            return HANDLERS[verb](self._ctx, principal, values)

    def _patiently(self, principal: Principal, verb: str, step: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do a step; an agent's patient verb is done again while its forge is away, up to a minute.

        An agent that got a passing outage as an answer would end, and its work would have to come back. A
        person is told at once and decides.
        """
        if not (principal.is_agent and VERBS[verb].patient):
            return step()
        waited = 0.0
        while True:
            try:
                return step()
            except TemporaryError as error:
                pause = min(max(error.retry_after, 0.2), PATIENCE_SECONDS) * (1 + _jitter(self._ctx))
                if waited + pause > PATIENCE_SECONDS or self._ctx.switch.wait(pause):
                    raise
                waited += pause

    def start(self, principal: Principal, verb: str, args: Mapping[str, object]) -> Future[dict[str, Any]]:
        """Begin a quick verb; the future resolves once its transaction is durable. Errors arrive in the future."""
        done: Future[dict[str, Any]] = Future()
        try:
            if verb != "fabric.publish":
                done.set_result(self.handle(principal, verb, args))
                return done
            values = checked(verb_named(verb), args)
            self._authorise(principal, verb, values)
            future = self._ctx.db.submit(self._planned(principal, values))
        except FleetError as error:
            done.set_exception(error)
            return done
        future.add_done_callback(_after_commit)
        return future

    def refused(self, who: Principal | None, pid: int, verb: str, error: FleetError) -> None:
        """Put on record that a caller was not who or what it would have to be."""
        self._refusals.record(who, pid, verb, error)

    def _authorise(self, principal: Principal, verb: str, args: dict[str, Any]) -> None:
        """Ask the one function; a no is recorded and raised."""
        member = self._ctx.loaded.config.agent(principal.name) if principal.is_agent else None
        may_start = frozenset(member.may_start) if member is not None else frozenset()
        reason = allow(principal, verb, subjects_of(principal, verb, args), may_start=may_start)
        if reason.verdict is not Verdict.ALLOW:
            error = Refused(reason.code, reason.text, where=principal.run_id or str(principal))
            self.refused(principal, 0, verb, error)
            raise error

    def _planned(self, principal: Principal, values: dict[str, Any]) -> Callable[[Tx], dict[str, Any]]:
        """The transaction of a publish; a refusal is recorded and raised."""
        try:
            return publish.plan(self._ctx, principal, values)
        except Refused as error:
            self._record_identity(principal, "fabric.publish", error)
            raise

    def _record_identity(self, principal: Principal, verb: str, error: FleetError) -> None:
        """Refusals of policy have their own entries; those of identity and authority are recorded here."""
        if error.code.startswith("FLT-AUT-") or error.code == "FLT-CTL-005":
            self.refused(principal, 0, verb, error)


def _jitter(ctx: Context) -> float:
    """Up to a quarter, so that callers who wait for the same thing do not come back together."""
    return ctx.db.clock.entropy(1)[0] / 1024


def subjects_of(principal: Principal, verb: str, args: Mapping[str, Any]) -> frozenset[str]:
    """The objects a call touches, as authority is asked about them."""
    if VERBS[verb].access is Access.READ:
        return frozenset()
    found: set[str] = set()
    if "number" in args:
        pull = f"pr/{args['number']}"
        # labels may be set on either; both share one series of numbers
        as_ticket = verb == "ticket.label" and pull not in principal.subjects
        found.add(f"ticket/{args['number']}" if as_ticket else pull)
    if args.get("subject"):
        found.add(args["subject"])
    if args.get("ticket"):
        found.add(f"ticket/{args['ticket']}")
    if verb == "agent.start":
        # "*": a whole team, or all; no agent may start so many
        found.add(f"agent/{args['name'] or '*'}")
    return frozenset(found)


def _after_commit(future: Future[dict[str, Any]]) -> None:
    if future.exception() is None:
        probe("publish.after_commit")
