"""What the keys of a configuration must agree on, beyond the type of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import attrs

from trioarb.config.schema import (
    ClockKind,
    Config,
    EngineMode,
    FxTable,
    Mode,
    PluginTable,
    Session,
    Tables,
    UniverseMode,
)
from trioarb.model.number import text
from trioarb.settings.key import join_key
from trioarb.settings.problem import Problem, nearest

__all__ = [
    "constant_rates",
    "disagreements",
    "idle_transfers",
    "late_answers",
    "real_time",
    "real_withdrawals",
    "unclosable",
]

_LISTING_MODES = (UniverseMode.TOP_N, UniverseMode.FULL_MARKET)


def disagreements(
    tables: Tables, fx: Mapping[str, Decimal], is_sound: Callable[..., bool], *, least_venues: int
) -> Iterator[Problem]:
    """Yield what contradicts itself. ``is_sound(*keys)``: those keys hold what the user meant, not a stand-in."""
    if is_sound("session.clock", "session.speed"):
        yield from _session(tables)
    if is_sound("universe.mode"):
        yield from (problem for problem in _universe(tables, fx) if is_sound(problem.key))
    if is_sound("engine.mode", "universe.mode", "universe.top_n"):
        yield from _engine(tables)
    if is_sound("exchanges"):
        yield from _venues(tables, least_venues)
        if is_sound("fx"):
            yield from _rates(tables, fx)
        for venue in (one for one in tables.withdrawals if one not in tables.exchanges):
            yield Problem(
                key=join_key("withdrawals", venue),
                message="is no venue",
                value=venue,
                allowed=", ".join(tables.exchanges),
                suggestion=nearest(venue, tables.exchanges),
            )


def deaf_channels(config: Config) -> Iterator[str]:
    """Yield channels that no rule names."""
    told = {name for rule in config.alerts for name in rule.channels}
    for channel in config.channels:
        if channel.name not in told:
            yield f"{channel.table.key}: no rule of [[alerts]] tells it anything"


def real_time(session: Session, live: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what keeps plugins that talk to the outside from real time; ``live`` says what they are, by key."""
    if session.clock is ClockKind.VIRTUAL:
        key, value, allowed = "session.clock", '"virtual"', '"real"'
    elif session.speed != 1:
        key, value, allowed = "session.speed", str(session.speed), "1"
    else:
        return
    named = ", ".join(f"the {what} of [{table}]" for table, what in live.items())
    if named:
        yield Problem(
            key=key,
            message=f"{named} talks to the outside, where time can't be hurried",
            value=value,
            allowed=allowed,
            remedy="trioarb record and trioarb replay run a campaign on its quotes in virtual time",
        )


def real_withdrawals(tables: Tables, live: Mapping[str, str]) -> Iterator[Problem]:
    """Yield why nothing can be moved: a campaign or a venue that isn't simulated. ``live`` is as in `real_time`."""
    if not tables.transfers.simulate:
        return
    venues = {key: what for key, what in live.items() if _is_of_exchange(key)}
    real = next(iter(venues.items()), None)
    if tables.session.mode is Mode.PAPER and real is None:
        return
    where = f'session.mode = "{tables.session.mode.value}"' if real is None else f"{real[1]} in [{real[0]}]"
    yield Problem(
        key="transfers.simulate",
        message=f"transfers are only simulated, and {where} is not; trioarb never withdraws anything from a real venue",
        value="true",
        allowed="false, or paper venues only",
        remedy="trioarb plan prints what would have to be moved",
    )


def _is_of_exchange(key: str) -> bool:
    """Return whether a plugin's table is that of an exchange, or of one that it wraps; not of its market data."""
    return key.startswith("exchanges.") and ".market" not in key.removeprefix("exchanges.")


def idle_transfers(config: Config) -> Iterator[str]:
    """Warn of transfers that are wanted and can't be: without its terms nothing is withdrawn."""
    if config.transfers.simulate and not any(config.withdrawals.values()):
        venue = next(iter(config.exchanges))
        yield (
            "transfers.simulate = true moves nothing, since no table [withdrawals.NAME] says what a venue takes for a "
            f"withdrawal and how long that is under way; add some, such as withdrawals.{venue}.USDT = "
            '{ fee = "1", minutes = 5 }, or leave transfers.simulate out'
        )


def late_answers(config: Config) -> Iterator[str]:
    """Warn of orders that take as long as their answers are waited for, or longer: none of them would ever fill."""
    waited = config.execution.leg_timeout_seconds
    for tables in config.exchanges.values():
        table: PluginTable | None = tables.exchange
        while table is not None:
            for key, taken_ms in _latencies(table.settings, table.key):
                if taken_ms * config.session.latency_factor >= waited * 1_000:
                    yield (
                        f"{key} = {text(taken_ms)}: orders take as long as their answers are waited for, or longer, so "
                        f"all of them time out; lower it, or raise execution.leg_timeout_seconds = {text(waited)}"
                    )
            table = table.wraps


def unclosable(config: Config) -> Iterator[str]:
    """Warn of entries on quotes that are too old to exit on: where they come seldom, a position may never be closed."""
    strategy, most = config.strategy, config.execution.max_exit_quote_age_ms
    fields = {field.metadata.get("concerns"): field.name for field in attrs.fields(type(strategy.settings))}
    if "exit_edge" not in fields or "quote_age" not in fields:
        return
    age_ms = getattr(strategy.settings, fields["quote_age"])
    if age_ms > most:
        yield (
            f"{join_key(strategy.key, fields['quote_age'])} = {text(age_ms)}: entries are made on quotes that are too "
            "old to close a position on, so where quotes come seldom it may never be closed; lower it, or raise "
            f"execution.max_exit_quote_age_ms = {text(most)}"
        )


