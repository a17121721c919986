"""Secrets leave in no shape; what helps to find a fault stays."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.health.planted import SECRETS, shapes_of

from fleet.core.redact import GONE, Redactor, encodings, shapes

KNOWN = [SECRETS[name][0] for name in ("env file", "environment", "capability")]
ALL = [(name, shape) for name in SECRETS for shape in shapes_of(name)]


@pytest.mark.parametrize(("name", "shape"), ALL)
@pytest.mark.parametrize("around", ["{}", "the call failed: {} (again)", '{{"message": "{}"}}', "a={}", "x,{};y"])
def test_a_planted_secret_is_taken_out_in_every_shape(name: str, shape: str, around: str) -> None:
    text, hidden = shapes_of(name)[shape]
    redactor = Redactor(KNOWN)
    assert hidden not in redactor.text(around.format(text)), "as text"
    assert hidden not in json.dumps(redactor.value({"x": [around.format(text)]})), "inside a value"
    assert hidden not in redactor.text(json.dumps(around.format(text))), "escaped for JSON"


@pytest.mark.parametrize(
    "text",
    [
        "watcher: git fetch took longer than 30 s [FLT-FRG-014]",
        "the run r0m3x1k9q2v7t4w8z1-e1 ended",
        "delivery.dead_lettered ticket/7 developer",
        "/usr/lib/python3.11/site-packages/fleet/daemon/service.py:123 _step",
        "0.1.0 in /opt/fleet/lib/python3.11/site-packages/fleet",
        "SQLite 3.54.1, git 2.39.5, tmux 3.3a, Linux 6.1.0-18-amd64",
        "2026-11-24T09:30:00Z pid 4711 exit 137",
        "the state folder is on ext4 (/dev/mapper/vg0-root)",
        "qa-engineer has as many live runs as its max_concurrent",
    ],
)
def test_what_helps_stays(text: str) -> None:
    assert Redactor(KNOWN).text(text) == text


def test_a_commit_keeps_seven_digits_and_longer_hexadecimal_none() -> None:
    assert shapes("merged 80806dbe5180806dbe5180806dbe5180806dbe51") == "merged 80806db…"
    assert shapes("a" * 64) == GONE
    assert shapes("0123456789abcdef01234567") == GONE


def test_home_user_and_host_are_replaced_as_words() -> None:
    redactor = Redactor(home="/home/ann", names=[("ann", "<user>"), ("box", "<host>"), ("root", "<user>")])
    assert (
        redactor.text("/home/ann/repo of ann@box, not annex nor boxes")
        == "~/repo of <user>@<host>, not annex nor boxes"
    )
    assert redactor.text("root stays") == "root stays"


def test_a_value_under_a_telling_key_goes_whole_and_an_empty_one_stays() -> None:
    found = Redactor().value({"api_token": "short", "nested": {"password": ""}, "count": 3, "ok": None, "l": (1, "a")})
    assert found == {"api_token": GONE, "nested": {"password": ""}, "count": 3, "ok": None, "l": [1, "a"]}


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60), st.integers(0, 5))
def test_a_known_secret_is_found_at_every_alignment_of_base64_and_broken_over_lines(secret: str, shift: int) -> None:
    redactor = Redactor([secret])
    assert secret not in redactor.text(f"x {secret} y")
    encoded = base64.b64encode(b"p" * shift + secret.encode() + b"q" * 4).decode()
    assert all(form not in redactor.text(encoded) for form in encodings(secret))
    broken = "\n".join(secret[at : at + 5] for at in range(0, len(secret), 5))
    assert broken not in redactor.text(f"<{broken}>")


@given(st.text(max_size=300))
def test_any_text_comes_back_as_text(text: str) -> None:
    assert isinstance(Redactor(["a-known-secret"]).text(text), str)


def test_a_long_text_takes_no_long_time() -> None:
    redactor = Redactor(KNOWN)
    for text in (
        "a" * 300_000,
        "key=" * 50_000,
        "%41" * 100_000,
        "-----BEGIN PRIVATE KEY-----" * 5000,
        "://a:" * 50_000,
    ):
        assert redactor.text(text) is not None
