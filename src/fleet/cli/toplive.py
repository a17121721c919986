"""``fleet top`` on a terminal: a screen of its own that is given back however it ends. Loads rich."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text


class Screen:
    """The terminal's other screen; use it as a context manager."""

    def __init__(self) -> None:
        """Nothing is touched yet. What is drawn comes coloured or not, as the caller decided."""
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, screen=True, auto_refresh=False)

    def __enter__(self) -> Screen:
        """Take the screen."""
        self._live.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Give it back, cursor included."""
        self._live.stop()

    def draw(self, text: str) -> None:
        """Show this in place of what is there."""
        self._live.update(Text.from_ansi(text), refresh=True)
