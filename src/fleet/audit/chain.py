"""Walk a hash chain and name the first entry that was edited, inserted, removed or moved. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fleet.core.journal import GENESIS, Entry, entry_seal, payload_seal, sealed_columns


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that does not fit: the entry's sequence and id, what is wrong, in words."""

    seq: int
    id: str
    what: str

    def as_dict(self) -> dict[str, object]:
        """The fault as doors print it."""
        return {"seq": self.seq, "id": self.id, "what": self.what}


@dataclass(frozen=True, slots=True)
class Verification:
    """Outcome of a walk: how many entries fitted, the last good hash, erased payloads, the first fault."""

    entries: int
    head_seq: int
    head_hash: str
    erased: tuple[int, ...]
    fault: Fault | None

    @property
    def ok(self) -> bool:
        """True when every entry fits."""
        return self.fault is None


def verify(
    walk: Iterable[tuple[Entry, bytes | None, bytes | None]], *, erasures: frozenset[str] = frozenset()
) -> Verification:
    """Check entries (each with raw salt and payload bytes) in stored order.

    ``erasures`` holds the ids of entries whose payload was erased on record: only those may lack theirs.
    """
    count = 0
    seq, prev_hash = 0, GENESIS
    erased: list[int] = []
    for entry, salt, body in walk:
        fault = _fault_of(entry, salt, body, seq, prev_hash, erasures)
        if fault is not None:
            return Verification(count, seq, prev_hash, tuple(erased), fault)
        if body is None:
            erased.append(entry.seq)
        count += 1
        seq, prev_hash = entry.seq, entry.hash
    return Verification(count, seq, prev_hash, tuple(erased), None)


def _fault_of(
    entry: Entry, salt: bytes | None, body: bytes | None, last_seq: int, prev_hash: str, erasures: frozenset[str]
) -> Fault | None:
    """What is wrong with one entry after the given predecessor, or None."""
    if entry.seq != last_seq + 1:
        missing = f"entries {last_seq + 1} to {entry.seq - 1} are missing" if entry.seq > last_seq else "out of order"
        return Fault(entry.seq, entry.id, f"follows {last_seq}: {missing}")
    if entry.prev_hash != prev_hash:
        return Fault(entry.seq, entry.id, "does not continue the chain: it or its predecessor was replaced or moved")
    if entry_seal(prev_hash, sealed_columns(entry)) != entry.hash:
        return Fault(entry.seq, entry.id, "was edited: its content does not match its seal")
    if salt is None or body is None:
        if entry.id in erasures:
            return None
        return Fault(entry.seq, entry.id, "lost its payload, and no payload.erased entry says why")
    if payload_seal(salt, body) != entry.payload_hash:
        return Fault(entry.seq, entry.id, "has a payload that does not match its seal")
    return None
