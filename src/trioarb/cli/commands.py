"""What the help of each command says, with examples. Commands are imported when they are called, so it stands here."""

from __future__ import annotations

from inspect import cleandoc

__all__ = ["COMMANDS", "PLACES", "with_examples"]


def with_examples(text: str, examples: str) -> str:
    """Return a help text, in Markdown, that ends with command lines, each on one line of no more than 78 characters."""
    return f"{cleandoc(text)}\n\n**Examples**\n\n```console\n{cleandoc(examples)}\n```\n"


COMMANDS = {
    "run": with_examples(
        """Run a campaign: watch, trade, guard, account, and end cleanly.

        Ctrl-C or SIGTERM ends it as its runtime limit does: pairs in flight are finished, positions are closed and the
        summary is written. A second one shortens the deadlines of all that.
        """,
        """
        trioarb run my.toml
        trioarb run my.toml --runtime 60 --log-level debug
        trioarb run my.toml --set session.clock=virtual     # as fast as it can
        trioarb run my.toml --events events.jsonl --summary summary.json
        """,
    ),
    "record": with_examples(
        """Record the quotes of a configuration's markets, every one as it comes; nothing is traded.

        `trioarb replay` plays what it wrote. A crash or kill -9 costs no more than the last second: the next recording
        into the same folder saves what the last one left.
        """,
        """
        trioarb record my.toml --out quotes                 # until Ctrl-C
        trioarb record my.toml --out quotes --hours 24
        """,
    ),
    "survey": with_examples(
        """Survey the routes of a configuration on recorded quotes: can they pay at all? Nothing is traded.

        For every route: how its edge was distributed, what it takes to break even, how often and for how long it stood
        above that, what a perfect taker and this campaign would have earned, and a verdict.
        """,
        """
        trioarb survey my.toml --quotes quotes
        trioarb survey my.toml --hours 1                    # of a made-up market
        """,
    ),
    "plan": with_examples(
        """Plan how every venue would come to hold as much again, and what that costs. Nothing is ever withdrawn.

        A strategy that buys here and sells there lets stock drift. For every asset: what would have to leave which
        venue, what of it the venue keeps ([withdrawals.VENUE.ASSET]), how long it takes, and what it would cost to
        trade it back instead.
        """,
        """
        trioarb plan my.toml                                # what the venues hold now
        trioarb plan JOURNAL                                # what a campaign left
        """,
    ),
    "replay": with_examples(
        """Run a campaign on recorded quotes, in virtual time: fast, and with the same result each time.

        Every venue plays its rows of the files, whatever market data the configuration names; the symbols are those
        that the files hold. All else is as in a run: guards, latencies, fills at the quotes of the moment, journal and
        summary.
        """,
        """
        trioarb replay my.toml --quotes quotes
        trioarb replay my.toml --quotes spot.parquet --exchange a=BINANCE
        trioarb replay --quotes quotes --answers JOURNAL    # a recorded run, again
        """,
    ),
    "resume": with_examples(
        """Go on with a campaign that was killed, crashed, or ended before its time.

        The venues are asked what became of every order in flight, pairs are brought to their end, books and balances
        are compared, and what remains of runtime and iterations is run. Counters of the last minute before a crash are
        lost.
        """,
        """
        trioarb resume JOURNAL
        trioarb resume JOURNAL --close-only                 # close what is open
        """,
    ),
    "check": with_examples(
        """Validate a configuration, its plugins and their data included, and print what would run.

        Everything is opened as for a run, and closed again; nothing is traded. If a plugin talks to the outside, only
        settings are checked, unless `--online` is given.
        """,
        """
        trioarb check my.toml
        trioarb check my.toml --set strategy.entry_bps=12
        trioarb check my.toml --online
        """,
    ),
    "control": with_examples(
        """Ask a running campaign how it stands, or tell it what to do: from another terminal, by its journal.

        It is recorded who did it and why, and holds after a crash, too. docs/control.md says more.
        """,
        """
        trioarb control JOURNAL status
        trioarb control JOURNAL pause --why "news at ten"   # no entries; exits go on
        trioarb control JOURNAL resume                      # lifts the pause
        trioarb control JOURNAL flatten                     # closes all, and pauses
        trioarb control JOURNAL blacklist BTCUSDT           # or unblacklist
        trioarb control JOURNAL set strategy.entry_bps=12   # --force to loosen limits
        trioarb control JOURNAL end
        """,
    ),
    "dashboard": with_examples(
        """Show campaigns on a web page, those that run as well as those that have ended.

        It follows journals, and changes none of them. Pause, flatten and the like take the token that it names when it
        begins, and are recorded as `trioarb control` does. Needs the extra `dashboard`; docs/dashboard.md says more.
        """,
        """
        trioarb dashboard                                   # journals/, at port 8642
        trioarb dashboard JOURNAL --port 9000
        """,
    ),
    "panic": with_examples(
        """Close everything and end all campaigns of this user on this machine, within 5 seconds.

        Entries are fenced at once, what rests is withdrawn, positions are closed as far as 2.5 seconds allow, whatever
        the configurations say, and the campaigns end. One that doesn't answer gets signals. What is left open is named.
        `--account` leaves those alone that don't trade at that venue, by that plugin, or with that account.
        """,
        """
        trioarb panic --why "exchange hacked"
        trioarb panic --account binance
        """,
    ),
    "alerts": with_examples(
        """Send a test message by each alert channel of a configuration, and say how that went; or list its rules.""",
        """
        trioarb alerts test my.toml             # exit code 1 if one doesn't deliver
        trioarb alerts test my.toml --channel ops
        trioarb alerts list my.toml
        """,
    ),
    "verify": with_examples(
        """Verify a journal: fold it once, and hold every event against the rules that all of them keep.

        Exit code 0: it is sound; 1: it is damaged, or breaks a rule; 2: it is no journal.
        """,
        """
        trioarb verify JOURNAL
        trioarb verify JOURNAL --digest                     # to compare two replays
        """,
    ),
    "summary": with_examples(
        """Print of a journal what its campaign printed at its end, also while it runs or after a crash.

        What the process alone measured, such as its latency, is absent.
        """,
        """
        trioarb summary JOURNAL
        trioarb summary JOURNAL --json | jq .verdict.word
        """,
    ),
    "report": with_examples(
        """Write what a campaign did as one page for a browser: verdict, money, trades, and what was not traded.

        The page needs nothing else and asks for nothing. The journal may still be written, or be cut off. CSV and
        Parquet are folders of tables.
        """,
        """
        trioarb report JOURNAL --out report.html
        trioarb report JOURNAL --compare OTHER --out both.html
        trioarb report JOURNAL --format json --out report.json
        """,
    ),
    "residuals": with_examples(
        """List what pairs of a campaign left one-sided, and dust: where, how much, at which price and mark.

        `trioarb resume JOURNAL --close-only` trades it away, as far as a venue takes it.
        """,
        """
        trioarb residuals JOURNAL
        """,
    ),
    "export": with_examples(
        """Write a journal's trades, orders, fills, decisions, positions, balances and counters as tables.

        docs/export.md says what their columns are. Nothing is overwritten without --force.
        """,
        """
        trioarb export JOURNAL --out tables
        trioarb export JOURNAL --out tables --format parquet --force
        """,
    ),
    "spans": with_examples(
        """Hand a journal's trades to a collector, as traces of OpenTelemetry.

        A trade is a trace; its pairs, orders and position are spans. Made again, they are the same. Without an endpoint
        they go to http://127.0.0.1:4318/v1/traces, by OTLP over HTTP. Headers that a collector wants are taken from
        OTEL_EXPORTER_OTLP_HEADERS. Needs the extra `otel`; docs/metrics.md says more.
        """,
        """
        trioarb spans JOURNAL
        trioarb spans JOURNAL --endpoint https://collector/v1/traces
        """,
    ),
    "journals": with_examples(
        """List the campaigns that a folder keeps: when they began, how they ended, PnL and size.

        With --prune old ones are removed, with what simulated venues remember of them: first it says which; --yes
        removes them.
        """,
        """
        trioarb journals                                    # of journals/
        trioarb journals elsewhere --json
        trioarb journals --prune --keep 20 --yes
        """,
    ),
    "explain": with_examples(
        """Tell from its journal what happened in a campaign, and why.

        Without options its trades and refusals; with one, the timeline of a trade or of a symbol.
        """,
        """
        trioarb explain JOURNAL
        trioarb explain JOURNAL --trade t1
        trioarb explain JOURNAL --symbol BTCUSDT
        """,
    ),
    "events": with_examples(
        "Print a journal's events as JSON Lines, as `trioarb run --events` writes them.",
        """
        trioarb events JOURNAL | head
        trioarb events JOURNAL --type pair_ended
        trioarb events JOURNAL --symbol BTCUSDT
        """,
    ),
    "repair": with_examples(
        "Save the events of a damaged journal, up to the first one that can't be read, in a new journal.",
        """
        trioarb repair JOURNAL repaired.journal
        """,
    ),
    "symbols": with_examples(
        "Show every symbol that the source lists, its volume, and why it is in or out.",
        """
        trioarb symbols my.toml
        trioarb symbols my.toml --set universe.top_n=5
        """,
    ),
    "plugins": with_examples(
        "List the installed plugins: kind, name, and the distribution or file they come from; or show one.",
        """
        trioarb plugins
        trioarb plugins paper                       # its settings, each explained
        trioarb plugins --plugin my_source.py       # and what this file has
        """,
    ),
    "init": with_examples(
        """Write a commented configuration: every key, its default and its unit.

        With --wizard it is a short one, after five questions: which market, which symbols, how much money, how
        careful, for how long. Answers may also come line by line from a pipe.
        """,
        """
        trioarb init                                        # trioarb.toml
        trioarb init my.toml
        trioarb init my.toml --wizard
        """,
    ),
    "--install-completion": with_examples(
        "Let bash, zsh or fish complete commands, options and file names; say what was written, and how to undo it.",
        """
        trioarb --install-completion
        trioarb --install-completion zsh
        trioarb --install-completion zsh --undo
        """,
    ),
}
#: Where those stand whose function has another name than they.
PLACES = {"--install-completion": "trioarb.cli.completion:install_completion"}
