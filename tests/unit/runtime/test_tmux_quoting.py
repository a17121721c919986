"""Words for tmux's parser, and versions of tmux."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.errors import PermanentError
from fleet.runtime.controlmode import quote
from fleet.runtime.tmux import new_enough


@given(st.binary(max_size=200).filter(lambda raw: b"\0" not in raw))
def test_a_quoted_word_holds_nothing_that_a_parser_could_take_for_its_own(raw: bytes) -> None:
    quoted = quote(os.fsdecode(raw))
    assert re.fullmatch(rb'"(?:[A-Za-z0-9_./=:@,+-]|\\[0-3][0-7][0-7])*"', quoted)
    plain = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), quoted[1:-1])
    assert plain == raw


def test_a_nul_is_refused() -> None:
    with pytest.raises(PermanentError, match="FLT-RTM-004"):
        quote("a\0b")


@pytest.mark.parametrize(
    ("said", "enough"),
    [
        ("tmux 3.2a", True),
        ("tmux 3.3", True),
        ("tmux 3.5a", True),
        ("tmux 4.0", True),
        ("tmux next-3.6", True),
        ("tmux master", True),
        ("tmux 3.2", False),
        ("tmux 3.1c", False),
        ("tmux 2.9a", False),
        ("", False),
    ],
)
def test_versions_of_tmux(said: str, enough: bool) -> None:
    assert new_enough(said) is enough