def _latencies(settings: Any, key: str) -> Iterator[tuple[str, Decimal]]:
    """Yield key and milliseconds of the settings that concern latency, those inside of tables included."""
    cls = type(settings)
    for field in attrs.fields(cls) if attrs.has(cls) else ():
        if field.metadata.get("concerns") == "latency" and (value := getattr(settings, field.name)) is not None:
            below = join_key(key, field.name)
            if isinstance(value, Decimal):
                yield below, value
            else:
                yield from _latencies(value, below)


def constant_rates(rates: Mapping[str, Decimal | FxTable]) -> dict[str, Decimal]:
    """Return USD for one unit of the assets whose rate is set."""
    set_to = {asset: rate.rate if isinstance(rate, FxTable) else rate for asset, rate in rates.items()}
    return {asset: rate for asset, rate in set_to.items() if rate is not None}


def _rates(tables: Tables, fx: Mapping[str, Decimal]) -> Iterator[Problem]:
    """Yield sources that are no venues, and quote assets that are to be converted without a rate."""
    markets = {asset: one for asset, one in tables.fx.items() if isinstance(one, FxTable) and one.markets}
    for asset, table in markets.items():
        for venue in (one for one in table.markets if one not in tables.exchanges):
            yield Problem(
                key=join_key("fx", asset, "markets"),
                message="is no venue",
                value=venue,
                allowed=", ".join(tables.exchanges),
                suggestion=nearest(venue, tables.exchanges),
            )
    for venue, own in tables.exchanges.items():
        same_as = own.get("same_as")
        for asset, common in same_as.items() if isinstance(same_as, Mapping) else ():
            key = join_key("exchanges", venue, "same_as", asset)
            if not isinstance(common, str) or common == asset or common not in fx:
                yield Problem(
                    key=key,
                    message="not an asset with a constant rate, in which both can be counted",
                    value=f'"{common}"',
                    allowed=", ".join(one for one in fx if one != asset),
                )
            elif asset not in markets and asset not in fx:
                yield Problem(
                    key=join_key("fx", asset),
                    message=f"missing; {venue} trades symbols in {asset} that are the same as those in {common}",
                    allowed="a table with symbol and markets, or a number (USD for one unit)",
                )


def _session(tables: Tables) -> Iterator[Problem]:
    session = tables.session
    if session.clock is ClockKind.VIRTUAL and session.speed != 1:
        yield Problem(
            key="session.speed",
            message='has no meaning with clock = "virtual", which is as fast as the machine can',
            value=str(session.speed),
            allowed='1, or clock = "real"',
        )
    if session.mode is Mode.LIVE and tables.live.capital_cap_usd is None:
        yield Problem(
            key="live.capital_cap_usd",
            message="missing; live trading needs to be told what it may risk at most",
            allowed="number, USD, > 0",
        )
    if session.mode is Mode.LIVE and (session.clock is ClockKind.VIRTUAL or session.speed != 1):
        yield Problem(
            key="session.mode",
            message="real markets can't be hurried",
            value=f'"{session.mode.value}"',
            allowed='with clock = "real" and speed = 1',
        )


def _universe(tables: Tables, fx: Mapping[str, Decimal]) -> Iterator[Problem]:
    universe = tables.universe
    mode = f'mode = "{universe.mode.value}"'
    if universe.mode is UniverseMode.SINGLE and not universe.symbol:
        yield Problem(key="universe.symbol", message=f"missing; {mode} needs it", allowed="text")
    if universe.mode is UniverseMode.FIXED_LIST and not universe.whitelist:
        yield Problem(key="universe.whitelist", message=f"empty; {mode} needs it", allowed="list of text")
    if universe.mode is UniverseMode.TOP_N and universe.top_n is None:
        yield Problem(key="universe.top_n", message=f"missing; {mode} needs it", allowed="whole number, ≥ 1")
    if universe.refresh_minutes is not None and universe.mode not in _LISTING_MODES:
        yield Problem(
            key="universe.refresh_minutes",
            message=f"has no meaning with {mode}, whose symbols are named",
            value=str(universe.refresh_minutes),
            allowed='mode = "TOP_N" or "FULL_MARKET"',
        )
    if universe.mode in _LISTING_MODES and universe.base_quote not in fx:
        yield Problem(
            key="universe.base_quote",
            message="has no rate in USD",
            value=f'"{universe.base_quote}"',
            allowed=f"{', '.join(fx)}, or any asset with a rate under [fx]",
        )


def _engine(tables: Tables) -> Iterator[Problem]:
    top_n = tables.universe.top_n or 1
    if tables.engine.mode is EngineMode.SINGLE and tables.universe.mode is UniverseMode.TOP_N and top_n > 1:
        yield Problem(
            key="engine.mode",
            message=f"needs a universe of one symbol, but universe.top_n is {top_n}",
            value='"single"',
            allowed='"multi", or universe.top_n = 1',
        )


def _venues(tables: Tables, least: int) -> Iterator[Problem]:
    if len(tables.exchanges) < least:
        only = ", ".join(tables.exchanges)
        yield Problem(
            key="exchanges",
            message="one venue only" if only else "no venues",
            value=only,
            allowed=f"{('one', 'two')[least - 1]} or more tables [exchanges.NAME]",
        )
