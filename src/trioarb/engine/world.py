"""Open what a configuration names: markets, symbols, venues and instruments."""

from __future__ import annotations

import time as wall
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

from trioarb.config.schema import ClockKind, Config, EngineMode, Mode, PluginTable
from trioarb.config.tuning import Tuning
from trioarb.course.course import Course
from trioarb.engine.aliases import aliased
from trioarb.engine.differences import balance_differences, differences
from trioarb.engine.fees import FeePrices
from trioarb.engine.fx import Rates, constant_warnings, open_rates
from trioarb.engine.instruments import Changes
from trioarb.engine.opener import Opener
from trioarb.engine.past import Past
from trioarb.engine.pleas import Pleas
from trioarb.engine.real_venues import RealVenue, ask_real_venue
from trioarb.engine.submitted import Submitted
from trioarb.errors import ConfigError, UniverseError, describe
from trioarb.model.market import Book, Instrument, Listing, Quote, VenuePart
from trioarb.plugin.call import Calls
from trioarb.plugin.contract import (
    ExchangeContext,
    Feed,
    MarketContext,
    MarketData,
    See,
    SourceContext,
    SymbolSource,
    Tape,
    VenueContext,
)
from trioarb.plugin.contract.market import is_recorded
from trioarb.plugin.exchange_border import CheckedExchange
from trioarb.plugin.registry import Plugins
from trioarb.plugin.spec import ExchangeSpec, MarketDataSpec, StrategySpec, SymbolSourceSpec
from trioarb.quotes.board import QuoteBoard
from trioarb.risk.holds import Holds
from trioarb.settings.problem import Problem
from trioarb.strategy.triangle import triangles_in
from trioarb.time.campaign_time import CampaignTime, RealTime
from trioarb.time.virtual import VirtualClock, VirtualTime
from trioarb.universe.names import unknown_names
from trioarb.universe.select import Selection, coverage_warning, select, stablecoin_warning, unknown_warnings

__all__ = ["Quoted", "World", "add_symbols", "open_markets", "open_world"]

#: Where virtual time starts when no recorded data says it: 2025-01-01 00:00 UTC.
_VIRTUAL_START_NS = 1_735_689_600_000_000_000


@attrs.frozen(kw_only=True)
class Quoted:
    """Markets by venue, the source and the symbols that were chosen of it, and the time.

    ``listed``: what each market lists. ``plugin_time`` is that of its clock, where the campaign's own time goes by its
    course.
    """

    markets: Mapping[str, MarketData]
    listed: dict[str, Mapping[str, Listing]]
    source: SymbolSource
    selection: Selection
    time: CampaignTime
    plugin_time: CampaignTime
    start_ns: int
    opener: Opener
    pleas: Pleas


@attrs.frozen(kw_only=True)
class World:
    """Everything outside the campaign that it works with; open as long as the scope of `open_world`.

    ``symbols``, ``instruments`` and ``boards`` grow by `add_symbols`, and ``listed``, what each market lists, is what
    that asked last. ``loops``: its strategy goes around triangles.
    ``time`` is the campaign's, ``plugin_time`` that of its clock, where the campaign's own goes by its course.
    ``real``: what the real venues said that others stand in for, in shadow mode.
    """

    time: CampaignTime
    plugin_time: CampaignTime
    start_ns: int
    selection: Selection
    markets: Mapping[str, MarketData]
    listed: dict[str, Mapping[str, Listing]]
    exchanges: Mapping[str, CheckedExchange]
    source: SymbolSource
    symbols: list[Listing]
    instruments: dict[str, dict[str, Instrument]]
    boards: dict[str, QuoteBoard]
    tuning: Tuning
    changes: Changes
    fee_prices: FeePrices
    rates: Rates
    opener: Opener
    pleas: Pleas
    submitted: Submitted
    warnings: tuple[str, ...]
    real: Mapping[str, RealVenue]
    loops: bool = False


