"""The commit status that says: the fleet's merge gate passed at this commit. A branch rule may require it."""

from __future__ import annotations

from fleet.forge.github.client import Client

GATE = "fleet/gate"


def post_gate(client: Client, root: str, sha: str, actor: str) -> None:
    """Say so at a commit, unless the newest of our statuses there says it: a repeated merge repeats nothing.

    Only the state is compared, because a rule of the repository reads nothing else.
    """
    present = client.pages(f"{root}/commits/{sha}/statuses?per_page=100", enough=lambda read: _newest(read) != "")
    if _newest(present) == "success":
        return
    text = f"The fleet's merge gate passed; merged by {actor}"[:140]
    client.write("POST", f"{root}/statuses/{sha}", {"state": "success", "context": GATE, "description": text})


def _newest(statuses: list[dict[str, object]]) -> str:
    """The state of the newest status of ours; GitHub lists the newest first. "" when there is none."""
    return next((str(status["state"]) for status in statuses if status["context"] == GATE), "")
