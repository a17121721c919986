"""What is signed, as bytes: key statements, checkpoints, seals of archives and the ends of exports. Pure.

A statement is one JSON object in its only form: sorted keys, no spaces, ASCII. Whoever checks a signature
checks the bytes and then parses them, never the other way round.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from fleet.core.journal import GENESIS

KEY_FORMAT = "fleet-key-1"
CHECKPOINT_FORMAT = "fleet-checkpoint-1"
ARCHIVE_FORMAT = "fleet-archive-1"


def canonical(value: Mapping[str, object]) -> str:
    """The one form of a JSON object."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def parsed(text: str) -> dict[str, object] | None:
    """The object of a statement; None unless the text is exactly the one form of a JSON object."""
    try:
        found = json.loads(text)
        fits = isinstance(found, dict) and canonical(found) == text
    except (ValueError, RecursionError):
        return None
    return found if fits else None


def key_id_of(public: str) -> str:
    """How a key is called: the first 16 digits of its public key's SHA-256. Raises ValueError if not hex."""
    return hashlib.sha256(bytes.fromhex(public)).hexdigest()[:16]


def link_of(statement: str, signature: str) -> str:
    """What the next checkpoint names as its predecessor."""
    return hashlib.sha256(f"{statement}\n{signature}".encode()).hexdigest()


def key_statement(fleet: str, public: str, *, replaces: str, lost: bool, reason: str, at: int) -> str:
    """``public`` signs for ``fleet`` from now on; ``replaces`` is the id of the key before ("" for the first)."""
    return canonical(
        {
            "format": KEY_FORMAT,
            "fleet": fleet,
            "key": key_id_of(public),
            "public": public,
            "replaces": replaces,
            "lost": lost,
            "reason": reason,
            "at": at,
        }
    )


def checkpoint_statement(
    fleet: str, number: int, heads: Mapping[str, tuple[int, str]], *, previous: str, key: str, at: int
) -> str:
    """The journal stood at ``heads`` (writer -> sequence and hash). ``previous`` links to the checkpoint before."""
    return canonical(
        {
            "format": CHECKPOINT_FORMAT,
            "fleet": fleet,
            "number": number,
            "heads": {writer: [seq, digest] for writer, (seq, digest) in heads.items()},
            "entries": sum(seq for seq, _ in heads.values()),
            "previous": previous or GENESIS,
            "key": key,
            "at": at,
        }
    )


def archive_statement(facts: Mapping[str, object]) -> str:
    """A prefix of the journal was put into a file; ``facts`` names both, and what was kept."""
    return canonical({"format": ARCHIVE_FORMAT, **facts})
