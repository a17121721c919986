"""May this principal call this verb on these objects? The one answer, for every door. Pure.

| access | person | run with a live capability | component, forge |
|---|---|---|---|
| read | yes | yes | no |
| role | yes | its capability names the verb and every object | no |
| start | yes | its agent may start the named one, and its capability names the object | no |
| human | yes | no | no |

Components and the forge's watcher write to the store themselves; nobody speaks for them at a door.
"""

from __future__ import annotations

from collections.abc import Set

from fleet.control.verbs import VERBS, Access
from fleet.core.decision import Reason, Verdict
from fleet.core.principal import Principal

_CHECK = "authority"


def allow(
    principal: Principal, verb: str, subjects: Set[str] = frozenset(), *, may_start: Set[str] = frozenset()
) -> Reason:
    """Judge one call: ALLOW, or DENY with the code and the fact that decided.

    ``subjects`` are the objects the call touches, ``agent/<name>`` being the agent it would start;
    ``may_start`` the agents that the principal's own agent may start by its configuration.
    """
    access = VERBS[verb].access
    if principal.is_human:
        return _yes(verb, "a person may do this")
    if not principal.is_agent:
        return _no("FLT-AUT-010", f"{principal} is a component; nobody speaks for it at a door", verb)
    if access is Access.READ:
        return _yes(verb, "reading is open to every live run")
    if access is Access.HUMAN:
        return _no("FLT-AUT-011", f"only a person may call {verb}", verb)
    started = {name.removeprefix("agent/") for name in subjects if name.startswith("agent/")}
    if access is Access.START:
        if not started <= may_start:
            return _no("FLT-AUT-014", f"{principal.name} may not start {', '.join(sorted(started))}", verb)
        return _within(principal, verb, {name for name in subjects if not name.startswith("agent/")})
    if verb not in principal.verbs:
        return _no("FLT-AUT-012", f"the role {principal.role} of {principal.name} does not include {verb}", verb)
    return _within(principal, verb, subjects)


def _within(principal: Principal, verb: str, subjects: Set[str]) -> Reason:
    """The objects have to be among those of the capability."""
    foreign = sorted(subjects - principal.subjects)
    if foreign:
        own = ", ".join(sorted(principal.subjects)) or "nothing"
        return _no("FLT-AUT-013", f"run {principal.run_id} works on {own}, not on {', '.join(foreign)}", verb)
    return _yes(verb, "the run's capability covers it")


def _yes(verb: str, text: str) -> Reason:
    return Reason(_CHECK, Verdict.ALLOW, "ok", text, {"verb": verb})


def _no(code: str, text: str, verb: str) -> Reason:
    return Reason(_CHECK, Verdict.DENY, code, text, {"verb": verb})
