"""The digest of a text: what somebody has seen is told by it from what stands there now. Pure."""

from __future__ import annotations

import hashlib

HOLD_LABEL = "fleet:hold"  # while a ticket or pull request carries it, nothing starts for it and nothing merges


def remark_digest(at: int, body: str) -> str:
    """What tells a remark from all others, also from itself before an edit; ``at`` in microseconds."""
    return hashlib.sha256(f"{at}:{body}".encode("utf-8", "surrogatepass")).hexdigest()[:24]


def text_digest(title: str, body: str) -> str:
    """The digest of the text of an issue or pull request."""
    return hashlib.sha256(f"{len(title)}:{title}{body}".encode("utf-8", "surrogatepass")).hexdigest()