@asynccontextmanager
async def open_markets(
    config: Config,
    plugins: Plugins,
    clock: VirtualClock | None,
    *,
    past: Past | None = None,
    course: Course | None = None,
    accounts: bool = False,
) -> AsyncIterator[Quoted]:
    """Open markets and source, and choose the symbols; as `open_world`. ``accounts``: exchanges will be opened, too."""
    course = course or Course()
    async with AsyncExitStack() as stack:
        opener, pleas = Opener.on(stack, plugins, config), Pleas(Holds())
        if course.is_told:
            beside = await stack.enter_async_context(trio.open_nursery())
            stack.callback(beside.cancel_scope.cancel)
            beside.start_soon(course.calls)
        # Until it is known when the campaign begins, its time is what it would be without recorded data.
        first_ns = _start_ns({}, clock, past)
        own_time = RealTime(first_ns) if clock is None else VirtualTime(clock, first_ns)
        markets: dict[str, MarketData] = {}
        for name, tables in config.exchanges.items():
            plea = pleas.of(name, VenuePart.MARKET, tables.market.key)
            market = MarketContext(
                venue=name,
                time=own_time,
                seed=config.session.seed,
                depth=config.engine.depth,
                hold=course.call(name, "hold", plea.hold, VenuePart.MARKET),
                release=course.call(name, "release", plea.release, VenuePart.MARKET),
            )
            if not course.is_told:
                session = VenueContext(
                    venue=name,
                    time=own_time,
                    can_trade=_can_trade(config, plugins, tables.exchange),
                    hold=market.hold,
                    release=market.release,
                )
                await opener.share(tables.exchange if accounts else None, tables.market, session)
            markets[name] = await opener.open(
                MarketDataSpec,
                tables.market,
                market,
                around=partial(_named, name, tables.aliases, tables.same_as, course),
                instead=course.told_market(name),
            )
        if not course.is_told:
            _check_clock(config, markets)
        source = await opener.open(
            SymbolSourceSpec,
            config.source,
            SourceContext(markets=markets, time=own_time),
            around=course.source,
            instead=course.told_source(),
        )
        listings = await source.listings()
        listed = {name: _by_symbol(await market.listings()) for name, market in markets.items()}
        quoted = [listing for of_venue in listed.values() for listing in of_venue.values()]
        if unknown := list(unknown_names(config, (*listings, *quoted))):
            raise ConfigError(unknown)
        if past is None:
            selection = select(listings, config.universe)
        else:
            selection = Selection(symbols=_same_symbols(listings, past, config), verdicts=())
        start_ns = _start_ns(markets, clock, past) if course.start_ns is None else course.start_ns
        own_time.begin(start_ns)
        time = course.time(own_time)
        opener.calls.now_ns = time.now_ns if course.is_told else own_time.now_ns
        yield Quoted(
            markets=markets,
            listed=listed,
            source=source,
            selection=selection,
            time=time,
            plugin_time=own_time,
            start_ns=start_ns,
            opener=opener,
            pleas=pleas,
        )


