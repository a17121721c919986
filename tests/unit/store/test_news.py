"""Who is woken by a commit: what is only counted wakes nobody, and nothing else hides behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.store.db import Database, Tx
from fleet.store.open import open_for_daemon


class Store:
    """A store, and how often somebody was woken. Listeners are called before the next group is committed."""

    def __init__(self, folder: Path) -> None:
        self.db: Database = open_for_daemon(folder / "fleet.db")
        self.woken = 0
        self.db.on_commit(self._wake)

    def _wake(self) -> None:
        self.woken += 1

    def wakes(self, *steps: str) -> bool:
        """Whether a transaction of these steps wakes anybody."""
        before = self.woken

        def transaction(tx: Tx) -> None:
            for step in steps:
                if step == "fail":
                    raise ValueError(step)
                sql = "INSERT INTO cursors (name, position) VALUES (:name, 1)"
                (tx.tally if step == "count" else tx.run)(sql, name=f"{before}{step}{tx.entropy(8).hex()}")

        if "fail" in steps:
            with pytest.raises(ValueError, match="fail"):
                self.db.write(transaction)
        else:
            self.db.write(transaction)
        self.db.write(lambda tx: tx.one("SELECT 1"))  # the group after it: by now all were told
        return self.woken > before


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.db.close()


def test_a_change_is_news_and_what_is_counted_is_none(store: Store) -> None:
    assert store.wakes("change")
    assert not store.wakes("count")
    assert not store.wakes("count", "count")
    assert not store.wakes()


def test_a_change_beside_a_count_is_news_in_any_order(store: Store) -> None:
    assert store.wakes("count", "change")
    assert store.wakes("change", "count")


def test_what_was_undone_is_no_news(store: Store) -> None:
    assert not store.wakes("change", "fail")
