"""``./dev bench``: every measurement in one run, as Markdown tables on standard output."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import audit, budget, chain, github, hooks, quarantine, startup, storage


def alone(*, quick: bool) -> dict[str, Callable[[], str]]:
    """The parts that may be asked for by themselves."""
    return {
        "budget": lambda: budget.report(rounds=5 if quick else 50),
        "github": lambda: github.report(github.rows(quick=quick)),
        "hooks": lambda: hooks.report((1, 8) if quick else (1, 8, 50), count=100 if quick else 1000),
        "quarantine": lambda: quarantine.report(rounds=3 if quick else 20),
    }


def main() -> int:
    """Run the benches; ``--quick`` for a first impression."""
    parser = argparse.ArgumentParser(prog="./dev bench")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--only", choices=list(alone(quick=True)), help="this part alone")
    options = parser.parse_args()
    quick = options.quick
    parts = alone(quick=quick)
    if options.only:
        print(parts[options.only]())
        return 0
    with tempfile.TemporaryDirectory(prefix="flb-", dir="/tmp") as folder:
        print(storage.report(Path(folder), count=200 if quick else 800, rounds=2 if quick else 5))
        print(audit.report(Path(folder), count=5_000 if quick else 50_000))
    print(parts["budget"]())
    print(parts["quarantine"]())
    with chain.running_fleet() as paths:
        print(chain.publish_report(paths, count=160 if quick else 800, rounds=2 if quick else 5))
        print(chain.report(paths, count=5 if quick else 40))
        print(startup.report(paths.checkout, dict(os.environ), rounds=10 if quick else 60))
    print(parts["hooks"]())
    print(parts["github"]())
    return 0


if __name__ == "__main__":
    sys.exit(main())
