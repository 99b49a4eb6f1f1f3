"""Rates of quote assets: their sources are found among the venues' symbols, and followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

import attrs

from trioarb.config.schema import Config, FxTable
from trioarb.errors import ConfigError
from trioarb.model.event import Event, FxRated
from trioarb.model.fx import FxState, Said
from trioarb.model.market import Instrument, Listing
from trioarb.model.number import BPS, EXACT, ZERO, per_unit
from trioarb.plugin.contract import MarketData
from trioarb.plugin.contract.market import is_recorded
from trioarb.quotes.board import QuoteBoard, Touch
from trioarb.quotes.rate import Constant, Rate, Source, Sourced
from trioarb.quotes.watched import Watched
from trioarb.settings.key import join_key
from trioarb.settings.problem import Problem, nearest
from trioarb.state.fx import Fx

__all__ = ["Rates", "constant_warnings", "open_rates", "rate_listings"]

_PREMIUM_STEP = Decimal("0.01")


class UsdRates(Mapping[str, Decimal]):
    """USD for one unit of a quote asset, as of now: as they are set, or at markets, at what a unit would bring there.

    One whose market has not quoted yet isn't in it.
    """

    def __init__(self, fx: Mapping[str, Decimal], rates: Mapping[str, Sourced]) -> None:
        self._fx, self._rates = fx, rates

    def __getitem__(self, asset: str) -> Decimal:
        rate = self._rates.get(asset)
        if rate is None:
            return self._fx[asset]
        if rate.said is None:
            raise KeyError(asset)
        return EXACT.multiply(rate.said.bid, self._fx[rate.common])

    def __iter__(self) -> Iterator[str]:
        yield from self._fx
        yield from (asset for asset, rate in self._rates.items() if rate.said is not None and asset not in self._fx)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@attrs.define(eq=False)
class Rates:
    """``sourced``: the rates at markets, by asset. ``watched``: the symbols whose quotes are wanted for them alone.

    ``usd`` is what a unit of each quote asset is worth now.
    """

    fx: Mapping[str, Decimal]
    sourced: Mapping[str, Sourced] = attrs.field(factory=dict)
    watched: Sequence[Watched] = ()
    usd: Mapping[str, Decimal] = attrs.field(factory=dict)
    _constants: dict[tuple[str, str], Constant] = attrs.field(factory=dict)

    def of(self, instruments: Mapping[str, Instrument]) -> dict[str, Rate]:
        """Return the rates of the venues whose quote asset is another than the symbol's."""
        return {
            venue: self._rate(one.quote, one.counts_as)
            for venue, one in instruments.items()
            if one.counts_as is not None
        }

    def _rate(self, asset: str, common: str) -> Rate:
        rate = self.sourced.get(asset)
        if rate is not None:
            return rate
        if (asset, common) not in self._constants:
            self._constants[asset, common] = Constant(asset, common, per_unit(self.fx[asset], self.fx[common]))
        return self._constants[asset, common]

    def begin(
        self,
        record: Callable[[Event], object],
        now_ns: Callable[[], int],
        boards: Mapping[str, QuoteBoard],
        instruments: Mapping[str, Mapping[str, Instrument]],
    ) -> None:
        """Follow the sources, and record what becomes of rates.

        ``boards`` and ``instruments`` are those of the symbols that are traded: of their premiums.
        """
        for rate in self.sourced.values():

            def rated(ns: int, reason: str, rate: Sourced = rate) -> None:
                record(_rated(rate, reason, ns, boards, instruments))

            def quoted(rate: Sourced = rate) -> None:
                rate.quoted(now_ns())

            rate.on_state = rated
            for source in rate.sources:
                source.board.followed.follow(source.index, quoted, who=f"the rate of {rate.asset}")

    def resume(self, known: Fx) -> None:
        """Go on with the rates that were recorded last."""
        for asset, rate in self.sourced.items():
            figures = known.rates.get(asset)
            last = None if figures is None else figures.last
            if last is not None and last.bid is not None and last.ask is not None:
                rate.resume(Said(last.bid, last.ask))

    def state(self, now_ns: int, reason: str) -> None:
        """Record all rates as they are."""
        for rate in self.sourced.values():
            rate.look(now_ns)
            rate.on_state(now_ns, reason)


