"""A survey as a table for people, as JSON, and as Parquet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from trioarb.errors import ExportError
from trioarb.model.fx import FxState
from trioarb.plugin.extras import require
from trioarb.report.aligned import aligned
from trioarb.report.console import LastingConsole
from trioarb.report.figures import bps, duration
from trioarb.report.plain import iso_time
from trioarb.survey.depth import Side
from trioarb.survey.markets import Replayed, Survey
from trioarb.survey.rates import Course
from trioarb.survey.verdict import QUANTILES, BreakEven, Figures, Verdict

__all__ = ["as_plain", "print_survey", "write_parquet"]

_MOST_NAMED = 4
_STYLES = {Verdict.PAYS: "green", Verdict.MAKERS: "yellow", Verdict.NEVER: "red", Verdict.NOT_ENOUGH: "dim"}


def as_plain(survey: Survey, replayed: Replayed | None) -> dict[str, Any]:
    """Return all of it for another program; what isn't known is left out."""
    found: dict[str, Any] = {
        "verdict": survey.verdict.value,
        "one_way_verdict": survey.one_way_verdict.value,
        "quotes": survey.rows,
        "from": iso_time(survey.first_ns),
        "to": iso_time(survey.last_ns),
        "has_to_last_ms": survey.latency_ns / 1e6,
        "slippage_usd": survey.slippage_usd,
        "routes": [_row(survey, one) for one in survey.routes],
        "warnings": list(survey.warnings),
    }
    if survey.rates:
        found["rates"] = {one.asset: _rate(survey, one) for one in survey.rates}
    if replayed is not None:
        found["campaign"] = {"trades": replayed.trades, "pnl_usd": round(replayed.pnl_usd, 4)}
    return found


def _rate(survey: Survey, one: Course) -> dict[str, Any]:
    """Return between which bids and asks a rate was, and for how long it could be relied on, and how long not."""
    known = one.state == 0
    seconds = {f"{state.value}_seconds": at for state, at in one.seconds(survey.first_ns, survey.last_ns).items()}
    lowest = {"lowest_bid": float(one.bid[known].min()), "highest_ask": float(one.ask[known].max())}
    return {"common": one.common, **(lowest if known.any() else {}), **seconds}


def _row(survey: Survey, one: Figures) -> dict[str, Any]:
    usd = survey.usd_per_quote[survey.quote_of[one.route.symbol]]
    row: dict[str, Any] = {
        "symbol": one.route.symbol,
        "buy_venue": one.route.buy_venue,
        "sell_venue": one.route.sell_venue,
        "buy_quotes": one.quotes[0],
        "sell_quotes": one.quotes[1],
        "fresh_seconds": one.fresh_seconds,
    }
    row |= {f"gross_p{share * 100:g}_bps": edge for share, edge in zip(QUANTILES, one.gross_bps, strict=False)}
    row["gross_highest_bps"] = one.highest_gross_bps
    if one.break_even is not None:
        row |= {
            "break_even_gross_bps": one.break_even.gross_bps,
            "fees_in_bps": one.break_even.fees_in,
            "fees_out_bps": one.break_even.fees_out,
            "crossing_bps": one.break_even.crossing,
            "slippage_in_bps": one.break_even.slippage_in,
            "slippage_out_bps": one.break_even.slippage_out,
            "fx_in_bps": one.break_even.fx_in,
            "fx_out_bps": one.break_even.fx_out,
            "one_way_break_even_gross_bps": one.break_even.one_way_bps,
        }
    row |= {
        "share_above_break_even": one.share_above_break_even,
        "chances": one.chances,
        "chances_lasting": one.lasting,
        "chance_half_life_ms": one.half_life_ms,
        "chance_notional_usd": None if one.notional is None else one.notional * usd,
        "perfect_taker_usd": one.profit * usd,
        "share_above_zero": one.share_above_zero,
        "one_way_chances": one.one_way,
        "one_way_chances_lasting": one.one_way_lasting,
        "one_way_half_life_ms": one.one_way_half_life_ms,
        "one_way_perfect_taker_usd": one.one_way_profit * usd,
        "one_way_maker_share": one.one_way_maker_share,
        "one_way_verdict": one.one_way_verdict.value,
        "one_way_why": one.one_way_why,
        "maker_share": one.maker_share,
        **_depth("buy", one.buying, usd),
        **_depth("sell", one.selling, usd),
        **{f"rate_{state.value}_seconds": seconds for state, seconds in one.doubtful_seconds.items()},
        "verdict": one.verdict.value,
        "why": one.why,
    }
    return {name: value for name, value in row.items() if value is not None}


