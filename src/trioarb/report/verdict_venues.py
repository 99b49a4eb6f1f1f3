"""What the venues of a run, and how they are simulated, say against it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import attrs

from trioarb.config.schema import ExchangeTables, Mode, PluginTable
from trioarb.model.market import Route
from trioarb.model.trade import ExitReason
from trioarb.report.figures import number_of, usd
from trioarb.report.keys import listed, value_of, venue_keys
from trioarb.report.report import Report
from trioarb.report.verdict_finding import Code, Finding

__all__ = ["venue_findings"]

_PERPETUAL = frozenset({"futures", "future", "perp", "perpetual", "swap", "linear", "inverse", "usdm", "coinm"})
#: What names of recorded exchanges begin with that don't exist.
_SYNTHETIC = "synthetic"
#: So many trades of one direction between a perpetual and a spot market say that what they differ by doesn't revert.
_ONE_WAY = 0.9


def venue_findings(report: Report) -> Iterator[Finding]:
    """Yield what is said of venues; of those that were not traded at only that fills are simulated."""
    mode = report.config.session.mode
    if mode is not Mode.LIVE:
        text = f"In {mode.value} mode fills are those of a model, and no order of ours moved a market."
        by_operator = [(tables.market.key, _operator_of(tables)) for tables in report.config.exchanges.values()]
        if unknown := [key for key, operator in by_operator if not operator]:
            text += f" Nor is it known that prices are those of a real market ({listed(unknown)})."
        if synthetic := [key for key, operator in by_operator if operator == _SYNTHETIC]:
            text += f" Prices are SYNTHETIC, made up by a program ({listed(synthetic)})."
        yield Finding(Code.SIMULATED, text, "session.mode")
        yield from _latency(report)
    yield from _sensitive(report)
    yield from _operator(report)
    yield from _basis(report)


def _latency(report: Report) -> Iterator[Finding]:
    config = report.config
    without = [venue for venue, tables in config.exchanges.items() if _is_immediate(tables.exchange)]
    if config.session.latency_factor and not without:
        return
    found = venue_keys(config, "latency", without) if config.session.latency_factor else ["session.latency_factor"]
    where = listed(without) if config.session.latency_factor else "every venue"
    yield Finding(Code.ZERO_LATENCY, f"Orders arrive at {where} in no time.", listed(found))


def _is_immediate(table: PluginTable) -> bool:
    """Whether the latency of a simulated venue is none; the more exact of its settings wins."""
    fields: Any = attrs.fields(type(table.settings)) if attrs.has(type(table.settings)) else ()
    found = [
        value
        for field in fields
        if field.metadata.get("concerns") == "latency" and (value := getattr(table.settings, field.name)) is not None
    ]
    if not found:
        return table.wraps is not None and _is_immediate(table.wraps)
    return bool(getattr(found[-1], "is_nothing", not found[-1]))


def _sensitive(report: Report) -> Iterator[Finding]:
    came = {one.latency_factor: one.pnl_usd for one in report.sensitivity}
    as_is, twice = came.get(Decimal(1)), came.get(Decimal(2))
    if as_is is not None and twice is not None and as_is > 0 and 2 * twice < as_is:
        text = f"With twice the latency it would have come to {usd(twice)} instead of {usd(as_is)} USD."
        keys = listed(venue_keys(report.config, "latency", report.config.exchanges))
        yield Finding(Code.LATENCY_SENSITIVE, text, keys or "session.latency_factor")


def _operator(report: Report) -> Iterator[Finding]:
    operators = {venue: _operator_of(tables) for venue, tables in report.config.exchanges.items()}
    counted = Counter(one for one in operators.values() if one and one != _SYNTHETIC)
    for operator, count in sorted(counted.items()):
        if count > 1:
            named = listed([venue for venue, one in operators.items() if one == operator])
            text = f"{named} belong to one operator ({operator}), whose failure would hit both legs."
            yield Finding(Code.SAME_OPERATOR, text, "exchanges")


def _basis(report: Report) -> Iterator[Finding]:
    """Yield it once, of the symbol with the most trades between both kinds."""
    found = {
        route: outcomes.trades
        for route, outcomes in report.state.performance.routes.items()
        if outcomes.trades
        and _is_perpetual(report, route.symbol, route.buy_venue)
        is not _is_perpetual(report, route.symbol, route.sell_venue)
    }
    if not found:
        return
    ways = Counter[Route]()
    for route, trades in found.items():
        ways[min(route, route.reversed)] += trades
    both = max(ways, key=lambda one: (ways[one], one))
    most = max((both, both.reversed), key=lambda one: found.get(one, 0))
    exits = report.statistics.exits
    reverted, held = exits[ExitReason.EDGE.value] + exits[ExitReason.TAKE_PROFIT.value], exits.total()
    one_way = found.get(most, 0) >= _ONE_WAY * ways[both]
    if one_way or (held > exits[ExitReason.ONCE.value] and not reverted):
        what = f"{number_of(found.get(most, 0))} of {number_of(ways[both])} trades of {most.symbol} went one way"
        if not one_way:
            what = "no position was closed because the edge had reverted"
        text = (
            f"{both.buy_venue} and {both.sell_venue} are a perpetual and a spot market, and {what}: what they differ "
            "by is a basis, no profit, until it reverts."
        )
        yield Finding(Code.BASIS, text, "exchanges: two venues of one kind, or a longer span of data")


def _is_perpetual(report: Report, symbol: str, venue: str) -> bool:
    listed_as = report.statistics.instruments.get(symbol, {}).get(venue)
    if listed_as is not None and listed_as.leverage is not None:
        return True
    tables = report.config.exchanges.get(venue)
    return tables is not None and not _PERPETUAL.isdisjoint(_words(tables))


def _operator_of(tables: ExchangeTables) -> str:
    """Return the first word of what the data, or the real venue, is called; '' where neither is known."""
    return next(iter(_words(tables)), "")


def _words(tables: ExchangeTables) -> list[str]:
    name = ""
    if isinstance(recorded := value_of(tables.market, "operator"), str):
        name = recorded
    elif tables.real is not None or tables.paper is not None:
        name = (tables.real or tables.exchange).plugin
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
