"""``python -m fleet``: the command line where no script is installed."""

from __future__ import annotations

import sys

from fleet.cli.entry import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))