def open_rates(
    config: Config,
    markets: Mapping[str, MarketData],
    listed: Mapping[str, Mapping[str, Listing]],
    boards: Mapping[str, QuoteBoard],
) -> Rates:
    """Find the sources of the rates that are at markets, of which each has ``listed`` what it can quote.

    ``boards`` are those of the symbols that are traded.

    Raises:
        ConfigError: a venue doesn't list the symbol of a rate, or that is no price of the asset.
    """
    sourced, watched = dict[str, Sourced](), dict[str, Watched]()
    for asset, found in rate_listings(config, markets, listed).items():
        table, one = config.fx_markets[asset], next(iter(found.values()))
        common = one.base if one.quote == asset else one.quote
        board = boards.get(one.symbol)
        if board is None:
            if one.symbol not in watched:
                watched[one.symbol] = Watched(one, QuoteBoard(tuple(markets)), ())
            watched[one.symbol].venues = tuple(dict.fromkeys((*watched[one.symbol].venues, *table.markets)))
            board = watched[one.symbol].board
        sourced[asset] = _sourced(asset, common, table, board, is_inverted=one.quote == asset)
    return Rates(config.fx, sourced, tuple(watched.values()), UsdRates(config.fx, sourced))


def rate_listings(
    config: Config, markets: Mapping[str, MarketData], listed: Mapping[str, Mapping[str, Listing]]
) -> dict[str, dict[str, Listing]]:
    """Return what the sources of each rate that is at markets list as it, by asset and venue.

    Raises:
        ConfigError: a venue doesn't list the symbol of a rate, or that is no price of the asset.
    """
    problems, by_asset = list[Problem](), dict[str, dict[str, Listing]]()
    for asset, table in config.fx_markets.items():
        key, found = join_key("fx", asset), dict[str, Listing]()
        lacking: list[str] = []
        for venue in table.markets:
            listings = listed[venue]
            listing = listings.get(table.symbol or "")
            if listing is not None:
                found[venue] = listing
            elif is_recorded(markets[venue]):
                lacking.append(venue)
            else:
                problems.append(_not_listed(key, table, venue, listings))
        if lacking:
            problems.append(_not_recorded(key, table, lacking, asset))
        if len(found) < len(table.markets):
            continue
        one = next(iter(found.values()))
        if any((listing.base, listing.quote) != (one.base, one.quote) for listing in found.values()):
            problems.append(Problem(key=f"{key}.symbol", message=f"{one.symbol} is not the same at all of its markets"))
            continue
        common = one.base if one.quote == asset else one.quote
        if asset not in (one.base, one.quote) or common not in config.fx:
            problems.append(
                Problem(
                    key=f"{key}.symbol",
                    message=f"{one.symbol} is a price of {one.base} in {one.quote}",
                    value=f'"{one.symbol}"',
                    allowed=f"a price of {asset} in an asset whose rate is set ({', '.join(config.fx)}), or of that in "
                    f"{asset}",
                )
            )
            continue
        problems += _otherwise_counted(config, asset, common)
        by_asset[asset] = found
    if problems:
        raise ConfigError(problems)
    return by_asset


def constant_warnings(config: Config, instruments: Mapping[str, Mapping[str, Instrument]]) -> Iterator[str]:
    """Say which prices are compared by a rate that doesn't move."""
    used = {
        (one.quote, one.counts_as)
        for by_venue in instruments.values()
        for one in by_venue.values()
        if one.counts_as is not None and one.quote not in config.fx_markets
    }
    for asset, common in sorted(used):
        yield (
            f"fx.{asset} is a constant: prices in {asset} are compared with those in {common} at a rate that doesn't "
            "move, so every edge is wrong by as much as the market's rate differs from it"
        )


