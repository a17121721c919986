"""What the local forge's rows have to say before something is done; each raises what the port promises."""

from __future__ import annotations

from fleet.core.errors import NotFound
from fleet.store import forge_local as rows
from fleet.store.db import Tx


def ticket_row(tx: Tx, number: int) -> rows.TicketRow:
    """A ticket's row. Raises NotFound FLT-FRG-001."""
    row = rows.ticket(tx, number)
    if row is None:
        raise NotFound("FLT-FRG-001", "no such ticket", where=f"ticket/{number}", hint="fleet ticket list shows them")
    return row


def require_number(tx: Tx, number: int) -> None:
    """Raise NotFound FLT-FRG-007 unless a ticket or pull request has this number."""
    if rows.ticket(tx, number) is None and rows.pull(tx, number) is None:
        raise NotFound("FLT-FRG-007", "neither a ticket nor a pull request has this number", where=f"#{number}")
