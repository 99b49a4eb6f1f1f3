"""`trioarb`: parse the command line, run a command, and turn every outcome into an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import cyclopts

from trioarb import __version__
from trioarb.errors import ConfigError, MarketDataError, PluginError, TrioarbError, UniverseError

__all__ = ["app", "main"]

app = cyclopts.App(
    name="trioarb",
    help="Cross-exchange crypto arbitrage: paper campaigns, recorded markets, live.",
    help_epilogue=(
        "Exit codes: 0 ended as planned (limits and signals included); 1 an error; "
        "2 usage or configuration; 3 emergency stop, or something that could not be closed."
    ),
    version=__version__,
)
app.command("trioarb.cli.run:run", name="run")
app.command("trioarb.cli.check:check", name="check")
app.command("trioarb.cli.symbols:symbols", name="symbols")
app.command("trioarb.cli.plugins:plugins", name="plugins")
app.command("trioarb.cli.init:init", name="init")

#: What is wrong before anything was traded, and what the user can mend.
_USAGE = (ConfigError, PluginError, UniverseError, MarketDataError)


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
    except _USAGE as error:
        return _complain(str(error), 2)
    except TrioarbError as error:
        return _complain(str(error), 1)
    except KeyboardInterrupt:
        return _complain("interrupted before the campaign began", 130)
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell.
        sys.stderr.close()
        return 1
    except Exception as error:
        return _complain(f"unexpected {type(error).__name__}: {error}", 1, "please report this as a defect")
    return result if isinstance(result, int) else 0


def _complain(message: str, code: int, remedy: str = "") -> int:
    for line in message.splitlines():
        print(f"error: {line}", file=sys.stderr)
    if remedy:
        print(f"({remedy})", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