def _sourced(asset: str, common: str, table: FxTable, board: QuoteBoard, *, is_inverted: bool) -> Sourced:
    sources = tuple(Source(venue, board, board.venues.index(venue), is_inverted) for venue in table.markets)
    return Sourced(
        asset,
        common,
        sources,
        max_age_ns=int(table.max_age_ms * 1_000_000),
        outlier_bps=table.outlier_bps,
        least_sources=table.least_sources,
    )


def _otherwise_counted(config: Config, asset: str, common: str) -> Iterator[Problem]:
    """Yield venues at which an asset counts as another one than that in which its rate says what it is worth."""
    for venue, one in config.exchanges.items():
        other = one.same_as.get(asset, common)
        if other != common:
            yield Problem(
                key=join_key("exchanges", venue, "same_as", asset),
                message=f"counts {asset} as {other}, but [fx.{asset}] says what it is worth in {common}",
                value=f'"{other}"',
                allowed=f'"{common}"',
            )


def _not_recorded(key: str, table: FxTable, venues: Sequence[str], asset: str) -> Problem:
    return Problem(
        key=f"{key}.symbol",
        message=f"the recorded quotes of {', '.join(venues)} hold none of it, and without them no price in {asset} can "
        "be converted as it was then",
        value=f'"{table.symbol}"',
        remedy=f"record with a configuration that has [{key}], which records its markets too; or set a constant, which "
        f"is warned of: {key} = USD for one {asset}",
    )


def _not_listed(key: str, table: FxTable, venue: str, listings: Mapping[str, Listing]) -> Problem:
    return Problem(
        key=f"{key}.symbol",
        message=f"{venue}, one of its markets, does not list it",
        value=f'"{table.symbol}"',
        suggestion=nearest(table.symbol or "", sorted(listings)),
    )


def _rated(
    rate: Sourced,
    reason: str,
    now_ns: int,
    boards: Mapping[str, QuoteBoard],
    instruments: Mapping[str, Mapping[str, Instrument]],
) -> FxRated:
    said, counted = rate.said, rate.counted if rate.state is FxState.GOOD else {}
    return FxRated(
        asset=rate.asset,
        common=rate.common,
        reason=reason,
        state=rate.state,
        bid=None if said is None else said.bid,
        ask=None if said is None else said.ask,
        age_ns=rate.age_ns(now_ns),
        bids={venue: one.bid for venue, one in counted.items()},
        asks={venue: one.ask for venue, one in counted.items()},
        outliers=rate.outliers,
        old=rate.old,
        premiums={} if said is None else dict(_premiums(rate.asset, said, boards, instruments)),
    )


def _premiums(
    asset: str, said: Said, boards: Mapping[str, QuoteBoard], instruments: Mapping[str, Mapping[str, Instrument]]
) -> Iterator[tuple[str, Decimal]]:
    """Yield how far converted prices stand above those that need no conversion."""
    for symbol in sorted(instruments):
        by_venue, board = instruments[symbol], boards.get(symbol)
        foreign = [venue for venue, one in by_venue.items() if one.counts_as is not None and one.quote == asset]
        if board is None or not foreign:
            continue
        middles = {venue: _middle(board.touch(venue)) for venue in by_venue}
        own = [
            middle
            for venue, one in by_venue.items()
            if one.counts_as is None and (middle := middles[venue]) is not None
        ]
        if not own:
            continue
        mean = per_unit(sum(own, ZERO), Decimal(len(own)))
        for venue in foreign:
            middle = middles[venue]
            if middle is not None:
                premium = per_unit((middle * said.middle - mean) * BPS, mean)
                yield f"{symbol}@{venue}", premium.quantize(_PREMIUM_STEP)


def _middle(touch: Touch | None) -> Decimal | None:
    if touch is None or touch.bid is None or touch.ask is None:
        return None
    return (touch.bid + touch.ask) / 2
