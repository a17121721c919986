"""What GitHub shows in the port's words: with who is behind it, and labels that wake only from those whose count."""

from __future__ import annotations

from typing import Any

from fleet.forge.github.people import People
from fleet.forge.github.shapes import Principal, as_comment, as_pull, as_ticket, unmarked
from fleet.forge.github.view import WAKING, View
from fleet.forge.port import Comment, LabelMark, Pull, Ticket


class Reading:
    """One repository's issues, pull requests and remarks."""

    def __init__(self, view: View, people: People, repo: str, base: str) -> None:
        """Take who knows what is shown, who knows the people, and the short name of the base branch."""
        self._view = view
        self._people = people
        self._repo = repo
        self._base = base

    def ticket(self, item: Any, *, listed: bool = False) -> Ticket:
        """An issue; ``listed`` among others: nothing is done about it yet."""
        return as_ticket(item, self._marks(item), self._authors(item, listed), self._people.own_login())

    def pull(self, item: Any, base: str, *, listed: bool = False) -> Pull:
        """A pull request; ``base`` is the fleet's base commit."""
        who, own = self._authors(item, listed), self._people.own_login()
        return as_pull(item, self._marks(item), who, own, self._repo, (self._base, base))

    def comment(self, item: Any, number: int) -> Comment:
        """A remark."""
        return as_comment(item, number, self._people.of, self._people.own_login())

    def carries(self, item: Any, marker: str) -> bool:
        """Whether our own login wrote this, with that mark at its end."""
        ours = str((item.get("user") or {}).get("login", "")) == self._people.own_login()
        return ours and unmarked(str(item.get("body") or ""))[1].get("mark") == marker

    def _authors(self, item: Any, listed: bool) -> Principal:
        """Who somebody is as the author of this: of what is only listed and wakes nobody, that may be known of old."""
        return self._people.as_listed(item) if listed and not self._view.wakes(item) else self._people.of

    def _marks(self, item: Any) -> tuple[LabelMark, ...]:
        """Labels as marks. One that wakes counts only when somebody put it on whose labels count here."""
        found = {}
        for mark in self._view.marks(item):
            actor = self._people.principal(mark.actor, self._view.accounts.get(mark.actor, 0)) if mark.actor else ""
            name = self._view.names.inside(mark.name)
            if name in WAKING and not actor.startswith(("human:", "bot:")):
                continue
            found[name] = LabelMark(name, actor, mark.mark_id, mark.at)
        return tuple(found[name] for name in sorted(found))
