"""The program that ``fleet up`` starts: the daemon, with this command line's parser for the quick way."""

from __future__ import annotations

import sys

from fleet.cli.hotparse import parse
from fleet.daemon.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], parse_argv=parse))
