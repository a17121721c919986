"""The framing of calls: what one end writes the other reads, and nothing else is taken for a message."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import __version__
from fleet.core.wire import (
    ANSWER_KINDS,
    HEADER_LIMIT,
    REQUEST_KINDS,
    REQUEST_LIMIT,
    WireError,
    cut,
    decode_argv,
    decode_text,
    encode_argv,
    encode_text,
    frame,
    parse_header,
)
from fleet.process import run

WORDS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]))


@given(st.sampled_from(REQUEST_KINDS), st.binary(max_size=300), st.binary(max_size=40))
def test_a_message_is_cut_off_exactly_where_it_ends(kind: str, body: bytes, rest: bytes) -> None:
    message = frame(kind, body)
    assert cut(message + rest, REQUEST_KINDS, REQUEST_LIMIT) == (kind, body, rest)
    for length in range(len(message)):
        assert cut(message[:length], REQUEST_KINDS, REQUEST_LIMIT) is None


@pytest.mark.parametrize("line", [b"FLEET/2 json 1\n", b"FLEET/0 text 7\n", b"FLEET/12 whatever they say then\n"])
def test_another_version_of_the_protocol_is_named_with_ours(line: bytes) -> None:
    with pytest.raises(WireError) as caught:
        parse_header(line, REQUEST_KINDS, REQUEST_LIMIT)
    assert caught.value.code == "FLT-DMN-101"
    theirs = line.split()[0].decode()
    assert caught.value.message == f"the other side speaks {theirs}, this one FLEET/1 (fleet {__version__})"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"FLEET/x json 1\n",
        b"\n",
        b"GET / HTTP/1.1\n",
        b"FLEET/1 text 1\n",
        b"FLEET/1 json\n",
        b"FLEET/1 json -1\n",
        b"FLEET/1 json +1\n",
        b"FLEET/1 json 1 2\n",
        b"FLEET/1  json 1\n",
        b"FLEET/1 json 1\r\n",
        b"FLEET/1 json \xd9\xa1\n",  # an Arabic digit
        b"FLEET/1 json " + b"9" * 30 + b"\n",
        b"fleet/1 json 1\n",
    ],
)
def test_what_is_no_header_is_refused(line: bytes) -> None:
    with pytest.raises(WireError) as caught:
        parse_header(line, REQUEST_KINDS, REQUEST_LIMIT)
    assert caught.value.code == "FLT-DMN-001"


def test_a_body_above_the_limit_is_refused_before_it_is_read() -> None:
    assert parse_header(b"FLEET/1 json %d" % REQUEST_LIMIT, REQUEST_KINDS, REQUEST_LIMIT) == ("json", REQUEST_LIMIT)
    with pytest.raises(WireError) as caught:
        cut(b"FLEET/1 json %d\n" % (REQUEST_LIMIT + 1), REQUEST_KINDS, REQUEST_LIMIT)
    assert caught.value.code == "FLT-DMN-002"


def test_endless_garbage_is_refused_after_a_few_bytes() -> None:
    assert cut(b"x" * (HEADER_LIMIT - 1), REQUEST_KINDS, REQUEST_LIMIT) is None
    with pytest.raises(WireError):
        cut(b"x" * HEADER_LIMIT, REQUEST_KINDS, REQUEST_LIMIT)


@given(WORDS, WORDS, st.lists(WORDS, min_size=1, max_size=5))
def test_words_arrive_as_they_were_sent(secret: str, folder: str, words: list[str]) -> None:
    assert decode_argv(encode_argv(secret, folder, words)) == (secret, folder, words)


def test_a_nul_in_a_word_is_refused_by_the_sender() -> None:
    with pytest.raises(WireError) as caught:
        encode_argv("", "/", ["fabric", "a\0b"])
    assert caught.value.code == "FLT-DMN-003"


def test_a_word_that_is_not_utf8_is_refused_by_the_receiver_and_a_folder_is_not() -> None:
    assert decode_argv(encode_argv("", "/caf\udce9", ["x"]))[1] == "/caf\udce9"
    with pytest.raises(WireError) as caught:
        decode_argv(encode_argv("", "/", ["caf\udce9"]))
    assert caught.value.code == "FLT-DMN-004"


@pytest.mark.parametrize("body", [b"", b"cap", b"cap\0/folder"])
def test_a_call_without_words_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        decode_argv(body)


@given(st.integers(0, 255), WORDS, WORDS)
def test_an_answer_in_text_arrives_as_it_was_sent(code: int, out: str, err: str) -> None:
    assert decode_text(encode_text(code, out, err)) == (code, out, err)


def test_a_nul_in_the_output_does_not_move_the_border_to_the_errors() -> None:
    assert decode_text(encode_text(0, "a\0b", "c\0d")) == (0, "a\ufffdb", "c\0d")


@pytest.mark.parametrize("body", [b"", b"0", b"0\0out", b"x\0out\0err", b"-1\0out\0err"])
def test_a_broken_answer_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        decode_text(body)


def test_kinds_of_one_direction_are_refused_in_the_other() -> None:
    with pytest.raises(WireError):
        cut(frame("argv", b""), ANSWER_KINDS, 10)


def test_the_framing_costs_no_import() -> None:
    look = "before = set(sys.modules); import fleet.core.wire; print(*sorted(set(sys.modules) - before))"
    program = f"import sys; sys.path[:0] = {sys.path!r}; {look}"
    done = run([sys.executable, "-S", "-c", program], timeout=60)
    assert done.text.split() == ["__future__", "fleet", "fleet.core", "fleet.core.wire"]
