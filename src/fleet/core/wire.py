"""How a client and the daemon put a call on the unix socket. Pure framing, for both ends.

Each message is one ASCII header line ``FLEET/1 <kind> <bytes>`` and a body of that many bytes; a
connection carries any number of calls, one answer each, in order. Bodies by kind:

- ``json`` request: ``{"verb": …, "args": {…}, "cap": "<hex secret or empty>"}``; answer
  ``{"ok": true, "result": {…}}`` or ``{"ok": false, "error": {…FleetError.as_dict()}}``.
- ``argv`` request: capability, working folder and the words of the command, separated by NUL;
  answered by ``text``: exit code, NUL, standard output, NUL, standard error.

This file imports nothing but the version: the quickest commands load it and little else, and start-up is a feature.
For the same reason its error is a plain ``WireError`` that a door turns into a UsageError.
"""

from __future__ import annotations

from fleet import __version__

REQUEST_LIMIT = 1024 * 1024  # bytes of a request's body
ANSWER_LIMIT = 64 * 1024 * 1024  # bytes of an answer's body
HEADER_LIMIT = 64  # bytes of a header line with its newline

REQUEST_KINDS = ("json", "argv")
ANSWER_KINDS = ("json", "text")

PROTOCOL = "FLEET/1"


class WireError(ValueError):
    """A message that does not keep to the format; ``code`` is a catalogue code, ``message`` the reason."""

    def __init__(self, code: str, message: str) -> None:
        """Take the code and what is wrong."""
        super().__init__(message)
        self.code = code
        self.message = message


def frame(kind: str, body: bytes) -> bytes:
    """One message, ready to send."""
    return b"%s %s %d\n" % (PROTOCOL.encode(), kind.encode(), len(body)) + body


def parse_header(line: bytes, kinds: tuple[str, ...], limit: int) -> tuple[str, int]:
    """Kind and body length of a header line (its newline may be there or not).

    Raises WireError FLT-DMN-001 for a malformed line or unknown kind, FLT-DMN-002 for a body above ``limit``,
    FLT-DMN-101 for another version of the protocol.
    """
    words = line.rstrip(b"\n").split(b" ")
    if words[0] != PROTOCOL.encode() and words[0][:6] == b"FLEET/" and words[0][6:].isdigit() and len(words[0]) < 12:
        theirs = words[0].decode("ascii")
        raise WireError("FLT-DMN-101", f"the other side speaks {theirs}, this one {PROTOCOL} (fleet {__version__})")
    well_formed = len(words) == 3 and words[0] == PROTOCOL.encode() and words[2].isdigit() and len(words[2]) <= 18
    kind = words[1].decode("ascii", "replace") if well_formed else ""
    if kind not in kinds:
        raise WireError("FLT-DMN-001", f"not a {PROTOCOL} header of kind {' or '.join(kinds)}: {line[:HEADER_LIMIT]!r}")
    length = int(words[2])
    if length > limit:
        raise WireError("FLT-DMN-002", f"the message has {length} bytes, the limit is {limit}")
    return kind, length


def cut(buffer: bytes, kinds: tuple[str, ...], limit: int) -> tuple[str, bytes, bytes] | None:
    """Cut the first message off what was received: kind, body, the rest; None while it is incomplete.

    Raises WireError as ``parse_header`` does, also when no newline comes within ``HEADER_LIMIT`` bytes.
    """
    end = buffer.find(b"\n", 0, HEADER_LIMIT)
    if end < 0:
        if len(buffer) >= HEADER_LIMIT:
            raise WireError("FLT-DMN-001", f"no header line within {HEADER_LIMIT} bytes")
        return None
    kind, length = parse_header(buffer[:end], kinds, limit)
    stop = end + 1 + length
    if len(buffer) < stop:
        return None
    return kind, buffer[end + 1 : stop], buffer[stop:]


def encode_argv(capability: str, folder: str, words: list[str]) -> bytes:
    """The body of an ``argv`` request. Words that were not UTF-8 travel as they came and are refused there.

    Raises WireError FLT-DMN-003 when a part holds a NUL.
    """
    parts = [capability, folder, *words]
    if any("\0" in part for part in parts):
        raise WireError("FLT-DMN-003", "a word of the command holds a NUL character")
    return b"\0".join(part.encode("utf-8", "surrogateescape") for part in parts)


def decode_argv(body: bytes) -> tuple[str, str, list[str]]:
    """Capability, working folder and words of an ``argv`` request.

    Raises WireError FLT-DMN-003 when parts are missing, FLT-DMN-004 when a word is not UTF-8.
    """
    parts = body.split(b"\0")
    if len(parts) < 3:
        raise WireError("FLT-DMN-003", "an argv request holds a capability, a folder and at least one word")
    try:
        capability, *words = (part.decode("utf-8") for part in (parts[0], *parts[2:]))
    except UnicodeDecodeError as error:
        raise WireError("FLT-DMN-004", f"a word of the command is not UTF-8: {error.reason}") from error
    return capability, parts[1].decode("utf-8", "surrogateescape"), words


def encode_text(code: int, out: str, err: str) -> bytes:
    """The body of a ``text`` answer; a NUL in ``out``, which would end it early, becomes U+FFFD."""
    clean = out.replace("\0", "\ufffd")
    return b"%d\0" % code + clean.encode("utf-8", "replace") + b"\0" + err.encode("utf-8", "replace")


def decode_text(body: bytes) -> tuple[int, str, str]:
    """Exit code, standard output and standard error. Raises WireError FLT-DMN-003 when parts are missing."""
    parts = body.split(b"\0", 2)
    if len(parts) != 3 or not parts[0].isdigit():
        raise WireError("FLT-DMN-003", "a text answer holds an exit code and two texts")
    return int(parts[0]), parts[1].decode("utf-8", "replace"), parts[2].decode("utf-8", "replace")
