"""ARCHITECTURE.md says of every table of the store who makes its rows and who moves them."""

from __future__ import annotations

import re
from pathlib import Path

from fleet.store.open import open_for_daemon

ROOT = Path(__file__).resolve().parents[2]
# Tables that belong to the row of another one, and those of the schema itself, which only migrations write.
WITHIN = {
    "journal_payloads": "journal",
    "archived_keys": "archives",
    "forge_comments": "forge tables",
    "forge_labels": "forge tables",
    "forge_pulls": "forge tables",
    "forge_tickets": "forge tables",
    "risk_labels": "risk labels and models",
    "risk_models": "risk labels and models",
    "meta": "",
    "schema_version": "",
}


def test_every_table_has_its_owners_in_the_architecture(tmp_path: Path) -> None:
    db = open_for_daemon(tmp_path / "fleet.db")
    rows = db.read(
        lambda tx: tx.all("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    )
    db.close()
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    told = {
        name.strip()
        for cell in re.findall(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \|$", page, re.M)
        for name in cell.split(",")
    }
    wanted = {WITHIN.get(name, name.replace("_", " ")) for (name,) in rows} - {""}
    assert sorted(wanted - told) == [], "add them to the table of owners in ARCHITECTURE.md"
    assert sorted(told - wanted - {"table"}) == [], "they are no tables any more"