@asynccontextmanager
async def open_world(
    config: Config,
    plugins: Plugins,
    clock: VirtualClock | None,
    *,
    past: Past | None = None,
    state_of: Callable[[str], Path] | None = None,
    course: Course | None = None,
) -> AsyncIterator[World]:
    """Open markets, source and venues, and choose the symbols; with a ``past``, those that it had.

    ``clock`` is the clock of the running Trio loop if it is virtual. ``state_of`` says where a simulated venue keeps
    what a real one would remember.

    Raises:
        TrioarbError: something can't be opened, or there is nothing to trade.
    """
    course = course or Course()
    async with open_markets(config, plugins, clock, past=past, course=course, accounts=True) as quoted:
        markets, selection, time, start_ns = quoted.markets, quoted.selection, quoted.time, quoted.start_ns
        opener, pleas = quoted.opener, quoted.pleas
        loops = plugins.get(StrategySpec, config.strategy.plugin, key=config.strategy.key).loops
        _check_quotes(config, selection.symbols, loops=loops)
        boards = {listing.symbol: QuoteBoard(tuple(markets)) for listing in selection.symbols}
        exchanges: dict[str, CheckedExchange] = {}
        submitted = Submitted()
        instruments: dict[str, dict[str, Instrument]] = {}
        contexts: dict[str, ExchangeContext] = {}
        changes = Changes(instruments, boards)
        rates = open_rates(config, markets, quoted.listed, boards)
        fee_prices = FeePrices(config, instruments, boards, rates.usd)
        for name, tables in config.exchanges.items():
            plea = pleas.of(name, VenuePart.EXCHANGE, tables.exchange.key)
            context = contexts[name] = ExchangeContext(
                venue=name,
                seed=config.session.seed,
                time=quoted.plugin_time,
                touch=_touch(boards, name),
                book=_book(boards, name),
                watch=_watch(boards, name),
                follow=_follow(boards, name, opener.calls),
                market_rules=markets[name].rules,
                fx=rates.usd if rates.sourced else config.fx,
                latency_factor=config.session.latency_factor,
                state=None if state_of is None else state_of(name),
                resumed=past is not None,
                changed=course.call(name, "changed", changes.told_by(name)),
                hold=course.call(name, "hold", plea.hold, VenuePart.EXCHANGE),
                release=course.call(name, "release", plea.release, VenuePart.EXCHANGE),
                fee_price=fee_prices.price,
                aliases=tables.aliases,
                can_trade=_can_trade(config, plugins, tables.exchange),
                submitted_ns=submitted.at_ns,
            )
            exchanges[name] = await opener.open(
                ExchangeSpec,
                tables.exchange,
                context,
                venue=name,
                around=partial(course.exchange, name),
                instead=course.told_exchange(name),
            )
            await _list_at(name, quoted.listed[name], exchanges[name], selection.symbols, instruments)
        symbols, warnings = _routed(selection, instruments, least=_least_venues(loops))
        if config.engine.mode is EngineMode.SINGLE and len(symbols) != 1:
            raise UniverseError(
                f'engine.mode is "single", but the universe has {len(symbols)} symbols; '
                'set engine.mode = "multi", or universe.mode = "SINGLE" and universe.symbol'
            )
        if missing := list(fee_prices.missing()):
            raise ConfigError(missing)
        real = dict[str, RealVenue]()
        if config.session.mode is Mode.SHADOW and course.is_told:
            trips = course.seen("round_trips", dict[str, int])
            real = {
                name: RealVenue(instruments={}, balances={}, round_trip_ns=trip_ns) for name, trip_ns in trips.items()
            }
        elif config.session.mode is Mode.SHADOW:
            real = await _ask_real(config, opener, contexts, quoted.listed, symbols)
            course.seen("round_trips", {name: one.round_trip_ns for name, one in real.items()}.copy)
            begins = {} if past is not None else {name: await exchanges[name].balances() for name in real}
            warnings += _real_differences(config, real, exchanges, instruments, symbols, begins)
        tuning = Tuning(config)
        tuning.take_in(symbols)
        is_replayed = all(map(is_recorded, markets.values()))
        wide = (
            coverage_warning(selection, len(symbols), config.universe),
            stablecoin_warning(symbols, config.universe),
        )
        yield World(
            time=time,
            plugin_time=quoted.plugin_time,
            start_ns=start_ns,
            selection=selection,
            markets=markets,
            listed=quoted.listed,
            exchanges=exchanges,
            source=quoted.source,
            symbols=list(symbols),
            instruments=instruments,
            boards=boards,
            tuning=tuning,
            changes=changes,
            fee_prices=fee_prices,
            rates=rates,
            opener=opener,
            pleas=pleas,
            submitted=submitted,
            warnings=(
                *(unknown_warnings(selection, config.universe, is_recorded=is_replayed) if past is None else ()),
                *warnings,
                *constant_warnings(config, instruments),
                *filter(None, wide),
            ),
            real=real,
            loops=loops,
        )


async def add_symbols(
    world: World, course: Course, listings: Sequence[Listing]
) -> tuple[Sequence[Listing], Sequence[str]]:
    """Take in symbols that are new to it; return those that enough venues list, and warnings of the others."""
    found: dict[str, dict[str, Instrument]] = {}
    if listings:
        for venue, market in world.markets.items():
            world.listed[venue] = _by_symbol(await course.asked(venue, "listings", market.listings))
    for venue, exchange in world.exchanges.items():
        await _list_at(venue, world.listed[venue], exchange, listings, found)
    kept, warnings = _at_enough_venues(listings, found, least=_least_venues(world.loops))
    world.tuning.take_in(kept)
    for listing in kept:
        world.symbols.append(listing)
        world.instruments[listing.symbol] = found[listing.symbol]
        world.boards[listing.symbol] = QuoteBoard(tuple(world.markets))
    return kept, warnings


