"""What ``gh api -i`` printed, as a reply; and what a reply that is no answer means, by who must act. Pure.

The status line decides, never gh's exit code: gh ends with 1 for a 304, which is an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleet.core.errors import Conflict, FleetError, NotFound, PermanentError, Refused, TemporaryError

_STATUS = re.compile(r"HTTP/[0-9.]+ ([0-9]{3})")
_NEXT = re.compile(r'<([^<>]+)>;\s*rel="next"')
SECONDARY_PAUSE = 60.0  # seconds; what GitHub asks for when it names no time


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: status, headers with lower-case names, and the body as it came."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def etag(self) -> str:
        """The validator, with its quotes; "" when there is none."""
        return self.headers.get("etag", "")

    @property
    def next_path(self) -> str:
        """Path and query of the next page; "" on the last one."""
        found = _NEXT.search(self.headers.get("link", ""))
        return re.sub(r"^https?://[^/]+/", "", found[1]) if found else ""

    def json(self) -> Any:
        """The body read as JSON. Raises TemporaryError FLT-GHB-004 for anything else, such as a proxy's page."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise TemporaryError("FLT-GHB-004", "GitHub's answer is not JSON", retry_after=5.0) from error


def parse(text: str) -> Reply | None:
    """Cut the output of ``gh api -i`` into its parts; None where no status line begins it."""
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    lines = head.split("\n")
    status = _STATUS.match(lines[0])
    if status is None:
        return None
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return Reply(int(status[1]), headers, body)


def problem(reply: Reply, what: str, *, now: int) -> FleetError | None:
    """The error that a reply amounts to; None for 2xx and 304. ``now`` is in seconds since 1970.

    TemporaryError carries the seconds that GitHub asks to wait: ``Retry-After``, else the reset of the
    limit that is used up, else a minute.
    """
    if reply.status < 300 or reply.status == 304:
        return None
    words = _message(reply)
    if reply.status in (403, 429) and _is_limit(reply, words):
        return TemporaryError(
            "FLT-GHB-002",
            f"GitHub limits our requests: {words}",
            where=what,
            hint="Nothing to do: the fleet goes on when GitHub allows it.",
            retry_after=_pause(reply, now),
        )
    if reply.status >= 500:
        return TemporaryError("FLT-GHB-003", f"GitHub fails with {reply.status}", where=what, retry_after=5.0)
    return _refusal(reply.status, words, what)


def _refusal(status: int, words: str, what: str) -> FleetError:
    """A clear no: by who has to act."""
    if status == 401:
        return TemporaryError(
            "FLT-GHB-001",
            "GitHub does not accept our login",
            where=what,
            hint="Log in again: gh auth login; see: gh auth status",
            retry_after=10.0,
        )
    if status == 403:
        return Refused(
            "FLT-GHB-005",
            f"our login may not do this: {words}",
            where=what,
            hint="Give it write access to the repository, or the missing scope: gh auth refresh -s repo",
        )
    if status in (404, 410):
        return NotFound("FLT-GHB-006", "GitHub knows no such thing, or hides it from our login", where=what)
    if status == 409:
        return Conflict("FLT-GHB-007", f"GitHub says conflict: {words}", where=what)
    return PermanentError("FLT-GHB-008", f"GitHub refuses with {status}: {words}", where=what)


def _message(reply: Reply) -> str:
    """GitHub's own words, as one bounded line."""
    try:
        found = json.loads(reply.body)
    except ValueError:
        return "no explanation"
    if not isinstance(found, dict):
        return "no explanation"
    errors = found.get("errors")
    details = [
        str(item.get("message", "")) if isinstance(item, dict) else str(item)
        for item in (errors if isinstance(errors, list) else ())
    ]
    text = "; ".join(part for part in (str(found.get("message", "")), *details) if part)
    return " ".join(text.split())[:300] or "no explanation"


def _is_limit(reply: Reply, words: str) -> bool:
    used_up = reply.headers.get("x-ratelimit-remaining") == "0"
    return reply.status == 429 or used_up or "retry-after" in reply.headers or "rate limit" in words.lower()


def _pause(reply: Reply, now: int) -> float:
    """Seconds to wait, between one and an hour."""
    asked = reply.headers.get("retry-after", "")
    if asked.isdigit():
        seconds = float(asked)
    elif reply.headers.get("x-ratelimit-remaining") == "0" and reply.headers.get("x-ratelimit-reset", "").isdigit():
        seconds = float(int(reply.headers["x-ratelimit-reset"]) - now)
    else:
        seconds = SECONDARY_PAUSE
    return min(max(seconds, 1.0), 3600.0)
