"""Secrets to plant, and the shapes in which they may be met. None of them ever opened anything."""

from __future__ import annotations

import base64
from urllib.parse import quote

# name -> the secret, and how it stands in a sentence or a setting
SECRETS: dict[str, tuple[str, str]] = {
    "github classic": ("ghp_R8x2mQ7vK3tZ9wL5nB1cY6dF4gH0jS2aP8eU", "{}"),
    "github fine": ("github_pat_11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZ0123456789abcdefGHIJKLmnop", "{}"),
    "anthropic": ("sk-ant-api03-Zk3vQ9xT2mW7pL5nB8cY1dF4gH6jS0aReU-AA", "{}"),
    "aws id": ("AKIAQ3EXAMPLE7PLANT9", "{}"),
    "aws secret": ("wJ4lrXUtnF3MI/K7MD2NG/bPx5fiCYEX9MPLEK8Y", "{}"),
    "bearer": ("Zx81kQpLm0vTwYb3", "Authorization: Bearer {}"),
    "jwt": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJlLWhlcmU", "{}"),
    "address": ("Pa55-of-a-url", "https://ann:{}@example.org/x.git"),
    "setting": ("hunter2-planted", "password={}"),
    "quoted setting": ("two words 9planted", 'db_secret: "{}"'),
    "env file": ("plainwordfromenvfile", "{}"),  # known only because it stands in .env
    "environment": ("OrdinaryLookingValue", "{}"),  # known only because a variable named SECRET holds it
    "capability": ("9f3c1d7be2a8460f5b9d3e7a1c8f2046d5b7e9a3c1f80d2467b9e5a3d1c7f082", "{}"),
    "pem": ("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj",
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----"),
    "slack": ("xoxb-123456789012-AbCdEfGhIjKlMnOpQrStUvWx", "{}"),
}  # fmt: skip

_LINE = 12


def shapes_of(name: str) -> dict[str, tuple[str, str]]:
    """Ways to write a secret: name -> (the text to plant, what must not be found afterwards)."""
    secret, frame = SECRETS[name]
    plain = frame.format(secret)
    found = {
        "plain": (plain, secret),
        "base64": (base64.b64encode(plain.encode()).decode(), base64.b64encode(secret.encode()).decode()[:-4]),
        "percent": (quote(plain, safe=""), quote(secret, safe="")),
        "double percent": (quote(quote(plain, safe=""), safe=""), quote(secret, safe="")),
    }
    if " " not in secret and "/" not in frame:
        pieces = [secret[at : at + _LINE] for at in range(0, len(secret), _LINE)]
        if len(pieces[-1]) < 6:
            pieces[-2:] = ["".join(pieces[-2:])]
        found["split"] = (frame.format("\n".join(pieces)), pieces[0])
    return found
