"""The tables that a journal is exported to: their columns, what those mean, and how each kind of value is kept."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

import attrs

from trioarb.model.funnel import FUNNEL_COUNTERS

__all__ = ["TABLES", "Column", "Kind", "Table", "described"]


class Kind(Enum):
    """What a column holds: the type in Parquet, and how CSV writes it."""

    TEXT = ("string", "as it is")
    COUNT = ("int64", "plain digits")
    DECIMAL = ("decimal128(38, 28)", "plain digits, exact")
    FLOAT = ("float64", "shortest digits that read back as the same number")
    TIME = ("timestamp[ns, UTC]", "ISO 8601 in UTC with nine decimals")
    FLAG = ("bool", "`true`, `false`")

    def __init__(self, parquet: str, csv: str) -> None:
        self.parquet = parquet
        self.csv = csv


@attrs.frozen
class Column:
    name: str
    kind: Kind
    doc: str = ""


@attrs.frozen
class Table:
    """One file, ``name``. Rows come in the order of the journal."""

    name: str
    doc: str
    columns: tuple[Column, ...]


def _text(name: str, doc: str = "") -> Column:
    return Column(name, Kind.TEXT, doc)


def _decimal(name: str, doc: str = "") -> Column:
    return Column(name, Kind.DECIMAL, doc)


def _count(name: str, doc: str = "") -> Column:
    return Column(name, Kind.COUNT, doc)


_PLACE = (_count("seq", "number of the event"), Column("time", Kind.TIME, "campaign time of the event"))
_ROUTE = (_text("symbol"), _text("buy_venue"), _text("sell_venue"))

TABLES = (
    Table(
        "trades",
        "trades that were closed, and entries that were unwound, one a row; `pnl_usd` is the sum of the parts after it",
        (
            _count("seq", "number of the event that closed it"),
            Column("opened", Kind.TIME),
            Column("closed", Kind.TIME),
            _text("trade_id"),
            *_ROUTE,
            _decimal("quantity", "base asset, as it was opened; 0: the entry was unwound"),
            _decimal("entry_buy_price", "average over the entry"),
            _decimal("entry_sell_price"),
            _decimal("exit_buy_price", "average over all exits; empty where nothing was bought back"),
            _decimal("exit_sell_price"),
            _decimal("fees_usd"),
            _decimal("pnl_usd", "realised, fees taken off"),
            _text("reason", "why it was closed; unwound: it opened no position"),
            _decimal("decided_bps", "edge net of taker fees, as it was decided"),
            _decimal("sent_bps", "the same at the limits that were sent; absent where an order rested"),
            _decimal("filled_bps", "the same at the averages that the legs' orders were filled at, and the fees taken"),
            _decimal(
                "decided_usd", "what the decided quantity would have brought at the decision's prices, before fees"
            ),
            _decimal("unfilled_usd", "what of that was missed, since less was filled on both legs"),
            _decimal("latency_usd", "how the best prices had moved when the legs' orders arrived"),
            _decimal("slippage_usd", "what the legs' orders paid beyond that, more than the decision's levels had it"),
            _decimal("uneven_usd", "what it took to even out unequal legs"),
            _decimal("entry_usd", "instead of these five: what the entry brought before fees, where they aren't known"),
            _decimal("exit_usd", "what closing brought, before fees"),
            _decimal("left_usd", "residuals and dust, as they were booked; with `-fees_usd` the last part but three"),
            _decimal("funding_usd", "got less paid for holding it; empty where nothing was"),
            _decimal("late_usd", "what was learnt of its orders later, before fees; empty where nothing was"),
            _decimal("fx_usd", "how rates had moved until the entry's fills; empty where no price was converted"),
        ),
    ),
    Table(
        "orders",
        "orders, one a row, in the order of their last word, those without one at the end; another row for what a "
        "venue filled after its last word",
        (
            *_PLACE,
            Column("done", Kind.TIME, "when its last word came; empty without one"),
            _text("client_order_id"),
            _text("venue_order_id"),
            _text("pair_id"),
            _text("trade_id"),
            _text("purpose", "leg, hedge, unwind, …"),
            _text("venue"),
            _text("symbol"),
            _text("side", "buy, sell"),
            _decimal("quantity"),
            _decimal("limit_price"),
            _decimal("filled", "quantity that was filled"),
            _text("status", "filled, cancelled, expired, rejected; unknown: no answer came; open: it was under way"),
            _text("reason", "why it was rejected or cancelled, where its venue said that, or had no answer"),
            Column("durable", Kind.FLAG, "whether its intent was in the journal before it was sent"),
        ),
    ),
    Table(
        "legs",
        "legs of transactions other than two immediate orders that go out together, one a row",
        (
            *_PLACE,
            _text("pair_id"),
            _text("trade_id"),
            _count("leg", "its place, from 0"),
            _text("venue"),
            _text("symbol"),
            _text("side", "buy, sell"),
            _decimal("quantity", "base asset"),
            _decimal("limit", "the worst price that is reckoned with; empty without one"),
            _text("time_in_force", "ioc, fok, gtc"),
            Column("post_only", Kind.FLAG),
            _count("after", "the leg whose fills it follows; empty: it goes out at once"),
        ),
    ),
    Table(
        "fills",
        "fills of orders, one a row",
        (
            *_PLACE,
            _text("fill_id"),
            _text("client_order_id"),
            _text("pair_id"),
            _text("trade_id"),
            _text("venue"),
            _text("symbol"),
            _text("side", "buy, sell"),
            _decimal("quantity", "base asset"),
            _decimal("price", "quote asset per base"),
            _decimal("fee", "below zero: a rebate"),
            _text("fee_asset"),
            _decimal("fee_value", "quote asset; of fees in neither base nor quote asset, absent without a price"),
        ),
    ),
    Table(
        "decisions",
        "answers of the guards to opportunities, one a row",
        (
            *_PLACE,
            *_ROUTE,
            _text("answer", "ALLOW, REDUCE, DENY, STOP"),
            _count("count", "how many answers the row stands for"),
            _count("repeats", "`seq` of the decision that was given again; empty for a first one"),
            _text("tier", "who reduced or denied"),
            _text("rule"),
            _text("value", "what the rule measured"),
            _text("limit"),
            _decimal("quantity"),
            _decimal("notional_usd"),
            _decimal("edge_bps", "net of taker fees"),
            _decimal("ask", "at the buy venue"),
            _decimal("ask_size"),
            _decimal("bid", "at the sell venue"),
            _decimal("bid_size"),
            _text("pair_id", "the pair that was allowed"),
        ),
    ),
    Table(
        "missed",
        "edges that were decided upon and not earned, up to the end of the journal, one route and reason a row",
        (
            *_ROUTE,
            _text(
                "reason",
                "`not_filled`: less was filled than decided; else the rule that denied or reduced, as `tier.rule`",
            ),
            _count("count", "entries, denials or reductions"),
            _count("repeated", "how often denials were given again; each is one chance"),
            _decimal("edge_usd", "what they would have earned at their decisions, net of taker fees: edge × notional"),
        ),
    ),
    Table(
        "markouts",
        "where a venue's market stood after fills that came at one moment, with `[engine] markouts` only",
        (
            *_PLACE,
            Column("filled", Kind.TIME, "when the fills came"),
            _text("client_order_id"),
            _text("venue"),
            _text("symbol"),
            _text("side", "buy, sell"),
            _text("purpose", "of the order: leg, hedge, unwind, …"),
            Column("rests", Kind.FLAG, "whether the order stayed at its venue"),
            _decimal("quantity", "base asset"),
            _decimal("value", "quote asset"),
            _decimal(
                "mid_1s", "(bid + ask) ÷ 2 a second later; empty where a side was missing, or the campaign ended before"
            ),
            _decimal("mid_10s"),
            _decimal("mid_60s"),
            _decimal("bps_1s", "that against the fills' average price; above zero is good for us"),
            _decimal("bps_10s"),
            _decimal("bps_60s"),
        ),
    ),
    Table(
        "shadow",
        "what the paper model filled of orders, and what their venues' books would have: in shadow mode only; "
        "one look at a book a row",
        (
            *_PLACE,
            Column("sent", Kind.TIME, "when the order was sent"),
            _text("client_order_id"),
            _text("venue"),
            _text("symbol"),
            _text("side", "buy, sell"),
            _text("purpose", "of the order: leg, hedge, unwind, …"),
            Column("rests", Kind.FLAG, "whether the order stayed at its venue; it has one row then, without a look"),
            Column("is_refused", Kind.FLAG, "whether the model's venue rejected it"),
            _decimal("quantity", "base asset"),
            _decimal("limit_price"),
            _decimal("filled", "by the model"),
            _decimal("value", "of that, quote asset"),
            _text("at", "which look: `x1` once the configured latency, `trip` the measured round trip, `50ms`, …"),
            _count("after_ns", "how long after the order"),
            _decimal("book_filled", "what the book would have filled; empty where it wasn't measured"),
            _decimal("book_value", "quote asset"),
            _decimal("taken", "what else there was, and counts as taken by earlier orders of ours"),
            _decimal("beyond", "the price at which the rest would have been had"),
            _decimal("price_error_bps", "above zero: the model was too good"),
            _decimal("error", "quote asset: what getting what the model claims would have cost more; before fees"),
            _decimal("error_usd"),
            _text("unmeasured", "why there was no look: ended, missed, down, withdrawn"),
            _decimal("reached", "of an order at rest: what was seen at its limit on the other side at once"),
            _decimal("uncertain", "what of the rest may have filled or not, by its place in the queue"),
        ),
    ),
    Table(
        "positions",
        "changes of positions, one a row",
        (
            *_PLACE,
            _text("change", "opened, reduced, closed, marked"),
            _text("trade_id"),
            *_ROUTE,
            _decimal("quantity", "what is open after it"),
            _decimal("buy_price", "average of the entry"),
            _decimal("sell_price"),
            _decimal("cash", "quote asset: what its fills brought and cost"),
            _decimal("fees", "quote asset"),
            _decimal("realised", "quote asset"),
            _decimal("exposure_usd"),
            _decimal("unrealised_usd", "when it was marked; empty without a quote"),
            _text("reason", "why it was closed"),
        ),
    ),
    Table(
        "equity",
        "equity as it was stated: at the end, and each minute with `[engine] equity_each_minute`",
        (
            *_PLACE,
            _decimal("start_usd", "what was put in, at its first prices"),
            _decimal("now_usd", "what is held, at executable prices"),
            _decimal("arbitrage_usd", "these sum to the difference"),
            _decimal("inventory_usd"),
            _decimal("fees_usd"),
            _decimal("funding_usd"),
            _decimal("residuals_usd"),
            _decimal("fx_usd", "what assets that are converted have gained by their rates; empty where there are none"),
        ),
    ),
    Table(
        "balances",
        "what each venue holds at the end of the journal, an asset a row",
        (
            _text("venue"),
            _text("asset"),
            _decimal("initial", "deposits and grants"),
            _decimal("trades"),
            _decimal("fees"),
            _decimal("final", "initial + trades − fees + funding + moved − carried"),
            _decimal("free"),
            _decimal("locked", "in orders"),
            _decimal("funding", "received less paid for what was held"),
            _decimal("carried", "what open contracts were traded for, below zero if bought; paid when they are closed"),
            _decimal("moved", "what came from other venues less what went there, in simulated transfers"),
        ),
    ),
    Table(
        "transfers",
        "simulated transfers between venues, one a row, in the order of their arrival, those under way at the end",
        (
            _count("seq", "number of the event that sent it"),
            Column("time", Kind.TIME, "when it was sent"),
            Column("arrived", Kind.TIME, "empty while it is under way"),
            _text("transfer_id"),
            _text("asset"),
            _text("source"),
            _text("target"),
            _decimal("amount", "left the source"),
            _decimal("fee", "of it, what that kept"),
            _decimal("value_usd", "of the rest, at the source's price when it was sent"),
            _decimal("fee_usd"),
        ),
    ),
    Table(
        "funnel",
        "counters of symbols since the campaign's start, one count a row; the last one of a symbol is its total",
        (
            *_PLACE,
            _text("symbol"),
            Column("final", Kind.FLAG, "counted at the end of the campaign"),
            *map(_count, FUNNEL_COUNTERS),
            _text("not_sized", "JSON: how often which reason kept an edge from being sized"),
            Column("highest_edge_bps", Kind.FLOAT),
        ),
    ),
    Table(
        "routes",
        "counters of routes since the campaign's start, one count a row; the last one of a route is its total",
        (
            *_PLACE,
            _text("symbol"),
            _text("buy_venue"),
            _text("sell_venue"),
            Column("final", Kind.FLAG, "counted at the end of the campaign"),
            _count("over_threshold"),
            _count("sized"),
            _text("not_sized", "JSON: how often which reason kept an edge from being sized"),
        ),
    ),
)


def described() -> Iterator[str]:
    """Yield the tables as `docs/export.md` has them."""
    yield "| kind | in Parquet | in CSV |"
    yield "|---|---|---|"
    for kind in Kind:
        yield f"| {kind.name.lower()} | `{kind.parquet}` | {kind.csv} |"
    for table in TABLES:
        yield ""
        yield f"### {table.name}"
        yield ""
        yield f"{table.doc[0].upper()}{table.doc[1:]}."
        yield ""
        yield "| column | kind | |"
        yield "|---|---|---|"
        for column in table.columns:
            yield f"| `{column.name}` | {column.kind.name.lower()} | {column.doc} |"
