"""`trioarb`: parse the command line, run a command, and turn every outcome into an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import cyclopts

from trioarb import __version__
from trioarb.cli import interrupt
from trioarb.cli.commands import COMMANDS, PLACES, with_examples
from trioarb.cli.installed import add_installed
from trioarb.cli.output import abandon
from trioarb.errors import TrioarbError
from trioarb.report.visible import visible

__all__ = ["app", "main"]

app = cyclopts.App(
    name="trioarb",
    help=with_examples(
        "Cross-exchange crypto arbitrage: paper campaigns on simulated and recorded markets.",
        """
        trioarb init my.toml                                # a configuration
        trioarb check my.toml                               # what would run
        trioarb run my.toml --runtime 60
        trioarb run --help
        """,
    ),
    help_epilogue=(
        "Exit codes: 0 ended as planned (limits and signals included); 1 an error; "
        "2 usage or configuration; 3 emergency stop, or something that could not be closed."
    ),
    version=__version__,
    version_flags=("--version", "-V"),
    suppress_keyboard_interrupt=False,
)
for _name, _help in COMMANDS.items():
    app.command(PLACES.get(_name, f"trioarb.cli.{_name}:{_name}"), name=_name, help=_help)


#: As of a process that was ended for writing where nobody reads.
_NOBODY_READS = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; return the exit code. Errors are printed to stderr, one line each."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _mend_streams()
    try:
        interrupt.leave_at_once()
        add_installed(app, COMMANDS, given)
        command, bound, _ = app.parse_args(given, exit_on_error=False, print_error=False)
        interrupt.raise_again()
        result = command(*bound.args, **bound.kwargs)
        sys.stdout.flush()
    except cyclopts.CycloptsError as error:
        return _complain(str(error).strip(), 2, "see trioarb --help")
    except TrioarbError as error:
        return _complain(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _complain(interrupt.SAID, interrupt.EXIT_CODE)
    except BrokenPipeError:
        return _give_up_writing()
    except OSError as error:
        abandon(sys.stdout)
        return _complain(f"output can't be written: {error.strerror or error}", 1)
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # rich's consoles leave so, those of the help too
            return _give_up_writing()
        raise
    except Exception as error:
        return _complain(f"unexpected {type(error).__name__}: {error}", 1, "please report this as a defect")
    finally:
        interrupt.raise_again()
        _let_go_of_stderr()
    return result if isinstance(result, int) else 0


def _give_up_writing() -> int:
    """End without a word, as the usual tools do: whoever read has seen enough."""
    abandon(sys.stdout)
    return _NOBODY_READS


def _let_go_of_stderr() -> None:
    """Give up what nobody reads there: Python would try once more at its end, and make an exit code of that."""
    try:
        sys.stderr.flush()
    except OSError:
        abandon(sys.stderr)


def _mend_streams() -> None:
    """Let an output of ASCII or Latin-1 show a question mark for what it lacks, and one that is closed take all."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  # it lasts as long as the process
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def _complain(message: str, code: int, remedy: str = "") -> int:
    lines = [f"error: {visible(line)}" for line in message.splitlines()] + ([f"({remedy})"] if remedy else [])
    try:
        print("\n".join(lines), file=sys.stderr, flush=True)
    except OSError:
        abandon(sys.stderr)  # nobody can be told; the exit code still says it
    return code
