"""Where the daemon of this folder listens, found without loading anything: the quick way's view of config/paths.

A test holds that this file and ``fleet.config.paths.fleet_paths`` always name the same socket.
"""

from __future__ import annotations

import os
import sys

# The private modules are 30 % of a bare start cheaper than hashlib, which loads OpenSSL.
try:
    if sys.version_info >= (3, 12):
        from _sha2 import sha256
    else:
        from _sha256 import sha256  # type: ignore[import-not-found]
except ImportError:  # pragma: no cover - every CPython so far has one
    from hashlib import sha256

TYPE_CHECKING = False  # `typing` and `collections.abc` cost 15 % of a bare start
if TYPE_CHECKING:
    from collections.abc import Mapping

_CONFIG = "/.fleet/config.yaml"
_LIMIT = 100  # bytes of a socket's path, as in config/paths
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


def checkout_above(folder: str) -> str:
    """The nearest folder at or above ``folder`` with a Fleet configuration, links resolved; "" if there is none."""
    while True:
        if os.path.isfile(folder.rstrip("/") + _CONFIG):
            return os.path.realpath(folder)
        above = os.path.dirname(folder)
        if above == folder:
            return ""
        folder = above


def fleet_id(checkout: str) -> str:
    """The name of a checkout's fleet: the folder's name made plain, and ten digits of its path's hash."""
    plain = ""
    for letter in os.path.basename(checkout).lower():
        if letter in _PLAIN:
            plain += letter
        elif plain and plain[-1] != "-":
            plain += "-"
    digest = sha256(checkout.encode("utf-8", "surrogateescape")).hexdigest()[:10]
    return f"{plain.strip('-')[:20] or 'repo'}-{digest}"


def socket_path(env: Mapping[str, str], folder: str) -> str:
    """The daemon's socket: what FLEET_SOCKET says, else that of the checkout around ``folder``.

    "" when there is no fleet here or the path is too long for a socket: the full way explains that.
    """
    named = env.get("FLEET_SOCKET")
    if named:
        return named
    checkout = checkout_above(folder)
    if not checkout:
        return ""
    home = env.get("XDG_RUNTIME_DIR") or f"/tmp/fleet-{os.getuid()}"
    path = f"{home.rstrip('/')}/fleet/{fleet_id(checkout)}/fleet.sock"
    return path if len(path.encode("utf-8", "surrogateescape")) <= _LIMIT else ""
