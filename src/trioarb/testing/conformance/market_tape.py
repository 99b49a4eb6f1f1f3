"""Cases of tapes: rows in order of time, the same each time they are played."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from trioarb.api import SECOND_NS, MarketDataError
from trioarb.plugin.border import CheckedTape
from trioarb.testing.conformance.case import Failed, expect, not_offered
from trioarb.testing.conformance.market_desk import CASES, MarketTrial, Row, flaw
from trioarb.testing.conformance.subject import START_NS

_ROWS = 4_000
_DAY_NS = 86_400 * SECOND_NS
#: The largest share of rows that the engine may have to refuse: some recordings have such.
_FLAWED = 0.01


@CASES("MD-10", "Plays rows in order", needs=("MD-04",), prerequisites="a tape")
async def _plays(trial: MarketTrial) -> None:
    """Asked for the rows of symbols that it lists, it gives some, of these symbols only, with times that never fall."""
    async with trial.tape() as tape:
        rows = _rows(trial, tape, await trial.of_tape(tape), _start(tape))
        expect(bool(rows), "a row", "none")


@CASES("MD-11", "Begins where it is to", needs=("MD-10",), prerequisites="a tape")
async def _begins(trial: MarketTrial) -> None:
    """No row comes before the start that it is given, nor before its own `start_ns`; and if that is None, it begins
    within a day after the start that it is given, wherever that is.
    """
    async with trial.tape() as tape:
        symbols, own = await trial.of_tape(tape), tape.start_ns
        for start_ns in (START_NS, START_NS + 400 * _DAY_NS) if own is None else (own,):
            first_ns = _rows(trial, tape, symbols, start_ns)[0][0]
            expect(first_ns >= start_ns, f"a first row at {start_ns} ns or later", first_ns)
            expect(
                own is not None or first_ns < start_ns + _DAY_NS,
                f"a first row within a day after {start_ns} ns",
                first_ns,
            )


@CASES("MD-12", "Plays quotes that can be", needs=("MD-10",), prerequisites="a tape")
async def _quotes(trial: MarketTrial) -> None:
    """Quotes are above zero and not crossed, with levels in order, or withdraw a side; of a hundred no more than one is
    another; and of each symbol that the kit asks about one has both sides.
    """
    async with trial.tape(depth=5) as tape:
        symbols = await trial.of_tape(tape)
        rows = _rows(trial, tape, symbols, _start(tape))
    flaws = [found for row in rows if (found := flaw(*row[3:8]))]
    expect(len(flaws) <= _FLAWED * len(rows), "quotes that can be", f"in {len(flaws)} of {len(rows)} {flaws[:1]}")
    whole = {row[2] for row in rows if all(number == number and number > 0 for number in row[3:7])}
    missing = [one.symbol for one in trial.asked if one.symbol in symbols and one.symbol not in whole]
    expect(not missing, "a quote with both sides", f"none of {', '.join(missing)} in {len(rows)} rows")


@CASES("MD-13", "Plays the same again", needs=("MD-10",), prerequisites="a tape")
async def _again(trial: MarketTrial) -> None:
    """Opened again with the same seed, and asked for the same symbols from the same start, it gives the same rows."""
    played = []
    for _ in range(2):
        async with trial.tape(depth=3) as tape:
            played.append(_rows(trial, tape, await trial.of_tape(tape), _start(tape)))
    first, second = played
    _expect_same(first, second, "when it is played again")


@CASES("MD-14", "Gives batches as it gives rows", needs=("MD-10",), prerequisites="a tape with batches")
async def _batches(trial: MarketTrial) -> None:
    """What `batches` gives as columns is what `rows` gives one by one."""
    async with trial.tape(depth=3) as tape:
        symbols, start_ns = await trial.of_tape(tape), _start(tape)
        batches = tape.batches(symbols, start_ns)
        if batches is None:
            not_offered("it has no batches")
        wanted = _rows(trial, tape, symbols, start_ns)
        got = [row[:7] for row in islice(tape.rows(symbols, start_ns), _ROWS)]
        _expect_same([row[:7] for row in wanted], got, "by `rows`")


@CASES("MD-15", "Plays each symbol alike beside others", needs=("MD-13",), prerequisites="a tape of several symbols")
async def _beside(trial: MarketTrial) -> None:
    """A symbol's rows are the same whether it is asked for alone or with further ones, as when the universe gets them
    while a campaign runs: what was played is passed over then.
    """
    async with trial.tape() as tape:
        symbols = await trial.of_tape(tape)
        if len(symbols) < 2:
            not_offered("it lists one symbol only")
        few, many = symbols[:1], symbols[:3]
        alone = _rows(trial, tape, few, _start(tape))
        beside = [row for row in _rows(trial, tape, many, _start(tape)) if row[2] in few]
        # Places among the rows of one time are by all that were asked for.
        one, other = ([(row[0], *row[2:]) for row in rows] for rows in (alone, beside))
        shared = min(len(one), len(other))
        _expect_same(one[:shared], other[:shared], f"of {few[0]} beside others")


def _start(tape: CheckedTape) -> int:
    own = tape.start_ns
    return START_NS if own is None else own


def _rows(trial: MarketTrial, tape: CheckedTape, symbols: Sequence[str], start_ns: int) -> list[Row]:
    try:
        return trial.rows(tape, symbols, start_ns, _ROWS)
    except MarketDataError as error:
        raise Failed("rows in order of time", str(error)) from None


def _expect_same(wanted: Sequence[Row], got: Sequence[Row], when: str) -> None:
    expect(len(wanted) == len(got), f"{len(wanted)} rows {when}", f"{len(got)}")
    for number, (one, other) in enumerate(zip(wanted, got, strict=True)):
        # As text, what is no number is the same as itself.
        if one != other and repr(one) != repr(other):
            raise Failed(f"row {number} the same {when}: {one}", repr(other))
