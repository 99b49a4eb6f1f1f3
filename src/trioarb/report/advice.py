"""Why a campaign did not trade: the step of the funnel that stopped it, and the keys or data that would change that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from trioarb.engine.campaign import Campaign
from trioarb.model.event import Decided
from trioarb.model.number import text
from trioarb.model.trade import Account, EndedBy
from trioarb.report.funnel import funnel_total, not_sized_total
from trioarb.report.keys import key, keys, listed, rule_keys, venue_keys

__all__ = ["advise"]


def advise(campaign: Campaign) -> tuple[str, ...]:
    """Return two or three sentences about the furthest step that was reached; none if a position was opened."""
    funnel = funnel_total(campaign)
    if funnel["filled"]:
        return ()
    if not funnel["seen"]:
        return tuple(_no_quotes(campaign))
    if funnel["seen"] == funnel["refused"]:
        return tuple(_all_refused(campaign, funnel["seen"]))
    if not funnel["evaluated"]:
        return tuple(_never_evaluated(campaign))
    if funnel["allowed"]:
        return tuple(_never_filled(campaign, funnel["allowed"]))
    if funnel["sized"]:
        return tuple(_denied(campaign, funnel["sized"]))
    if funnel["over_threshold"]:
        return tuple(_not_sized(campaign, funnel["over_threshold"]))
    if funnel["fresh"] and any(task.highest_edge_bps is not None for task in campaign.symbols.values()):
        return tuple(_below_threshold(campaign, funnel["fresh"], funnel["edge_positive"]))
    return tuple(_never_fresh(campaign, funnel["evaluated"]))


def _no_quotes(campaign: Campaign) -> Iterator[str]:
    yield f"No quote arrived in {float(campaign.runtime_seconds):g} s."
    yield f"Check the venues' market data ({_markets(campaign)}){_or_longer(campaign)}"


def _all_refused(campaign: Campaign, seen: int) -> Iterator[str]:
    yield (
        f"All {seen:,} quotes were refused: each had a price or size that is no number or not positive, a bid above "
        "its ask, or a time before that of the quote it followed."
    )
    yield f"No limit changes that, only better data ({_markets(campaign)})."


def _never_evaluated(campaign: Campaign) -> Iterator[str]:
    yield "Quotes arrived, but none was evaluated before the campaign ended."
    yield f"Check what ended it{_or_longer(campaign)}"


def _never_fresh(campaign: Campaign, evaluated: int) -> Iterator[str]:
    silent = [
        tables.market.key
        for index, tables in enumerate(campaign.config.exchanges.values())
        if not any(board.serial[index] for board in campaign.world.boards.values())
    ]
    if silent:
        yield f"No symbol had quotes of two venues: {listed(silent)} brought none that could be accepted."
        yield f"Check that market data{_or_longer(campaign)}"
        return
    age = key(campaign.config.strategy, "max_quote_age_ms")
    yield (
        f"In {evaluated:,} evaluations, no symbol had quotes of two venues that were both younger than "
        f"{age or 'the strategy allows'}."
    )
    yield f"{'Raise it' if age else 'Allow older quotes'}, or use data that has the venues' quotes at the same times."


def _below_threshold(campaign: Campaign, fresh: int, positive: int) -> Iterator[str]:
    highest = {symbol: task.highest_edge_bps for symbol, task in campaign.symbols.items()}
    edge, symbol = max((edge, symbol) for symbol, edge in highest.items() if edge is not None)
    best = f"the highest was {edge:.2f} bps ({symbol})"
    fees = listed(venue_keys(campaign.config, "taker_fee_bps", campaign.world.instruments[symbol]))
    strategy = campaign.config.strategy
    entry = key(strategy, "entry_bps")
    if not positive:
        yield f"In {fresh:,} evaluations, no edge was above zero after taker fees; {best}."
        yield f"It takes lower fees{f' ({fees})' if fees else ''}, or symbols and venues whose prices differ more."
    elif entry is None:
        yield f"{positive:,} of {fresh:,} edges were above zero, and the strategy wanted none of them; {best}."
        yield f"What it wants is set in [{strategy.key}]."
    else:
        yield f"{positive:,} of {fresh:,} edges were above zero, and none reached {entry}; {best}."
        exit_bps = getattr(strategy.settings, "exit_bps", None)
        if isinstance(exit_bps, Decimal) and edge + float(exit_bps) <= 0:
            yield (
                f"An entry_bps that low would lose money: with {key(strategy, 'exit_bps')} an entry has to earn more "
                f"than {text(-exit_bps)} bps."
            )
            yield f"It takes lower fees{f' ({fees})' if fees else ''}, or prices that differ more."
        else:
            yield f"Lower {strategy.key}.entry_bps to that edge or below{f', or the fees ({fees})' if fees else ''}."


def _not_sized(campaign: Campaign, over: int) -> Iterator[str]:
    config = campaign.config
    reason, count = _most(not_sized_total(campaign))
    yield f"{over:,} edges passed the threshold, and no order could be sized, {count:,} times because of {reason}."
    match reason.split("."):
        case ["balance", venue, asset, *_] if venue in config.exchanges:
            settings = ["inventory_usd_per_symbol"] if _is_base(campaign, venue, asset) else []
            if campaign.world.exchanges[venue].account is Account.MARGIN and settings:
                settings.append("max_borrow_usd")
            more = listed([f"exchanges.{venue}.balances.{asset}", *keys(config.exchanges[venue].exchange, *settings)])
            yield f"{venue} has too little {asset} for the smallest order{_smallest(campaign, reason)}; raise {more}."
        case ["displayed_size", venue, *_] if venue in config.exchanges:
            yield (
                f"The size shown at {venue}'s best price is below the smallest order{_smallest(campaign, reason)}: "
                "the data or that minimum has to change."
            )
        case ["order_size", *_]:
            wanted = listed(keys(config.strategy, "order_size_usd", "order_size_base")) or f"[{config.strategy.key}]"
            yield f"The wanted size is below the smallest order{_smallest(campaign, reason)}; raise {wanted}."
        case ["edge_after_rounding"]:
            found = [*keys(config.strategy, "entry_bps"), *venue_keys(config, "tick_size", config.exchanges)]
            yield f"Rounded to the venues' ticks, the edge is below the threshold; lower one of {listed(found)}."
        case ["tick_size"]:
            yield (
                "A price is below its venue's tick; lower "
                + (listed(venue_keys(config, "tick_size", config.exchanges)) or "that tick")
                + "."
            )
        case _:
            pass


def _denied(campaign: Campaign, sized: int) -> Iterator[str]:
    rule, count = _most(campaign.statistics.by_rule)
    tier, _, name = rule.partition(".")
    found = rule_keys(campaign.config, tier, name)
    yield f"{sized:,} opportunities were sized, and the guards allowed none; {rule} refused {count:,} of them."
    example = _refusal(campaign, rule)
    measured = f"It last measured {example.value} against a limit of {example.limit}" if example else "It has a limit"
    yield f"{measured}, which comes from {listed(found)}." if found else f"{measured}; see [guards.{tier}]."


def _never_filled(campaign: Campaign, allowed: int) -> Iterator[str]:
    config, orders = campaign.config, campaign.statistics.orders
    submitted = f"{orders['submitted']:,} orders"
    yield f"The guards allowed {allowed:,} {'entry' if allowed == 1 else 'entries'}, and no position came of it."
    # A rejection or a silence explains every failure beside it; orders cancelled unfilled follow from both.
    match next((what for what in ("rejected", "unanswered") if 2 * orders[what] >= allowed), "cancelled"):
        case _ if not orders["submitted"]:
            yield f"The campaign ended before an order was sent{_or_longer(campaign)}"
        case "rejected":
            rates = [
                rate
                for venue, tables in config.exchanges.items()
                if getattr(tables.exchange.settings, "reject_rate", 0)
                for rate in venue_keys(config, "reject_rate", [venue])
            ]
            yield f"{orders['rejected']:,} of {submitted} were rejected by their venue" + (
                f"; lower {listed(rates)}." if rates else "; the log has its reasons."
            )
        case "unanswered":
            timeout = f"execution.leg_timeout_seconds = {text(config.execution.leg_timeout_seconds)}"
            latencies = venue_keys(config, "latency_ms", config.exchanges)
            remedy = f"raise it, or lower {listed(latencies)}" if latencies else "raise it if the venue is only slow"
            yield f"{orders['unanswered']:,} of {submitted} had no answer within {timeout}; {remedy}."
        case _:
            latencies = venue_keys(config, "latency_ms", config.exchanges)
            yield f"{orders['cancelled']:,} of {submitted} found nothing at their limit: prices had moved on the way."
            if latencies:
                yield f"Orders that arrive sooner would change that: {listed(latencies)}."


def _most(counts: Counter[str]) -> tuple[str, int]:
    """Return the most frequent one; among equals always the same."""
    return max(counts.items(), key=lambda item: (item[1], item[0]))


def _refusal(campaign: Campaign, rule: str) -> Decided | None:
    found = (task.last_refusals.get(rule) for task in campaign.symbols.values())
    return next((decision for decision in found if decision is not None), None)


def _smallest(campaign: Campaign, reason: str) -> str:
    """Describe the smallest order of the symbol that was hindered most often."""
    symbol = max(campaign.symbols, key=lambda symbol: campaign.symbols[symbol].funnel.not_sized[reason])
    rules = {
        venue: f"{text(instrument.rules.min_notional)} {instrument.quote}, in lots of "
        f"{text(instrument.rules.lot_size)} {instrument.base}"
        for venue, instrument in campaign.world.instruments[symbol].items()
    }
    if len(set(rules.values())) == 1:
        return f" of {symbol} ({next(iter(rules.values()))})"
    return f" of {symbol} ({'; '.join(f'{venue}: {rule}' for venue, rule in rules.items())})"


def _is_base(campaign: Campaign, venue: str, asset: str) -> bool:
    by_venue = campaign.world.instruments.values()
    return any(venue in instruments and instruments[venue].base == asset for instruments in by_venue)


def _markets(campaign: Campaign) -> str:
    return listed([tables.market.key for tables in campaign.config.exchanges.values()])


def _or_longer(campaign: Campaign) -> str:
    """Name the limit that ended the campaign, if one did."""
    session = campaign.config.session
    match campaign.ended_by:
        case EndedBy.RUNTIME if session.max_runtime_seconds is not None:
            return f", or raise session.max_runtime_seconds = {text(session.max_runtime_seconds)}."
        case EndedBy.ITERATIONS:
            return f", or raise session.max_iterations = {session.max_iterations}."
        case _:
            return "."
