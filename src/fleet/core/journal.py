"""The journal's record and its seal: what one entry holds and how the chain covers it.

The hash runs over length-prefixed column values, never over re-serialised text, and covers a salted
hash of the payload instead of the payload, so that a leaked secret can be erased without breaking it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fleet.core.errors import UsageError

PAYLOAD_LIMIT = 256 * 1024  # bytes of JSON
SUMMARY_LIMIT = 500  # characters
GENESIS = "0" * 64
_ENTRY_TAG = b"fleet-journal-1"
_PAYLOAD_TAG = b"fleet-payload-1"


class Stream(StrEnum):
    """The three views of the one journal."""

    EVENT = "event"  # Fabric: routed to subscribers
    DECISION = "decision"  # what policy or a person decided, with the facts
    ACTIVITY = "activity"  # what the machinery did


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before it has a place in the journal.

    ``dedup_key`` makes an entry unique: appending it twice records it once. ``work_item`` is the ticket
    (``ticket/7``) or lone pull request that the entry belongs to; ``agent`` the agent it is about.
    """

    stream: Stream
    type: str
    actor: str
    subject: str = ""
    summary: str = ""
    payload: Mapping[str, object] = field(default_factory=dict)
    kind: str = ""
    generation: str = ""
    work_item: str = ""
    agent: str = ""
    run_id: str = ""
    cause_id: str = ""
    dedup_key: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One sealed entry. ``payload`` is None when it was erased or not asked for."""

    seq: int
    id: str
    writer: str
    stream: str
    type: str
    kind: str
    actor: str
    subject: str
    generation: str
    work_item: str
    agent: str
    run_id: str
    cause_id: str
    dedup_key: str | None
    summary: str
    at: int
    payload_hash: str
    prev_hash: str
    hash: str
    payload: dict[str, object] | None = None

    def as_dict(self) -> dict[str, object]:
        """The entry as doors print it."""
        return {
            "seq": self.seq,
            "id": self.id,
            "stream": str(self.stream),
            "type": self.type,
            "kind": self.kind,
            "actor": self.actor,
            "subject": self.subject,
            "generation": self.generation,
            "work_item": self.work_item,
            "agent": self.agent,
            "run_id": self.run_id,
            "cause_id": self.cause_id,
            "summary": self.summary,
            "at": self.at,
            "hash": self.hash,
            "payload": self.payload,
        }


def encode_payload(payload: Mapping[str, object]) -> bytes:
    """Return the bytes that are stored and hashed. Raises UsageError FLT-FAB-001/002."""
    try:
        body = json.dumps(payload, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError("FLT-FAB-001", f"the payload is not plain JSON: {error}") from error
    if len(body) > PAYLOAD_LIMIT:
        raise UsageError(
            "FLT-FAB-002",
            f"the payload has {len(body)} bytes, the limit is {PAYLOAD_LIMIT}",
            hint="Put large content into the repository and send its path.",
        )
    return body


def payload_seal(salt: bytes, body: bytes) -> str:
    """SHA-256 over tag, salt and body, in hex."""
    return hashlib.sha256(_PAYLOAD_TAG + salt + body).hexdigest()


def entry_seal(prev_hash: str, columns: tuple[str | int | None, ...]) -> str:
    """SHA-256 over the previous hash and every column, each with its length in front, in hex."""
    digest = hashlib.sha256(_ENTRY_TAG)
    for value in (prev_hash, *columns):
        if value is None:
            digest.update(b"-,")
            continue
        data = str(value).encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(data) + data + b",")
    return digest.hexdigest()


def sealed_columns(entry: Entry) -> tuple[str | int | None, ...]:
    """The columns of an entry that the seal covers, in their fixed order."""
    return (
        entry.seq,
        entry.id,
        entry.writer,
        str(entry.stream),
        entry.type,
        entry.kind,
        entry.actor,
        entry.subject,
        entry.generation,
        entry.work_item,
        entry.agent,
        entry.run_id,
        entry.cause_id,
        entry.dedup_key,
        entry.summary,
        entry.at,
        entry.payload_hash,
    )
