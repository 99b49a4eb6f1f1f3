"""Survey the markets that a configuration names, whose quotes are known ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import attrs
import trio

from trioarb.config.schema import Config
from trioarb.engine.fx import open_rates
from trioarb.engine.opening import open_campaign
from trioarb.engine.run import run_campaign
from trioarb.errors import ConfigError
from trioarb.model.number import BPS
from trioarb.plugin.border import CheckedTape
from trioarb.plugin.registry import Plugins
from trioarb.quotes.stream import open_windows
from trioarb.quotes.window import Window
from trioarb.settings.problem import Problem
from trioarb.survey.depth import Depths, looking_at_depth
from trioarb.survey.rates import Course, Courses, follow_rates
from trioarb.survey.survey import SurveyedRoute, find_chances, look
from trioarb.survey.verdict import Figures, Verdict, break_evens, figures_of, net_levels, one_way_levels, overall
from trioarb.time.virtual import VirtualClock

__all__ = ["Replayed", "Survey", "replay", "survey_markets"]


@attrs.frozen(kw_only=True)
class Survey:
    """What was found in ``rows`` quotes from ``first_ns`` to ``last_ns``; ``quote_of``: a symbol's quote asset.

    ``slippage_usd``: of which size the books' slippage is, where they have levels. ``rates``: of the quote assets that
    were converted.
    """

    routes: Sequence[Figures]
    rows: int
    first_ns: int
    last_ns: int
    latency_ns: int
    slippage_usd: float
    quote_of: dict[str, str]
    usd_per_quote: dict[str, float]
    warnings: Sequence[str]
    rates: Sequence[Course] = ()

    @property
    def verdict(self) -> Verdict:
        return overall([one.verdict for one in self.routes])

    @property
    def one_way_verdict(self) -> Verdict:
        """The same for who sells from stock and leaves it at that."""
        return overall([one.one_way_verdict for one in self.routes])


@attrs.frozen(kw_only=True)
class Replayed:
    """What the configured campaign made of the same quotes: trades closed, and PnL in USD."""

    trades: int
    pnl_usd: float


async def survey_markets(
    config: Config,
    plugins: Plugins,
    *,
    clock: VirtualClock,
    latency_ns: int,
    slippage_usd: float,
    on_progress: Callable[[str, int], None],
) -> Survey:
    """Look at every route of the chosen symbols; nothing is traded. ``on_progress`` is told what is done, and the rows.

    The quotes are read twice, from the cache where they have one. When cancelled it stops between two windows.

    Raises:
        TrioarbError: a market can't be opened, or fails, or makes its quotes as they are asked for: it may never end.
    """
    async with open_campaign(config, plugins, clock=clock) as campaign:
        world, symbols = campaign.world, tuple(campaign.symbols)
        tapes = {name: market for name, market in world.markets.items() if isinstance(market, CheckedTape)}
        for venue, tape in tapes.items():
            if tape.stored() is None:
                message = "its quotes aren't recorded, and may never end: let some be recorded first, with --hours"
                raise ConfigError([Problem(key=f"exchanges.{venue}.market", message=message)])
        traded = {venue: [one for one in symbols if venue in world.instruments[one]] for venue in tapes}
        max_age_ns = [task.max_quote_age_ns for task in campaign.symbols.values()]
        routes = [
            SurveyedRoute(
                route=path.route,
                symbol=number,
                buy=path.buy,
                sell=path.sell,
                keep_taker=path.keep_sell,
                cost_taker=path.cost_buy,
                keep_maker=float(1 - world.instruments[symbol][path.route.sell_venue].maker_fee_bps / BPS),
                cost_maker=float(1 + world.instruments[symbol][path.route.buy_venue].maker_fee_bps / BPS),
            )
            for number, symbol in enumerate(symbols)
            for path in campaign.symbols[symbol].paths
        ]
        # Venue by venue, so that what is counted together lies together.
        routes.sort(key=lambda one: (one.sell, one.buy, one.symbol))

        def told(windows: Iterator[Window], doing: str) -> Iterator[Window]:
            rows = 0
            for window in windows:
                yield window
                rows += len(window)
                on_progress(doing, rows)

        import numpy as np

        quote_of = {listing.symbol: listing.quote for listing in world.symbols}
        rates = open_rates(config, world.markets, world.listed, {})
        followed = await follow_rates(rates, tapes, world.start_ns)
        courses = Courses(symbols, tuple(tapes), world.instruments, rates, followed) or None
        sizes = np.array([slippage_usd / float(config.fx[quote_of[one]]) for one in symbols])
        depths = Depths(sizes, len(tapes), None if courses is None else courses.worth)
        # Two looks: what it takes to break even follows from the first.
        with closing(await open_windows(tapes, symbols, traded, world.start_ns)) as windows:
            looked = look(
                looking_at_depth(told(windows, "edges"), depths),
                routes,
                venues=len(tapes),
                max_age_ns=max_age_ns,
                courses=courses,
            )
        await trio.lowlevel.checkpoint()
        found = break_evens(looked, routes, depths)
        one_way, round_trip = one_way_levels(routes, found), net_levels(routes, found)
        chances = []
        for doing, level in (("chances", one_way), ("round trips", round_trip)):
            with closing(await open_windows(tapes, symbols, traded, world.start_ns)) as windows:
                chances.append(
                    find_chances(
                        told(windows, doing),
                        routes,
                        level,
                        venues=len(tapes),
                        max_age_ns=max_age_ns,
                        courses=courses,
                    )
                )
            await trio.lowlevel.checkpoint()
        return Survey(
            routes=[
                figures_of(
                    number,
                    routes,
                    looked,
                    found[number],
                    chances[0][number],
                    chances[1][number],
                    latency_ns=latency_ns,
                    depths=depths,
                )
                for number in sorted(range(len(routes)), key=lambda number: (routes[number].symbol, routes[number].buy))
            ],
            rows=looked.rows,
            first_ns=looked.first_ns,
            last_ns=looked.last_ns,
            latency_ns=latency_ns,
            slippage_usd=slippage_usd,
            quote_of=quote_of,
            usd_per_quote={asset: float(rate) for asset, rate in config.fx.items()},
            warnings=campaign.warnings,
            rates=() if courses is None else courses.all,
        )


async def replay(config: Config, plugins: Plugins, *, clock: VirtualClock) -> Replayed:
    """Run the configured campaign on the quotes, without a journal.

    Raises:
        TrioarbError: something can't be opened.
    """
    campaign = await run_campaign(config, plugins, clock=clock)
    statistics = campaign.state.statistics
    return Replayed(trades=statistics.closed, pnl_usd=float(statistics.pnl_usd))
