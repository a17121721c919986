"""Who is who at GitHub: our own login, and who may write to the repository right now."""

from __future__ import annotations

from fleet.core.clock import SECOND, Clock
from fleet.core.errors import NotFound
from fleet.forge.github.client import Client

MAY_LABEL = ("write", "maintain", "admin")
BELIEVED_SECONDS = 60  # how long a person's permission is believed


class People:
    """The accounts of one repository."""

    def __init__(self, client: Client, repo: str, clock: Clock) -> None:
        """Nothing is asked until somebody is asked about."""
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

    def principal(self, login: str) -> str:
        """``human:<login>`` for somebody who may write to the repository, else ``outsider:<login>``."""
        if not login:
            return "outsider:ghost"  # the name GitHub gives to deleted accounts
        self._forget_another_login()
        now = self._clock.now()
        at, permission = self._permissions.get(login, (-1, ""))
        if at < 0 or not at <= now < at + BELIEVED_SECONDS * SECOND:
            permission = self._ask(login)
            self._permissions[login] = (now, permission)
        return f"human:{login}" if permission in MAY_LABEL else f"outsider:{login}"

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
        return role if role in MAY_LABEL else str(found.get("permission") or "none")
