"""What gh printed is read by its status line, and a no is sorted by who has to act."""

from __future__ import annotations

import pytest

from fleet.core.errors import FleetError, TemporaryError
from fleet.forge.github.reply import Reply, parse, problem

NOW = 1_800_000_000


def reply(status: int, body: str = "{}", **headers: str) -> Reply:
    """A reply with headers named in Python's way."""
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def test_the_parts_of_an_answer_are_cut_at_the_first_empty_line() -> None:
    found = parse('HTTP/2.0 200 OK\r\nEtag: W/"a"\r\nX-Odd\r\n\r\n{"a": "\\n\\nb"}\r\n\r\n')
    assert found is not None
    assert (found.status, found.etag, found.json()) == (200, 'W/"a"', {"a": "\n\nb"})


def test_an_answer_without_a_body_is_an_answer() -> None:
    found = parse('HTTP/1.1 304 Not Modified\nEtag: "b"\n\n')
    assert found is not None
    assert (found.status, found.body, problem(found, "x", now=NOW)) == (304, "", None)


@pytest.mark.parametrize("text", ["", "gh: connection refused", '{"message": "x"}', "HTTP/2.0\n\n"])
def test_what_begins_without_a_status_line_is_no_answer(text: str) -> None:
    assert parse(text) is None


def test_the_next_page_is_a_path_of_the_same_host() -> None:
    link = '<https://api.github.com/r/2?page=1>; rel="prev", <https://api.github.com/r/2?page=3>; rel="next"'
    assert reply(200, link=link).next_path == "r/2?page=3"
    assert reply(200).next_path == ""


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply(401), "FLT-GHB-001"),
        (reply(403, '{"message": "Must have admin rights"}', x_ratelimit_remaining="4000"), "FLT-GHB-005"),
        (reply(404), "FLT-GHB-006"),
        (reply(410), "FLT-GHB-006"),
        (reply(409, '{"message": "Head branch was modified"}'), "FLT-GHB-007"),
        (reply(405, '{"message": "Pull Request is not mergeable"}'), "FLT-GHB-008"),
        (reply(422, '{"message": "Validation Failed", "errors": [{"message": "No commits"}, "odd"]}'), "FLT-GHB-008"),
        (reply(502, "<html>"), "FLT-GHB-003"),
        (reply(429, "<html>"), "FLT-GHB-002"),
    ],
)
def test_every_refusal_has_its_code_and_its_words(answer: Reply, code: str) -> None:
    found = problem(answer, "GET x", now=NOW)
    assert isinstance(found, FleetError)
    assert (found.code, found.where) == (code, "GET x")
    assert "\n" not in found.message


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (reply(403, '{"message": "secondary rate limit"}', retry_after="7"), 7),
        (reply(403, "{}", x_ratelimit_remaining="0", x_ratelimit_reset=str(NOW + 90)), 90),
        (reply(403, '{"message": "You have exceeded a secondary rate limit"}'), 60),
        (reply(429, "{}", retry_after="0"), 1),
        (reply(429, "{}", retry_after="999999"), 3600),
        (reply(403, "{}", x_ratelimit_remaining="0", x_ratelimit_reset=str(NOW - 90)), 1),
    ],
)
def test_a_limit_says_how_long_to_wait(answer: Reply, seconds: float) -> None:
    found = problem(answer, "GET x", now=NOW)
    assert isinstance(found, TemporaryError)
    assert (found.code, found.retry_after) == ("FLT-GHB-002", seconds)


def test_a_cut_or_foreign_body_is_a_passing_trouble() -> None:
    for body in ('[{"number": 1, "ti', "<html>welcome to the hotel</html>", ""):
        with pytest.raises(TemporaryError) as caught:
            reply(200, body).json()
        assert caught.value.code == "FLT-GHB-004"
