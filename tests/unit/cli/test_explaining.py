"""Every code can be explained, however somebody writes it."""

from __future__ import annotations

import pytest

from fleet.cli import explaining
from fleet.cli.output import Style, error_text
from fleet.core.catalogue import CATALOGUE
from fleet.core.catalogue.causes import AREAS
from fleet.core.catalogue.words import NOTHING
from fleet.core.errors import FleetError


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_code_says_what_it_means_why_it_is_met_and_what_to_do(code: str) -> None:
    facts = explaining.facts_of(code)
    assert facts["meaning"]
    assert facts["area"]
    assert facts["remedy"]
    if facts["remedy"] != NOTHING:
        assert facts["causes"]
    text = explaining.text_of(code, Style())
    assert text.startswith(f"{code}  ")
    assert str(facts["remedy"]) in text


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_code_is_found_as_people_write_it(code: str) -> None:
    _, area, number = code.split("-")
    short = f"{area}-{number}"
    for text in (
        code, code.lower(), short, short.lower(), f"{area}{number}", f"[{code}]", f"{area} {int(number)}",
        f"fleet: somewhere: something happened [{code}]", error_text(FleetError(code, "it failed", hint="Try again.")),
    ):  # fmt: skip
        assert explaining.find(text) == code, text


def test_an_error_line_ends_with_its_code() -> None:
    text = error_text(FleetError("FLT-CLI-001", "no daemon answers", where="here", hint="Start it: fleet up"))
    assert text.split("\n")[0].endswith("[FLT-CLI-001]")


def test_a_typo_is_answered_with_what_is_close() -> None:
    assert explaining.find("FLT-CLI-999") is None
    assert "FLT-STO-008" in explaining.nearest("FLT-STP-008")
    assert "FLT-STO-008" in explaining.nearest("sot-008")
    assert "FLT-CLI-001" in explaining.unknown("FLT-CLJ-001").hint
    assert explaining.unknown("nonsense").hint == "See: fleet explain --list"
    assert explaining.unknown("x" * 100_000).where == "x" * 80


@pytest.mark.parametrize("text", ["", " ", "FLT", "FLT-", "FLT-CLI-0010000", "-1", "CLI", "💥"])
def test_what_is_no_code_is_none(text: str) -> None:
    assert explaining.find(text) is None


def test_an_area_lists_its_codes() -> None:
    for text in ("sto", "FLT-STO", "flt-sto-", "STO"):
        found = explaining.in_area(text)
        assert len(found) > 5
        assert all(code.startswith("FLT-STO-") for code in found)
    assert explaining.in_area("nope") == []
    assert explaining.in_area("") == []


def test_the_list_names_every_code_under_its_area() -> None:
    text = explaining.list_text(sorted(CATALOGUE), Style())
    assert all(code in text for code in CATALOGUE)
    assert all(part in text for part, _ in AREAS.values())


def test_causes_fit_the_kind_of_message() -> None:
    assert explaining.causes_of("FLT-POL-001") == (), "a yes has no cause to look for"
    assert "--orphan" in explaining.causes_of("FLT-FRG-010")[0]
    assert "misspelt" in explaining.causes_of("FLT-RUN-001")[0]
    assert "fault of the program" in explaining.causes_of("FLT-DMN-009")[0]
