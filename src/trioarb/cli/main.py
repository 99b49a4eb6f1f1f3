"""`trioarb`: parse the command line, run a command, and turn every outcome into an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import cyclopts

from trioarb import __version__
from trioarb.cli import interrupt
from trioarb.cli.installed import add_installed
from trioarb.cli.output import abandon
from trioarb.errors import TrioarbError
from trioarb.report.visible import visible

__all__ = ["app", "main"]

app = cyclopts.App(
    name="trioarb",
    help="Cross-exchange crypto arbitrage: paper campaigns on simulated and recorded markets.",
    help_epilogue=(
        "Exit codes: 0 ended as planned (limits and signals included); 1 an error; "
        "2 usage or configuration; 3 emergency stop, or something that could not be closed."
    ),
    version=__version__,
    version_flags=("--version", "-V"),
    suppress_keyboard_interrupt=False,
)
#: Commands are imported when they are called, so their help stands here.
_COMMANDS = {
    "run": """Run a campaign: watch, trade, guard, account, and end cleanly.

Ctrl-C or SIGTERM ends it as its runtime limit does: pairs in flight are finished, positions are closed and the summary
is written. A second one shortens the deadlines of all that.
""",
    "record": """Record the quotes of a configuration's markets, every one as it comes; nothing is traded.

`trioarb replay` plays what it wrote. A crash or kill -9 costs no more than the last second: the next recording into the
same folder saves what the last one left.
""",
    "survey": """Survey the routes of a configuration on recorded quotes: can they pay at all? Nothing is traded.

For every route: how its edge was distributed, what it takes to break even, how often and for how long it stood above
that, what a perfect taker and this campaign would have earned, and a verdict.

    trioarb survey configs/replay.toml --quotes recorded
    trioarb survey configs/top10.toml --hours 1
""",
    "plan": """Plan how every venue would come to hold as much again, and what that costs. Nothing is ever withdrawn.

A strategy that buys here and sells there lets stock drift. For every asset: what would have to leave which venue, what
of it the venue keeps ([withdrawals.VENUE.ASSET]), how long it takes, and what it would cost to trade it back instead.

    trioarb plan my.toml                        # what the venues hold now
    trioarb plan journals/my-….journal          # what a campaign left
""",
    "replay": """Run a campaign on recorded quotes, in virtual time: fast, and with the same result each time.

Every venue plays its rows of the files, whatever market data the configuration names; the symbols are those that the
files hold. All else is as in a run: guards, latencies, fills at the quotes of the moment, journal and summary.
""",
    "resume": """Go on with a campaign that was killed, crashed, or ended before its time.

The venues are asked what became of every order in flight, pairs are brought to their end, books and balances are
compared, and what remains of runtime and iterations is run. Counters of the last minute before a crash are lost.
""",
    "check": """Validate a configuration, its plugins and their data included, and print what would run.

Everything is opened as for a run, and closed again; nothing is traded. If a plugin talks to the outside, only settings
are checked, unless `--online` is given.
""",
    "control": """Ask a running campaign how it stands, or tell it what to do: from another terminal, by its journal.

    trioarb control JOURNAL status
    trioarb control JOURNAL pause --why "news at ten"     # no entries; exits and hedges go on
    trioarb control JOURNAL resume                         # lifts the pause, and nothing else
    trioarb control JOURNAL flatten                        # closes every position, and stays paused
    trioarb control JOURNAL blacklist BTCUSDT              # no entries of it; unblacklist takes that back
    trioarb control JOURNAL set strategy.entry_bps=12      # --force where that loosens a limit
    trioarb control JOURNAL end

It is recorded who did it and why, and holds after a crash, too. docs/control.md says more.
""",
    "dashboard": """Show campaigns on a web page, those that run as well as those that have ended.

    trioarb dashboard                            # journals/, at http://127.0.0.1:8642/
    trioarb dashboard journals/my-….journal

