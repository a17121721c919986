"""The demo on a terminal: the steps of the chain and the agents stand still, what happens scrolls above them.

The only file that loads rich.
"""

from __future__ import annotations

from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from fleet.cli.demo.chain import Chain, Entry
from fleet.cli.demo.view import line_of
from fleet.cli.output import Style, visible


class Screen:
    """Tells the demo on a terminal; use it as a context manager."""

    def __init__(self, *, colour: bool) -> None:
        """Take whether to colour."""
        self._console = Console(no_color=not colour, highlight=False)
        self._live = Live(console=self._console, refresh_per_second=8, transient=True)
        self._spinner = Spinner("dots")

    def __enter__(self) -> Screen:
        """Take over the bottom of the terminal."""
        self._live.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Give it back; the scrolled lines stay."""
        self._live.stop()

    def say(self, text: str) -> None:
        """One line of the frame story."""
        self._console.print(Text(f"  {visible(text)}"))

    def show(self, entry: Entry, chain: Chain) -> None:
        """Scroll a line if the entry is worth one, and bring steps and agents up to date."""
        line = line_of(entry, chain, Style())
        if line:
            self._console.print(Text(line))
        self._live.update(self._picture(chain))

    def _picture(self, chain: Chain) -> Group:
        steps = Table.grid(padding=(0, 1))
        current = next((name for name, _ in chain.steps if name not in chain.reached), "")
        for name, text in chain.steps:
            if name in chain.reached:
                when = f"{chain.offset(chain.reached[name]):5.1f}s"
                steps.add_row(Text("✓", "green"), Text(text), Text(when, "dim"))
            elif name == current:
                steps.add_row(self._spinner, Text(text, "bold"), "")
            else:
                steps.add_row(Text("·", "dim"), Text(text, "dim"), "")
        agents = Table.grid(padding=(0, 2))
        for member in chain.members.values():
            style = {"works": "bold yellow", "waits": "dim"}.get(member.state, "red")
            agents.add_row(Text(member.name, "cyan"), Text(member.state, style), Text(", ".join(member.deeds), "dim"))
        return Group(Text(""), steps, Text(""), agents)
