"""What an agent is told of texts that others wrote: those of strangers are left out unless it may read them. Pure.

A stranger is whoever may not put labels on that count (``outsider:…``). The text of a stranger's ticket is told once
somebody trusted marked it ready, because then that text was seen; what strangers remark is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from fleet.control.shapes import comment_dict
from fleet.core.pin import text_digest
from fleet.forge.port import Comment, Pull, Ticket


def is_trusted(author: str) -> bool:
    """Whether a text of this author may stand in a prompt without further ado."""
    return not author.startswith("outsider:")


def ticket_for_agent(ticket: Ticket, accepted: str, *, reads_untrusted: bool) -> Ticket:
    """A ticket as an agent may see it; ``accepted`` is the digest of the text that was accepted last, or "".

    A changed text is told to nobody before it is accepted.
    """
    same = accepted == text_digest(ticket.title, ticket.body)
    if same or (not accepted and (reads_untrusted or is_trusted(ticket.author))):
        return ticket
    return replace(ticket, title="", body="")


def pull_for_agent(pull: Pull, accepted: str, *, reads_untrusted: bool) -> Pull:
    """A pull request as an agent may see it; ``accepted`` as for a ticket."""
    same = accepted in ("", text_digest(pull.title, pull.body))
    return pull if same and (reads_untrusted or is_trusted(pull.author)) else replace(pull, title="", body="")


def remarks(comments: Iterable[Comment], *, reads_untrusted: bool) -> Mapping[str, Any]:
    """``comments`` that an agent may read, each marked, and how many were left out."""
    found = list(comments)
    told = [one for one in found if reads_untrusted or is_trusted(one.author)]
    return {
        "comments": [{**comment_dict(one), "trusted": is_trusted(one.author)} for one in told],
        "comments_left_out": len(found) - len(told),
    }