It follows journals, and changes none of them. Pause, flatten and the like take the token that it names when it begins,
and are recorded as `trioarb control` does. Needs the extra `dashboard`; docs/dashboard.md says more.
""",
    "panic": """Close everything and end all campaigns of this user on this machine, within 5 seconds.

Entries are fenced at once, what rests is withdrawn, positions are closed as far as 2.5 seconds allow, whatever the
configurations say, and the campaigns end. One that doesn't answer gets signals. What is left open is named.

    trioarb panic --why "exchange hacked"
    trioarb panic --account binance       # only those that trade at this venue, by this plugin, or with this account
""",
    "alerts": """Send a test message by each alert channel of a configuration, and say how that went; or list its rules.

    trioarb alerts test my.toml                  # exit code 1 if a channel doesn't deliver
    trioarb alerts test my.toml --channel ops
    trioarb alerts list my.toml
""",
    "verify": """Verify a journal: fold it once, and hold every event against the rules that all of them keep.

Exit code 0: it is sound; 1: it is damaged, or breaks a rule; 2: it is no journal.
""",
    "summary": """Print of a journal what its campaign printed at its end, also while it runs or after a crash.

What the process alone measured, such as its latency, is absent.
""",
    "report": """Write what a campaign did as one page for a browser: verdict, money, trades, and what was not traded.

The page needs nothing else and asks for nothing. The journal may still be written, or be cut off.

    trioarb report JOURNAL --out report.html
    trioarb report JOURNAL --compare OTHER --out both.html   # side by side, with differences
    trioarb report JOURNAL --format json --out report.json   # or csv, parquet: a folder of tables
""",
    "residuals": """List what pairs of a campaign left one-sided, and dust: where, how much, at which price and mark.

`trioarb resume JOURNAL --close-only` trades it away, as far as a venue takes it.
""",
    "export": """Write a journal's trades, orders, fills, decisions, positions, balances and counters as tables.

docs/export.md says what their columns are. Nothing is overwritten without --force.
""",
    "spans": """Hand a journal's trades to a collector, as traces of OpenTelemetry.

    trioarb spans JOURNAL                                        # OTLP over HTTP, http://127.0.0.1:4318/v1/traces
    trioarb spans JOURNAL --endpoint https://collector/v1/traces

A trade is a trace; its pairs, orders and position are spans. Made again, they are the same. Headers that a collector
wants are taken from OTEL_EXPORTER_OTLP_HEADERS. Needs the extra `otel`; docs/metrics.md says more.
""",
    "journals": """List the campaigns that a folder keeps: when they began, how they ended, PnL and size.

With --prune old ones are removed, with what simulated venues remember of them: first it says which; --yes removes them.
""",
    "explain": """Tell from its journal what happened in a campaign, and why.

Without options its trades and refusals; with one, the timeline of a trade or of a symbol.
""",
    "events": "Print a journal's events as JSON Lines, as `trioarb run --events` writes them.",
    "repair": "Save the events of a damaged journal, up to the first one that can't be read, in a new journal.",
    "symbols": "Show every symbol that the source lists, its volume, and why it is in or out.",
    "plugins": "List the installed plugins: kind, name, the distribution they come from, and their settings.",
    "init": "Write a commented configuration: every key, its default and its unit.",
}
for _name, _help in _COMMANDS.items():
    app.command(f"trioarb.cli.{_name}:{_name}", name=_name, help=_help)


#: As of a process that was ended for writing where nobody reads.
_NOBODY_READS = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; return the exit code. Errors are printed to stderr, one line each."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _mend_streams()
    try:
        interrupt.leave_at_once()
        add_installed(app, _COMMANDS, given)
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
    return result if isinstance(result, int) else 0


def _give_up_writing() -> int:
    """End without a word, as the usual tools do: whoever read has seen enough."""
    abandon(sys.stdout)
    return _NOBODY_READS


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
