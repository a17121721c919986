"""Reports of a client given to the hook desk as the door gives them, without the door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.control.hooks import HookAnswer, Hooks
from fleet.core.principal import Principal


def told(hooks: Hooks, who: Principal, event: str, body: Mapping[str, Any]) -> HookAnswer:
    """One report and its answer; what the session has not written down is looked for again at once."""
    answer = hooks.settle(hooks.report(who, event, body)).result(60)
    while answer.late is not None:
        answer = hooks.settle(answer.late).result(60)
    return answer
