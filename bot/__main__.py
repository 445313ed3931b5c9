"""argv → exit status. `wirewatch` and `python -m bot` are the same."""

from __future__ import annotations

import os
import sys

from bot.cli import run


def main() -> int:
    """Run the command line and return its exit status (0 done, 1 failed, 2 wrong usage, 78 wrong configuration)."""
    os.umask(
        0o077
    )  # what is stored holds passwords of feeds and what a desk watches: other users of the machine see none of it
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
