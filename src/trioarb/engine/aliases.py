"""Names that a venue has of its own: what its market data calls XBT is BTC here, and its BTCKRW may be our BTCUSDT."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import attrs
import trio

from trioarb.errors import ConfigError
from trioarb.model.market import Listing
from trioarb.model.rules import TradingRules
from trioarb.plugin.contract import Feed, MarketData, QuoteSink, RowBatch, Stored, Tape, TapeRow
from trioarb.plugin.contract.market import is_recorded
from trioarb.settings.key import join_key
from trioarb.settings.problem import Problem, nearest

__all__ = ["aliased"]


async def aliased(
    market: MarketData, venue: str, aliases: Mapping[str, str], same_as: Mapping[str, str] | None = None
) -> MarketData:
    """Return a venue's market data whose assets have our names. Plugins are still asked by the venue's own symbols.

    ``same_as``: quote assets whose symbols are listed as those in another one, instead of the venue's own in that one,
    if there are any. What is quoted in an asset, of that other one, stays as it is: it is the one's price in the other.

    Raises:
        ConfigError: an alias names what the venue doesn't list, or makes one symbol of two.
    """
    names = _Names(market, venue, aliases, same_as or {})
    if problems := list(await names.problems()):
        raise ConfigError(problems)
    return _AliasedTape(market, names) if isinstance(market, Tape) else _AliasedFeed(market, names)


@attrs.define
class _Names:
    market: MarketData
    venue: str
    aliases: Mapping[str, str]
    same_as: Mapping[str, str]
    #: The venue's own symbols by ours.
    native: dict[str, str] = attrs.field(factory=dict)

    async def listings(self) -> list[Listing]:
        found = list(self._found(await self.market.listings()))
        self.native = {ours.symbol: symbol for symbol, ours in found}
        return [ours for _, ours in found]

    def _found(self, listings: Sequence[Listing]) -> Iterator[tuple[str, Listing]]:
        """Yield the venue's symbols, and what they are here; without those in whose place another one stands."""
        found = [self._ours(listing) for listing in listings]
        instead = {ours.symbol for _, ours in found if ours.venue_quote is not None}
        for symbol, ours in found:
            if ours.venue_quote is not None or ours.symbol not in instead:
                yield symbol, ours

    def natives(self, symbols: Sequence[str]) -> list[str]:
        return [self.native.get(symbol, symbol) for symbol in symbols]

    def converted(self) -> str:
        """Return what is listed as the same, as text; nothing if nothing is."""
        return f" {sorted(self.same_as.items())}" if self.same_as else ""

    def ours(self) -> dict[str, str]:
        return {native: symbol for symbol, native in self.native.items()}

    async def problems(self) -> Iterator[Problem]:
        return self._problems(await self.market.listings())

    def _problems(self, listings: Sequence[Listing]) -> Iterator[Problem]:
        key, seen = join_key("exchanges", self.venue, "aliases"), dict[str, str]()
        assets = {asset for one in listings for asset in (one.base, one.quote)}
        quotes = {self.aliases.get(one.quote, one.quote) for one in listings}
        # A recording holds only the symbols that were chosen for it, and not each needs an alias.
        wanted = [] if is_recorded(self.market) else [(key, name, assets) for name in self.aliases]
        wanted += [(join_key("exchanges", self.venue, "same_as"), name, quotes) for name in self.same_as]
        for place, name, known in wanted:
            if name not in known:
                yield Problem(
                    key=join_key(place, name),
                    message=f"{self.venue} lists no such asset"
                    if place == key
                    else f"{self.venue} quotes nothing in it",
                    suggestion=nearest(name, sorted(known)),
                )
        found = dict[tuple[str, str, str], list[str]]()
        own = {one.symbol: one for one in listings}
        for symbol, ours in self._found(listings):
            if ours.symbol in seen:
                place = key if ours.venue_quote is None else join_key("exchanges", self.venue, "same_as")
                one, other = own[seen[ours.symbol]], own[symbol]
                differ = (one.base, other.base) if one.base != other.base else (one.quote, other.quote)
                both = f"{one.symbol} and {symbol} would both be {ours.symbol}"
                found.setdefault((place, *differ), []).append(both)
            seen[ours.symbol] = symbol
        # An alias that is wrong is so in each symbol of the asset.
        for (place, *_), (first, *others) in found.items():
            more = f", and so in {len(others):,} more symbols" if others else ""
            yield Problem(key=place, message=f"{first}{more}: an alias is for one coin")

    def _ours(self, listing: Listing) -> tuple[str, Listing]:
        base = self.aliases.get(listing.base, listing.base)
        quote = self.aliases.get(listing.quote, listing.quote)
        common = self.same_as.get(quote, base)
        name = f"{listing.base}-{listing.quote}"
        if common != base:  # in that asset itself it is its price
            return listing.symbol, attrs.evolve(
                listing, symbol=base + common, base=base, quote=common, venue_quote=quote, venue_name=name
            )
        if (base, quote) == (listing.base, listing.quote):
            return listing.symbol, listing
        return listing.symbol, attrs.evolve(listing, symbol=base + quote, base=base, quote=quote, venue_name=name)


class _AliasedTape(Tape):
    def __init__(self, market: Tape, names: _Names) -> None:
        self._market = market
        self._names = names

    @property
    def start_ns(self) -> int | None:
        return self._market.start_ns

    async def listings(self) -> Sequence[Listing]:
        return await self._names.listings()

    def rules(self, symbol: str) -> TradingRules | None:
        return self._market.rules(self._names.native.get(symbol, symbol))

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        ours = self._names.ours()
        for row in self._market.rows(self._names.natives(symbols), start_ns):
            ts_ns, order, symbol, *rest = row
            yield (ts_ns, order, ours.get(symbol, symbol), *rest)

    def batches(self, symbols: Sequence[str], start_ns: int) -> Iterator[RowBatch] | None:
        found = self._market.batches(self._names.natives(symbols), start_ns)
        return None if found is None else map(partial(_renamed, self._names.ours()), found)

    def stored(self) -> Stored | None:
        stored = self._market.stored()
        if stored is None:
            return None
        return attrs.evolve(
            stored, fingerprint=f"{stored.fingerprint} {sorted(self._names.aliases.items())}{self._names.converted()}"
        )


class _AliasedFeed(Feed):
    def __init__(self, market: MarketData, names: _Names) -> None:
        assert isinstance(market, Feed)
        self._market = market
        self._names = names

    async def listings(self) -> Sequence[Listing]:
        return await self._names.listings()

    def rules(self, symbol: str) -> TradingRules | None:
        return self._market.rules(self._names.native.get(symbol, symbol))

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        native = {self._names.native.get(symbol, symbol): sink for symbol, sink in sinks.items()}
        await self._market.run(native, task_status=task_status)


def _renamed(ours: Mapping[str, str], batch: RowBatch) -> RowBatch:
    return attrs.evolve(batch, names=[ours.get(name, name) for name in batch.names])