def _by_symbol(listings: Sequence[Listing]) -> Mapping[str, Listing]:
    return {listing.symbol: listing for listing in listings}


async def _named(
    venue: str, aliases: Mapping[str, str], same_as: Mapping[str, str], course: Course, market: Any
) -> Any:
    named = await aliased(market, venue, aliases, same_as) if aliases or same_as else market
    return await course.market(venue, named)


def _can_trade(config: Config, plugins: Plugins, table: PluginTable) -> bool:
    """Return whether orders are sent there: wherever they cost nothing, and at real venues in the mode ``live``."""
    part: PluginTable | None = table
    while part is not None:
        if plugins.get(ExchangeSpec, part.plugin, key=part.key).real and config.session.mode is not Mode.LIVE:
            return False
        part = part.wraps
    return True


async def _list_at(
    venue: str,
    listed: Mapping[str, Listing],
    exchange: CheckedExchange,
    listings: Sequence[Listing],
    instruments: dict[str, dict[str, Instrument]],
) -> None:
    """List symbols at a venue, which is asked by its own quote asset where that counts as the symbol's."""
    offered = [
        listing if (quote := listed[listing.symbol].venue_quote) is None else attrs.evolve(listing, quote=quote)
        for listing in listings
        if listing.symbol in listed
    ]
    common = {listing.symbol: listing.quote for listing in listings}
    for symbol, instrument in (await exchange.instruments(offered)).items():
        if instrument.quote != common[symbol]:
            instrument = attrs.evolve(instrument, counts_as=common[symbol])
        instruments.setdefault(symbol, {})[venue] = instrument


async def _ask_real(
    config: Config,
    opener: Opener,
    contexts: Mapping[str, ExchangeContext],
    listed: Mapping[str, Mapping[str, Listing]],
    symbols: Sequence[Listing],
) -> dict[str, RealVenue]:
    """Ask the real venues that others stand in for about the symbols that are traded.

    Raises:
        VenueError: one can't be read.
    """
    asked = dict[str, RealVenue]()
    for name, tables in config.exchanges.items():
        if tables.real is None:
            continue

        async def list_at(exchange: CheckedExchange, name: str = name) -> Mapping[str, Instrument]:
            found: dict[str, dict[str, Instrument]] = {}
            await _list_at(name, listed[name], exchange, symbols, found)
            return {symbol: by_venue[name] for symbol, by_venue in found.items()}

        asked[name] = await ask_real_venue(opener, tables.real, contexts[name], list_at)
    return asked


def _real_differences(
    config: Config,
    real: Mapping[str, RealVenue],
    exchanges: Mapping[str, CheckedExchange],
    instruments: Mapping[str, Mapping[str, Instrument]],
    symbols: Sequence[Listing],
    begins: Mapping[str, Mapping[str, Decimal]],
) -> list[str]:
    """Return what the real venues say otherwise; ``begins``: what stands in for them holds, where it begins anew."""
    warnings: list[str] = []
    for name, venue in real.items():
        table = config.exchanges[name].exchange
        listed = {one.symbol: instruments[one.symbol][name] for one in symbols if name in instruments[one.symbol]}
        warnings += differences(name, table, listed, venue)
        if name in begins:
            bases = sorted({one.base for one in listed.values()}) if exchanges[name].grants_inventory else []
            warnings += balance_differences(name, table, begins[name], venue, bases)
    return warnings


def _same_symbols(listings: Sequence[Listing], past: Past, config: Config) -> tuple[Listing, ...]:
    """Return the listings of a campaign that is gone on with; what it has dropped need not be listed any more."""
    by_symbol = {listing.symbol: listing for listing in listings}
    if config.universe.refresh_minutes is None:
        symbols, traded = past.opened.symbols, past.opened.symbols
    else:
        symbols, traded = past.universe()
    gone = [symbol for symbol in traded if symbol not in by_symbol]
    if gone:
        raise UniverseError(f"the source lists {', '.join(gone)} no more, which the campaign trades")
    return tuple(by_symbol[symbol] for symbol in symbols if symbol in by_symbol)


