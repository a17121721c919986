"""Tables as a reader sees them: whole in a pipe, and on a terminal however narrow it is."""

from __future__ import annotations

import pytest

from fleet.cli.output import Style, table

HEADINGS = ("AGENT", "SUBSCRIBES TO")
ROWS = [("developer", "ticket_ready, pr_changes_requested, pr_conflict"), ("scribe", "-")]
ONE_LINE = """\
AGENT      SUBSCRIBES TO
developer  ticket_ready, pr_changes_requested, pr_conflict
scribe     -
"""


@pytest.mark.parametrize("width", [0, 59, 58, 26, 1])
def test_a_table_that_fits_or_cannot_be_fitted_has_one_line_a_row(width: int) -> None:
    assert table(HEADINGS, ROWS, Style(width=width)) == ONE_LINE


def test_the_last_column_is_broken_between_words_where_the_terminal_ends() -> None:
    assert table(HEADINGS, ROWS, Style(width=40)) == (
        "AGENT      SUBSCRIBES TO\n"
        "developer  ticket_ready,\n"
        "           pr_changes_requested,\n"
        "           pr_conflict\n"
        "scribe     -\n"
    )


@pytest.mark.parametrize("width", range(27, 59))
def test_nothing_is_left_out_and_no_line_is_longer_than_the_terminal(width: int) -> None:
    shown = table(HEADINGS, ROWS, Style(width=width))
    assert "".join(shown.split()) == "".join(ONE_LINE.split())
    assert max(map(len, shown.splitlines())) <= width
