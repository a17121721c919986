"""Files of variables for setup commands: private to their owner, one NAME=value a line. Values are never printed."""

from __future__ import annotations

import os
import re
import stat

from fleet.core.errors import PermanentError

_LIMIT = 64 * 1024  # bytes
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_env_file(path: str) -> dict[str, str]:
    """The variables of one file. Everything behind the first = is the value, as it stands.

    Empty lines and lines that begin with # count for nothing. Raises PermanentError FLT-CFG-120 for a file that is
    missing, not private, not yours, or malformed; the message holds no value.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _unfit(path, error.strerror or str(error)) from error
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
            raise _unfit(path, "it must be a plain file of yours with mode 0600")
        data = file.read(_LIMIT + 1)
    if len(data) > _LIMIT or b"\0" in data:
        raise _unfit(path, f"it must be text of at most {_LIMIT} bytes")
    found: dict[str, str] = {}
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not _NAME.fullmatch(name) or name.startswith("FLEET_"):
            raise _unfit(path, f"line {number} is not NAME=value (names that begin with FLEET_ are taken)")
        found[name] = value
    return found


def _unfit(path: str, why: str) -> PermanentError:
    return PermanentError(
        "FLT-CFG-120",
        f"the variables for the setup cannot be read: {why}",
        where=path,
        hint=f"Write NAME=value lines into it, then: chmod 600 {path}",
    )
