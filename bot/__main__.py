"""argv → exit status. `wirewatch` and `python -m bot` are the same."""

from __future__ import annotations

import sys

from bot.cli import run


def main() -> int:
    """Run the command line and return its exit status (0 done, 1 failed, 2 wrong usage, 78 wrong configuration)."""
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
