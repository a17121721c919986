"""Walk a hash chain and name the first entry that was edited, inserted, removed or moved. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from fleet.core.journal import GENESIS, Entry, entry_seal, payload_seal, sealed_columns

Walk = Iterable[tuple[Entry, bytes | None, bytes | None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that does not fit: the entry's sequence and id, what is wrong, in words.

    ``kind`` says what it was found in: entry, checkpoint, key, anchor or archive.
    """

    seq: int
    id: str
    what: str
    kind: str = "entry"

    def as_dict(self) -> dict[str, object]:
        """The fault as doors print it."""
        return {"seq": self.seq, "id": self.id, "what": self.what, "kind": self.kind}


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


@dataclass(frozen=True, slots=True)
class Sealed:
    """A prefix that lies in an archive: up to which entry, and its hash."""

    seq: int
    hash: str


NOTHING_SEALED = Sealed(0, GENESIS)


def kept_digest_of(seqs: Iterable[int]) -> str:
    """A digest over the sequences that stay in the store although an archive holds them."""
    digest = hashlib.sha256()
    for seq in seqs:
        digest.update(b"%d\n" % seq)
    return digest.hexdigest()


def verify(
    walk: Walk,
    *,
    erasures: frozenset[str] = frozenset(),
    after: int = 0,
    prev_hash: str = GENESIS,
    sealed: Sealed = NOTHING_SEALED,
) -> Verification:
    """Check entries (each with raw salt and payload bytes) in stored order.

    ``erasures`` holds the ids of entries whose payload was erased on record: only those may lack theirs.
    The walk continues the chain that stands at ``after`` with ``prev_hash``; entries that ``sealed`` covers may
    be missing.
    """
    count = 0
    erased: list[int] = []
    open_prefix = after < sealed.seq
    position, digest = after, prev_hash
    for entry, salt, body in walk:
        if open_prefix and entry.seq > sealed.seq:
            open_prefix, position, digest = False, sealed.seq, sealed.hash
        fault = _fault_of(entry, salt, body, position, digest, erasures, sealed if open_prefix else None)
        if fault is not None:
            return Verification(count, position, digest, tuple(erased), fault)
        if body is None:
            erased.append(entry.seq)
        count += 1
        position, digest = entry.seq, entry.hash
    if open_prefix:  # nothing lies behind the archive
        position, digest = sealed.seq, sealed.hash
    return Verification(count, position, digest, tuple(erased), None)


def _fault_of(
    entry: Entry,
    salt: bytes | None,
    body: bytes | None,
    last_seq: int,
    prev_hash: str,
    erasures: frozenset[str],
    sealed: Sealed | None,
) -> Fault | None:
    """What is wrong with one entry after the given predecessor, or None."""
    fault = _misplaced(entry, last_seq, prev_hash, sealed)
    if fault is not None:
        return fault
    if entry_seal(entry.prev_hash, sealed_columns(entry)) != entry.hash:
        return Fault(entry.seq, entry.id, "was edited: its content does not match its seal")
    if salt is None or body is None:
        if entry.id in erasures:
            return None
        return Fault(entry.seq, entry.id, "lost its payload, and no payload.erased entry says why")
    if payload_seal(salt, body) != entry.payload_hash:
        return Fault(entry.seq, entry.id, "has a payload that does not match its seal")
    return None


def _misplaced(entry: Entry, last_seq: int, prev_hash: str, sealed: Sealed | None) -> Fault | None:
    """Whether an entry stands where it belongs; inside a sealed prefix gaps are in order."""
    if entry.seq != last_seq + 1 and (sealed is None or entry.seq <= last_seq):
        missing = f"entries {last_seq + 1} to {entry.seq - 1} are missing" if entry.seq > last_seq else "out of order"
        return Fault(entry.seq, entry.id, f"follows {last_seq}: {missing}")
    if entry.seq == last_seq + 1 and entry.prev_hash != prev_hash:
        return Fault(entry.seq, entry.id, "does not continue the chain: it or its predecessor was replaced or moved")
    if sealed is not None and entry.seq == sealed.seq and entry.hash != sealed.hash:
        return Fault(entry.seq, entry.id, "is not the entry that the archive ends with")
    return None
