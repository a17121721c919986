"""Who is who at GitHub: our own login, and who may write to the repository right now."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from fleet.core.clock import SECOND, Clock
from fleet.core.errors import NotFound
from fleet.forge.github.client import Client

RANKS = ("triage", "write", "maintain", "admin")  # what may be asked of whoever puts a label on, least first
BELIEVED_SECONDS = 60  # how long a person's permission is believed
LISTED_SECONDS = 600  # and where it only tells whose text something is that wakes nobody


class People:
    """The accounts of one repository."""

    def __init__(
        self, client: Client, repo: str, clock: Clock, *, permission: str = "write", bots: tuple[int, ...] = ()
    ) -> None:
        """Nothing is asked until somebody is asked about.

        ``permission`` is the least that a person needs; ``bots`` are the numeric ids of accounts that need none.
        """
        self._enough = RANKS[RANKS.index(permission) :]
        self._bots = frozenset(bots)
        self._client = client
        self._root = f"repos/{repo}"
        self._clock = clock
        self._own_login = ""
        self._permissions: dict[str, tuple[int, str]] = {}
        self._login = 0

    def own_login(self) -> str:
        """The login that our requests are made by."""
        self._forget_another_login()
        if not self._own_login:
            self._own_login = str(self._client.read("user")["login"])
        return self._own_login

    def of(self, account: Mapping[str, Any] | None, seconds: float = BELIEVED_SECONDS) -> str:
        """Whoever GitHub says that something is from."""
        found = account or {}
        return self.principal(str(found.get("login") or ""), int(found.get("id") or 0), seconds)

    def as_listed(self, item: Mapping[str, Any]) -> Callable[[Mapping[str, Any] | None], str]:
        """Who wrote something in a listing: asked about seldom, and not again where it is closed.

        Whatever is done about one issue or pull request looks at that one alone, and asks anew.
        """
        return partial(self.of, seconds=LISTED_SECONDS if item.get("state") == "open" else math.inf)

    def principal(self, login: str, account: int = 0, seconds: float = BELIEVED_SECONDS) -> str:
        """``human:<login>`` for somebody with the permission, ``bot:<login>`` for a bot of ours, else ``outsider:``.

        A bot counts by its number: its name somebody else may have tomorrow. What was found so many ``seconds`` ago
        is believed.
        """
        if not login:
            return "outsider:ghost"  # the name GitHub gives to deleted accounts
        if account in self._bots:
            return f"bot:{login}"
        self._forget_another_login()
        now = self._clock.now()
        at, permission = self._permissions.get(login, (-1, ""))
        if at < 0 or not at <= now < at + seconds * SECOND:
            permission = self._ask(login)
            self._permissions[login] = (now, permission)
        return f"human:{login}" if permission in self._enough else f"outsider:{login}"

    def _forget_another_login(self) -> None:
        if self._client.logins != self._login:
            self._login, self._own_login, self._permissions = self._client.logins, "", {}

    def _ask(self, login: str) -> str:
        """The finer of the two words that GitHub has for a permission, where it is one that counts."""
        try:
            found = self._client.read(f"{self._root}/collaborators/{login}/permission")
        except NotFound:
            return "none"
        role = str(found.get("role_name") or "")
        return role if role in RANKS else str(found.get("permission") or "none")
