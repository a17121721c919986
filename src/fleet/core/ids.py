"""Identifiers that sort by time, fit into paths, refs and tmux names, and are never reused."""

from __future__ import annotations

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32, lower case


def make_id(prefix: str, now_us: int, entropy: bytes) -> str:
    """Return ``prefix`` + 10 characters of milliseconds + 8 of entropy.

    ``now_us`` is microseconds since the epoch (UTC); ``entropy`` must hold at least 5 random bytes.
    """
    value = ((now_us // 1000) << 40) | int.from_bytes(entropy[:5], "big")
    chars: list[str] = []
    for _ in range(18):
        value, digit = divmod(value, 32)
        chars.append(_ALPHABET[digit])
    return prefix + "".join(reversed(chars))
