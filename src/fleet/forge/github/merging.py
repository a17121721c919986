"""A merge in GitHub's words, and the refusals of one in ours. Pure."""

from __future__ import annotations

from fleet.core.errors import Conflict, FleetError, PermanentError, Refused, TemporaryError
from fleet.forge.port import Pull


def merge_request(pull: Pull, head_sha: str, actor: str) -> dict[str, object]:
    """The body of the request; ``sha`` is what GitHub compares the live head with."""
    return {
        "sha": head_sha,
        "merge_method": "merge",
        "commit_title": f"Merge pr/{pull.number} from {pull.head_ref} ({actor.partition(':')[2] or actor})",
        # One line, whatever it holds: a line of its own could pass for one of ours.
        "commit_message": f"{' '.join(pull.title.split())}\n\nFleet-Pull: {pull.number}\nFleet-Head: {head_sha}",
    }


def not_that_head(pull: Pull, wanted: str) -> Conflict:
    """The error for a head that moved, or a pull request that is not open."""
    state = f"its head is {pull.head_sha[:12]}, not {wanted[:12]}" if pull.state == "open" else f"it is {pull.state}"
    return Conflict(
        "FLT-FRG-005",
        state,
        where=f"pr/{pull.number}",
        hint="What was approved is not what is there now; review the new head.",
    )


def another_base(pull: Pull, base: str) -> Conflict:
    """The error for a pull request that somebody pointed at another branch."""
    return Conflict(
        "FLT-FRG-033",
        f"it would go into {pull.base_ref}, and this fleet merges into {base}",
        where=f"pr/{pull.number}",
        hint=f"Point it at {base} again, or merge it by hand.",
    )


def merged_elsewhere(pull: Pull, base: str) -> Conflict:
    """The error for a pull request that was pointed at another branch in the very moment of its merge.

    GitHub compares the head with the one that is asked for, and has no way to compare the base.
    """
    return Conflict(
        "FLT-FRG-034",
        f"somebody pointed it at {pull.base_ref} in the moment of the merge, and GitHub merged it there",
        where=f"pr/{pull.number}",
        hint=f"{base} does not have it. Revert it in {pull.base_ref}, or open it for {base} again.",
    )


def refused_by_rule(number: int, error: Conflict | PermanentError) -> FleetError:
    """The error for a merge that GitHub would not do although head and content fit."""
    if isinstance(error, Conflict):
        return TemporaryError("FLT-GHB-007", error.message, where=f"pr/{number}", retry_after=2.0)
    return Refused(
        "FLT-GHB-009",
        f"GitHub refuses the merge: {error.message}",
        where=f"pr/{number}",
        hint="A rule of the base branch asks for more; fleet doctor lists those that a fleet cannot meet. All agents"
        " share one login, so none of them can give a review there: require the status fleet/gate in its place, or"
        " merge by hand.",
    )
