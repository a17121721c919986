"""Labels at GitHub: those on an issue or pull request, and those that the repository keeps.

Outside this file and the view, a label has the fleet's own name for it; here it gets the prefix.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import quote

from fleet.core.errors import NotFound, PermanentError
from fleet.core.label import LabelNames, LabelSpec
from fleet.forge.github.client import Client


class Labels:
    """The labels of one repository."""

    def __init__(self, client: Client, repo: str, names: LabelNames) -> None:
        """``names`` is how they are called there."""
        self._client = client
        self._root = f"repos/{repo}"
        self._names = names
        self._lock = threading.Lock()  # between reading an issue's labels and replacing them

    def set(
        self, number: int, add: tuple[str, ...], remove: tuple[str, ...], changed: Callable[[], None]
    ) -> tuple[str, ...]:
        """Read an issue's labels and replace them in one request; nothing is written where nothing changes.

        ``changed`` is called after a write. Raises NotFound for an unknown number.
        """
        path = f"{self._root}/issues/{number}/labels"
        with self._lock:
            items = self._client.read(f"{path}?per_page=100")
            present = [str(item["name"]) for item in items]
            wanted = self._after(present, add, remove)
            if wanted != present:
                self._client.write("PUT", path, {"labels": wanted})
                changed()
        return tuple(sorted({self._names.inside(name) for name in wanted}))

    def _after(self, present: list[str], add: tuple[str, ...], remove: tuple[str, ...]) -> list[str]:
        gone = {name for label in remove for name in self._names.all_outside(label)}
        kept = [name for name in present if name not in gone]
        missing = [label for label in add if not set(self._names.all_outside(label)) & set(kept)]
        return kept + [self._names.outside(label) for label in missing]

    def kept(self) -> tuple[LabelSpec, ...]:
        """All that the repository keeps, by the names they have there."""
        found = self._client.pages(f"{self._root}/labels?per_page=100")
        self._client.forget(f"{self._root}/labels?")
        return tuple(
            LabelSpec(str(item["name"]), str(item["color"]).lower(), str(item.get("description") or ""))
            for item in found
        )

    def keep(self, label: LabelSpec) -> None:
        """Make a label, or give the one of this name its colour and description."""
        facts = {"color": label.color, "description": label.description}
        try:
            self._client.write("POST", f"{self._root}/labels", {"name": label.name, **facts})
        except PermanentError as error:
            try:
                self._client.write("PATCH", f"{self._root}/labels/{quote(label.name, safe='')}", facts)
            except NotFound:
                raise error from None  # not because it is there
