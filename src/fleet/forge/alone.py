"""What a forge without a server answers to questions that only a server could be asked."""

from __future__ import annotations

from fleet.core.label import LabelSpec
from fleet.core.live import LiveCheck
from fleet.forge.port import BaseRules, Condition, Hurdle


class Alone:
    """The part of the port that is the same whatever happened."""

    keeps_labels = False

    def renew(self) -> None:
        """Nothing: what is shown is always as it is."""

    def condition(self) -> Condition:
        """Always well."""
        return Condition()

    def checks(self, number: int, *, fresh: bool = False) -> tuple[LiveCheck, ...]:
        """Nothing: no program reports to this forge."""
        return ()

    def rules(self) -> BaseRules:
        """None beside the fleet's own."""
        return BaseRules()

    def hurdles(self) -> tuple[Hurdle, ...]:
        """None."""
        return ()

    def keep_label(self, label: LabelSpec) -> None:
        """Nothing: every label may be put on."""