def _start_ns(markets: Mapping[str, MarketData], clock: VirtualClock | None, past: Past | None) -> int:
    starts = [market.start_ns for market in markets.values() if isinstance(market, Tape)]
    known = [start_ns for start_ns in starts if start_ns is not None]
    if past is not None:
        # Recorded quotes wait for who resumes; those that come by themselves came meanwhile, too.
        waits = clock is not None or bool(known)
        return past.last_ts_ns if waits else max(past.last_ts_ns, wall.time_ns())
    if known:
        return min(known)
    return wall.time_ns() if clock is None else _VIRTUAL_START_NS


def _touch(boards: Mapping[str, QuoteBoard], venue: str) -> Any:
    def touch(symbol: str) -> Quote | None:
        return boards[symbol].quote_at(venue)

    return touch


def _watch(boards: Mapping[str, QuoteBoard], venue: str) -> Any:
    def watch(symbol: str, see: See) -> None:
        boards[symbol].watch(venue, see)

    return watch


def _follow(boards: Mapping[str, QuoteBoard], venue: str, calls: Calls) -> Any:
    def follow(symbol: str, told: Callable[[], None] | None) -> None:
        board = boards[symbol]

        def tell() -> None:
            try:
                assert told is not None
                told()
            except Exception as error:  # the venue's fault, not the symbol's
                calls.beside.append(f"[exchanges.{venue}]: its following of {symbol} raised {describe(error)}")
                board.followed.follow(index, None)

        index = board.venues.index(venue)
        board.followed.follow(index, None if told is None else tell)

    return follow


def _book(boards: Mapping[str, QuoteBoard], venue: str) -> Any:
    def book(symbol: str) -> Book | None:
        return boards[symbol].book_at(venue)

    return book


def _check_clock(config: Config, markets: Mapping[str, MarketData]) -> None:
    """Live data comes in real time only."""
    session = config.session
    if session.clock is ClockKind.REAL and session.speed == 1:
        return
    live = [name for name, market in markets.items() if isinstance(market, Feed)]
    if live:
        wrong = (
            ("session.clock", '"virtual"', '"real"')
            if session.speed == 1
            else ("session.speed", str(session.speed), "1")
        )
        raise ConfigError(
            [Problem(key=wrong[0], message=f"{live[0]} has live market data", value=wrong[1], allowed=wrong[2])]
        )


def _check_quotes(config: Config, symbols: Sequence[Listing], *, loops: bool) -> None:
    """See that quote assets have a rate; with ``loops`` those need none that others are bridges of, in a triangle."""
    needed = {listing.symbol: listing.quote for listing in symbols}
    if loops:
        for triangle in triangles_in(symbols):
            needed.pop(triangle.cross, None)
    missing = sorted(set(needed.values()) - set(config.fx))
    if missing:
        raise ConfigError(
            [
                Problem(
                    key=f"fx.{asset}",
                    message=f"missing; what one {asset} is worth in USD, to value symbols quoted in it",
                    allowed="number, > 0",
                )
                for asset in missing
            ]
        )


def _least_venues(loops: bool) -> int:
    """Return how many venues have to list a symbol: a route needs two, a loop one."""
    return 1 if loops else 2


def _routed(
    selection: Selection, instruments: Mapping[str, Mapping[str, Instrument]], *, least: int
) -> tuple[tuple[Listing, ...], list[str]]:
    """Keep the symbols that at least so many venues list.

    Raises:
        UniverseError: there are none.
    """
    kept, warnings = _at_enough_venues(selection.symbols, instruments, least=least)
    if not kept:
        at = "any venue" if least == 1 else "two venues"
        raise UniverseError(f"no chosen symbol is listed at {at}:\n" + "\n".join(warnings))
    return tuple(kept), warnings


def _at_enough_venues(
    listings: Sequence[Listing], instruments: Mapping[str, Mapping[str, Instrument]], *, least: int
) -> tuple[list[Listing], list[str]]:
    kept, warnings = [], []
    for listing in listings:
        venues = list(instruments.get(listing.symbol, {}))
        if len(venues) >= least:
            kept.append(listing)
        else:
            listed = f"only at {venues[0]}; it takes two venues to trade it" if venues else "at no venue"
            warnings.append(f"{listing.symbol} is listed {listed}")
    return kept, warnings