def _depth(name: str, side: Side | None, usd: float) -> dict[str, Any]:
    """Return the depth of one side, if it is known."""
    if side is None:
        return {}
    return {
        f"{name}_depth_usd": side.displayed * usd,
        f"{name}_reached_share": side.reached,
        f"{name}_slippage_bps": side.slippage_bps,
    }


def print_survey(survey: Survey, replayed: Replayed | None, seconds: tuple[float, float]) -> None:
    """Print a line for each route, and what they come to."""
    console = LastingConsole()
    for line in _lines(survey, replayed, seconds):
        console.print(line, soft_wrap=True)
    for warning in survey.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"), soft_wrap=True)


#: Of round trips, and from stock; in two lines, so that the tables are no wider than a terminal.
_TRIP = (
    ("", "", "", "", "break-", "share", "", "half-", "long", ""),
    ("route", "p50", "p99", "highest", "even", "above", "chances", "life", "enough", "verdict"),
)
_STOCK = (
    ("", "break-", "share", "", "half-", "long", ""),
    ("route", "even", "above", "chances", "life", "enough", "verdict"),
)


def _name(one: Figures) -> str:
    return f"{one.route.symbol} {one.route.buy_venue} → {one.route.sell_venue}"


def _trip_cells(one: Figures) -> tuple[str, ...]:
    edges = dict(zip(QUANTILES, one.gross_bps, strict=False))
    return (
        _name(one),
        bps(edges.get(0.5)),
        bps(edges.get(0.99)),
        bps(one.highest_gross_bps),
        "" if one.break_even is None else bps(one.break_even.gross_bps),
        _share(one.share_above_break_even),
        f"{one.chances:,}",
        _life(one.half_life_ms),
        f"{one.lasting:,}",
        one.verdict.value,
    )


def _stock_cells(one: Figures) -> tuple[str, ...]:
    return (
        _name(one),
        "" if one.break_even is None else bps(one.break_even.one_way_bps),
        _share(one.share_above_zero),
        f"{one.one_way:,}",
        _life(one.one_way_half_life_ms),
        f"{one.one_way_lasting:,}",
        one.one_way_verdict.value,
    )


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"


def _life(half_life_ms: float | None) -> str:
    return "" if half_life_ms is None else f"{half_life_ms:,.0f} ms"


def _table(
    headers: Sequence[tuple[str, ...]], rows: Sequence[tuple[str, ...]], verdicts: Sequence[Verdict]
) -> Iterator[Text]:
    """Yield lines whose figures are flush right, between a name and a verdict."""
    lines = aligned([*headers, *rows], right=set(range(1, len(headers[0]) - 1)))
    for header in lines[: len(headers)]:
        yield Text(header, style="bold")
    for line, verdict in zip(lines[len(headers) :], verdicts, strict=True):
        yield Text(line, style=_STYLES[verdict])


def _depth_cells(one: Figures) -> tuple[str, ...]:
    sides = [side for side in (one.buying, one.selling) if side is not None]
    slippage = (bps(side.slippage_bps) if side.slippage_bps is not None else "-" for side in sides)
    reached = min(side.reached for side in sides)
    return (_name(one), *slippage, f"{reached:.0%} of the books reach it")


