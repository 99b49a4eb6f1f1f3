"""``trioarb``, the command, and ``python -m trioarb``."""

import sys

from trioarb.cli.interrupt import ignore, leave_at_once

__all__ = ["main"]


def main() -> int:
    """Run the command line of this process; return the exit code.

    Ctrl-C ends it from here on in an orderly way: also while the program is still being imported, which takes a while.
    """
    leave_at_once()
    from trioarb.cli.main import main as command_line

    code = command_line()
    ignore()
    return code


if __name__ == "__main__":
    sys.exit(main())
