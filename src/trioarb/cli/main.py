"""`trioarb`: parse the command line, run a command, and turn every outcome into an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress

import cyclopts

from trioarb import __version__
from trioarb.cli.exit_code import exit_code
from trioarb.cli.output import abandon_stdout
from trioarb.errors import TrioarbError

__all__ = ["app", "main"]

app = cyclopts.App(
    name="trioarb",
    help="Cross-exchange crypto arbitrage: paper campaigns, recorded markets, live.",
    help_epilogue=(
        "Exit codes: 0 ended as planned (limits and signals included); 1 an error; "
        "2 usage or configuration; 3 emergency stop, or something that could not be closed."
    ),
    version=__version__,
    suppress_keyboard_interrupt=False,
)
app.command("trioarb.cli.run:run", name="run")
app.command("trioarb.cli.check:check", name="check")
app.command("trioarb.cli.symbols:symbols", name="symbols")
app.command("trioarb.cli.plugins:plugins", name="plugins")
app.command("trioarb.cli.init:init", name="init")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; return the exit code. Errors are printed to stderr, one line each."""
    try:
        result = app(
            list(sys.argv[1:] if arguments is None else arguments),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except cyclopts.CycloptsError as error:
        return _complain(str(error).strip(), 2, "see trioarb --help")
    except TrioarbError as error:
        return _complain(str(error), exit_code(error))
    except KeyboardInterrupt:
        return _complain("interrupted before the campaign began", 130)
    except BrokenPipeError:
        abandon_stdout()
        return 1
    except OSError as error:
        return _complain(f"output can't be written: {error.strerror or error}", 1)
    except Exception as error:
        return _complain(f"unexpected {type(error).__name__}: {error}", 1, "please report this as a defect")
    return result if isinstance(result, int) else 0


def _complain(message: str, code: int, remedy: str = "") -> int:
    lines = [f"error: {line}" for line in message.splitlines()] + ([f"({remedy})"] if remedy else [])
    # Nobody can be told where stderr can't be written; the exit code still says it.
    with suppress(OSError):
        print("\n".join(lines), file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
