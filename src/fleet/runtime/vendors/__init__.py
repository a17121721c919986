"""Which program plays an agent: one file a vendor, and the table that names them.

Takes a start, gives an argument list, variables and files. Weakness: a vendor without hooks of its own (scripted,
command) is seen only through its exit and the events it causes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fleet.runtime.vendors import claude_code, command, scripted
from fleet.runtime.vendors.port import Guarantee, Vendor

VENDORS: Mapping[str, Vendor] = MappingProxyType(
    {
        "scripted": Vendor(scripted.launch, keeps=frozenset({Guarantee.REPEATABLE})),
        "command": Vendor(command.launch, keeps=frozenset(), exit_code_counts=False),
        "claude-code": Vendor(
            claude_code.launch,
            keeps=frozenset(Guarantee) - {Guarantee.REPEATABLE, Guarantee.NUDGED},
            exit_code_counts=False,
            reports=True,
            pins=claude_code.PINS,
            adds=claude_code.adds,
        ),
    }
)
