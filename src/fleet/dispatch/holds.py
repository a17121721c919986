"""Whether somebody holds a piece of work, and which text of it was accepted: derived from the record."""

from __future__ import annotations

from fleet.core.live import LivePull, LiveTicket
from fleet.core.pin import HOLD_LABEL, text_digest
from fleet.policy.facts import HoldFacts
from fleet.store import journal
from fleet.store.db import Tx
from fleet.store.journal import Filter

_ACCEPTING = ("ticket_ready", "ticket.text_accepted")


def accepted_text(tx: Tx, number: int) -> str:
    """The digest of the text that was marked ready or accepted last; "" when none ever was."""
    found = [
        entry
        for kind in _ACCEPTING
        for entry in journal.select(tx, Filter(type=kind, subject=f"ticket/{number}"), limit=1, newest=True)
    ]
    newest = max(found, key=lambda entry: entry.seq, default=None)
    return str((newest.payload or {}).get("text", "")) if newest is not None else ""


def accepted_pull_text(tx: Tx, number: int) -> str:
    """The digest of the pull request's text that was accepted last, else of the first on record; "" when none is.

    Labels do not accept it: the fleet itself puts ``needs-review`` on with every push.
    """
    subject = f"pr/{number}"
    accepted = journal.select(tx, Filter(type="pr.text_accepted", subject=subject), limit=1, newest=True)
    told = accepted or [
        entry
        for kind in ("pr_created", "pr_needs_review")
        for entry in journal.select(tx, Filter(type=kind, subject=subject), limit=1000)
        if (entry.payload or {}).get("text")
    ]
    first = min(told, key=lambda entry: entry.seq, default=None)
    return str((first.payload or {})["text"]) if first is not None else ""


def hold_facts(tx: Tx, ticket: LiveTicket | None, pull: LivePull | None) -> HoldFacts:
    """What holds a start on this ticket (``pull`` is its open one, if any) or on this pull request."""
    parent = ticket if ticket is not None else pull.parent if pull is not None else None
    labelled = []
    if parent is not None and HOLD_LABEL in parent.labels:
        labelled.append(f"ticket/{parent.number}")
    if pull is not None and HOLD_LABEL in pull.labels:
        labelled.append(pull.subject)
    changed = ""
    if parent is not None and accepted_text(tx, parent.number) not in ("", text_digest(parent.title, parent.body)):
        changed = f"ticket/{parent.number}"
    elif pull is not None and accepted_pull_text(tx, pull.number) not in ("", text_digest(pull.title, pull.body)):
        changed = pull.subject
    return HoldFacts(tuple(labelled), changed)
