"""Reading YAML: plain data by the YAML 1.2 core schema, with the place of every key and value."""

from __future__ import annotations

import math

import pytest

from fleet.config.yamlfile import Spot, read_yaml, shown

TEXT = b"""\
on: no
list:
  - 1
  - {deep: [x, "y"]}
"quoted": '12'
"""


def test_keys_and_values_know_their_places() -> None:
    document = read_yaml(TEXT, "f.yaml")
    assert document.data == {"on": "no", "list": (1, {"deep": ("x", "y")}), "quoted": "12"}
    assert document.key_spot(("on",)) == Spot(1, 1)
    assert document.value_spot(("on",)) == Spot(1, 5)
    assert document.value_spot(("list", 0)) == Spot(3, 5)
    assert document.key_spot(("list", 1, "deep")) == Spot(4, 6)
    assert document.value_spot(("list", 1, "deep", 1)) == Spot(4, 16)
    assert document.key_spot(("quoted",)) == Spot(5, 1)


def test_an_unknown_path_has_the_place_of_what_is_around_it() -> None:
    document = read_yaml(TEXT, "f.yaml")
    assert document.value_spot(("list", 1, "deep", 9, "z")) == Spot(4, 12)
    assert document.value_spot(("nowhere",)) == Spot(1, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("~", None),
        ("", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("off", "off"),
        ("12:30:45", "12:30:45"),
        ("007", 7),
        ("0o17", 15),
        ("0x1f", 31),
        ("-5", -5),
        ("1_000", "1_000"),
        ("1.5e3", 1500.0),
        (".5", 0.5),
        ("1e999", math.inf),
        ("-.inf", -math.inf),
        ("2023-11-14", "2023-11-14"),
        ("'5'", "5"),
        ("=", "="),
    ],
)
def test_a_plain_word_means_what_yaml_1_2_says(text: str, value: object) -> None:
    assert read_yaml(f"key: {text}\n".encode(), "f.yaml").data == {"key": value}


def test_not_a_number_is_read_as_such() -> None:
    assert math.isnan(read_yaml(b"key: .nan\n", "f.yaml").data["key"])


def test_what_stands_below_a_refused_key_is_left_out_and_not_blamed() -> None:
    document = read_yaml(b"a: 1\na: {x: 1}\na: {x: 2}\n<<: {x: 1}\n<<: {x: 2}\n", "f.yaml")
    assert document.data == {"a": 1}
    assert [problem.spot.line for problem in document.problems] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\x1b[2Jb", r"'a\x1b[2Jb'"),
        ("x" * 100, "'" + "x" * 56 + "..."),
        (True, "true"),
        (None, "empty"),
        ({}, "a mapping"),
        ((), "a list"),
    ],
)
def test_a_quoted_value_is_short_and_harmless(value: object, text: str) -> None:
    assert shown(value) == text