def _lines(survey: Survey, replayed: Replayed | None, seconds: tuple[float, float]) -> Iterator[Text]:
    whole, latency = (survey.last_ns - survey.first_ns) / 1e9, f"{survey.latency_ns / 1e6:g} ms"
    yield Text(f"{survey.rows:,} quotes in {duration(whole)}, from {iso_time(survey.first_ns)} on\n")
    yield Text("Round trips: in, and out again later; gross edges in bps", style="bold")
    yield from _table(_TRIP, [*map(_trip_cells, survey.routes)], [one.verdict for one in survey.routes])
    yield Text("\nFrom stock: in, and left at that", style="bold")
    yield from _table(_STOCK, [*map(_stock_cells, survey.routes)], [one.one_way_verdict for one in survey.routes])
    yield Text(
        "\nbreak-even: both orders' fees on the way in and, of a round trip, on the way out, and what half of the ways "
        "out cost, gross.\n"
        f"chances: times above it; half-life: half of them lasted longer; long enough: {latency} or more."
    )
    deep = [one for one in survey.routes if one.buying is not None and one.selling is not None]
    if deep:
        yield Text(
            f"\nat {survey.slippage_usd:,.0f} USD, beyond the best price: slippage to buy and to sell (median), in bps"
        )
        yield from map(Text, aligned([_depth_cells(one) for one in deep], right={1, 2, 3}))
    made = [one.break_even for one in survey.routes if one.break_even is not None]
    if made:
        dearest = max(made, key=lambda one: one.gross_bps)
        yield Text(
            f"The highest break-even, {dearest.gross_bps:,.2f} bps: {dearest.fees_in:,.2f} fees in, "
            f"{dearest.fees_out:,.2f} fees out, {dearest.crossing:,.2f} to get out{_slippage(dearest)}"
            f"{_conversion(dearest)}.\n"
        )
    yield from map(Text, _rate_lines(survey))
    for why, routes in _by_reason(survey.routes).items():
        yield Text(f"{', '.join(routes)}: {why}.")
    usd = {one.route: survey.usd_per_quote[survey.quote_of[one.route.symbol]] for one in survey.routes}
    perfect = sum(one.profit * usd[one.route] for one in survey.routes)
    yield Text(f"A perfect taker, each chance once at its best moment, as large as displayed: {perfect:+,.2f} USD.")
    if replayed is not None:
        yield Text(
            f"This campaign, replayed: {replayed.trades:,} trades, {replayed.pnl_usd:+,.2f} USD "
            f"({seconds[1]:.1f} s; the survey took {seconds[0]:.1f} s)."
        )
    for name, verdict, found in (
        ("From stock", survey.one_way_verdict, [one.one_way_verdict for one in survey.routes]),
        ("In all", survey.verdict, [one.verdict for one in survey.routes]),
    ):
        counts = Counter(found)
        each = ", ".join(f"{count} {one.value}" for one in Verdict if (count := counts[one]))
        yield Text(f"{name}: {verdict.value} ({each}).", style=f"bold {_STYLES[verdict]}")


def _slippage(made: BreakEven) -> str:
    if made.slippage_in is None or made.slippage_out is None:
        return ""
    return f", {made.slippage_in:,.2f} and {made.slippage_out:,.2f} slippage in and out"


def _conversion(made: BreakEven) -> str:
    if made.fx_in is None or made.fx_out is None:
        return ""
    return f", {made.fx_in:,.2f} and {made.fx_out:,.2f} for the rate's bid and ask in and out"


def _rate_lines(survey: Survey) -> Iterator[str]:
    """Yield what prices were converted by, and for how long they could not be."""
    for one in survey.rates:
        seconds = one.seconds(survey.first_ns, survey.last_ns)
        doubt = [f"{state.value} for {duration(at)}" for state, at in seconds.items() if state is not FxState.GOOD]
        left_out = f"; left out while it was not: {', '.join(doubt)}" if doubt else ""
        yield (
            f"{one.asset} is converted to {one.common} by its rate as it stood, which was good for "
            f"{duration(seconds.get(FxState.GOOD, 0.0))}{left_out}. Gross edges are at its middle.\n"
        )


def _by_reason(routes: Sequence[Figures]) -> dict[str, list[str]]:
    """Return routes by why they don't pay, as far as the table doesn't say it; only the first of many."""
    found: dict[str, list[str]] = {}
    for one in routes:
        if one.verdict is Verdict.PAYS:
            continue  # the table says it
        found.setdefault(f"{one.verdict.value}: {one.why}", []).append(_name(one))
    return {
        why: [*names[:_MOST_NAMED], *([f"and {len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else [])]
        for why, names in found.items()
    }


def write_parquet(path: Path, survey: Survey) -> None:
    """Write the figures of each route; columns as in the JSON.

    Raises:
        MissingPackage: pyarrow isn't there.
        ExportError: the file can't be written.
    """
    require("pyarrow.parquet", "--parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [_row(survey, one) for one in survey.routes]
    names = list(dict.fromkeys(name for row in rows for name in row))
    try:
        pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), path)
    except OSError as error:
        raise ExportError(f"{path}: the survey can't be written: {error.strerror or error}") from error
