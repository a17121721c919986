"""Waiting for what another process does: not there yet is not yet, and a wait that was in vain says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleet.core.errors import Refused, Unreachable
from fleet.testing.waiting import is_written, wait_until


def answers(*given: object) -> Callable[[], object]:
    """A question that is answered so, one answer after the other; an exception is raised."""
    left: Iterator[object] = iter(given)

    def ask() -> object:
        found = next(left)
        if isinstance(found, Exception):
            raise found
        return found

    return ask


def test_the_first_true_answer_is_given_back() -> None:
    assert wait_until(answers("", 0, None, [], "there", "later")) == "there"


def test_what_is_not_there_yet_or_no_more_is_not_true_yet() -> None:
    gone = Unreachable("FLT-CLI-001", "no daemon answers")
    not_yet = (IndexError(), KeyError("x"), ValueError("{"), FileNotFoundError(), ProcessLookupError(), gone)
    assert wait_until(answers(*not_yet, ConnectionResetError(), "there")) == "there"


def test_a_wait_in_vain_says_the_last_answer_or_the_last_failure() -> None:
    with pytest.raises(AssertionError, match=r"waited 0 s for a row; the last answer was \[\]"):
        wait_until(answers([]), timeout=0, what="a row")
    with pytest.raises(AssertionError, match=r"waited 0 s for ask; the last try failed: KeyError\('id'\)") as caught:
        wait_until(answers(KeyError("id")), timeout=0)
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("wrong", [AssertionError("wrong"), TypeError("wrong"), Refused("FLT-AUT-001", "wrong")])
def test_what_is_wrong_is_not_waited_out(wrong: Exception) -> None:
    with pytest.raises(type(wrong), match="wrong"):
        wait_until(answers(wrong, "there"))


def test_a_file_is_written_once_it_has_words(tmp_path: Path) -> None:
    path = tmp_path / "note"
    assert not is_written(path)
    path.touch()
    assert not is_written(path)
    path.write_text("x")
    assert is_written(path)
