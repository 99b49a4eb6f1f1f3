"""Why a campaign did not trade: the step of the funnel that stopped it, and the keys or data that would change that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from trioarb.model.event import InstrumentChanged, InstrumentListed
from trioarb.model.number import text
from trioarb.model.trade import EndedBy
from trioarb.report.funnel import funnel_total, not_sized_of, not_sized_total
from trioarb.report.keys import fx_keys, keys, listed, rule_keys, value_of, venue_keys
from trioarb.report.report import Report

__all__ = ["advise"]

#: Rules that deny what may be another coin of the same ticker.
_COINS = frozenset({"edge_too_good", "price_ratio"})
_ENDLESS = re.compile(r"-?[0-9]+\.[0-9]{12,}")


def advise(report: Report) -> tuple[str, ...]:
    """Return two or three sentences about the furthest step that was reached; none if a position was opened."""
    funnel = funnel_total(report.statistics)
    if funnel["filled"]:
        return ()
    if not funnel["seen"]:
        return tuple(_no_quotes(report))
    if funnel["seen"] == funnel["refused"] + funnel["withdrawn"]:
        return tuple(_all_refused(report, funnel["seen"]))
    if not funnel["evaluated"]:
        return tuple(_never_evaluated(report))
    if funnel["allowed"]:
        return tuple(_never_filled(report, funnel["allowed"]))
    if funnel["sized"]:
        return tuple(_denied(report, funnel["sized"]))
    if funnel["over_threshold"]:
        return tuple(_not_sized(report, funnel["over_threshold"]))
    if funnel["fresh"] and any(report.highest_edge_bps(symbol) is not None for symbol in report.statistics.universe):
        return tuple(_below_threshold(report, funnel["fresh"], funnel["edge_positive"]))
    return tuple(_never_fresh(report, funnel["evaluated"]))


def _no_quotes(report: Report) -> Iterator[str]:
    yield f"No quote arrived in {float(report.runtime_seconds):g} s."
    yield f"Check the venues' market data ({_markets(report)}){_or_longer(report)}"


def _all_refused(report: Report, seen: int) -> Iterator[str]:
    yield (
        f"All {seen:,} quotes were refused or withdrawn: each had a price or size that is absent, no number or not "
        "positive, a bid above its ask, or a time before that of the quote it followed."
    )
    yield f"No limit changes that, only better data ({_markets(report)})."


def _never_evaluated(report: Report) -> Iterator[str]:
    yield "Quotes arrived, but none was evaluated before the campaign ended."
    yield f"Check what ended it{_or_longer(report)}"


def _never_fresh(report: Report, evaluated: int) -> Iterator[str]:
    heard = report.statistics.heard
    silent = [tables.market.key for venue, tables in report.config.exchanges.items() if venue not in heard]
    if heard and silent:
        yield f"No symbol had quotes of two venues: {listed(silent)} brought none that could be accepted."
        yield f"Check that market data{_or_longer(report)}"
        return
    rates = report.state.fx.rates.items()
    if unknown := [asset for asset, one in sorted(rates) if one.last is not None and one.last.bid is None]:
        found = [key for asset in unknown for key in fx_keys(report.config, asset)]
        yield f"What {listed(unknown)} is worth was never known, so prices in it could not be compared."
        yield f"Check where that comes from ({listed(found)}): who quotes it, and how many have to."
        return
    age = listed(keys(report.config.strategy, "quote_age"))
    yield (
        f"In {evaluated:,} evaluations, there never were all quotes that a trade takes, each younger than "
        f"{age or 'the strategy allows'}."
    )
    yield f"{'Raise it' if age else 'Allow older quotes'}, or use data that has such quotes at the same times."


def _below_threshold(report: Report, fresh: int, positive: int) -> Iterator[str]:
    highest = {symbol: report.highest_edge_bps(symbol) for symbol in report.statistics.universe}
    edge, symbol = max((edge, symbol) for symbol, edge in highest.items() if edge is not None)
    best = f"the highest was {edge:.2f} bps ({symbol})"
    fees = listed(venue_keys(report.config, "taker_fee", report.statistics.instruments[symbol]))
    strategy = report.config.strategy
    entry = listed(keys(strategy, "entry_edge"))
    if not positive:
        yield f"In {fresh:,} evaluations, no edge was above zero after taker fees; {best}."
        yield f"It takes lower fees{f' ({fees})' if fees else ''}, or symbols and venues whose prices differ more."
    elif not entry:
        yield f"{positive:,} of {fresh:,} edges were above zero, and the strategy wanted none of them; {best}."
        yield f"What it wants is set in [{strategy.key}]."
    else:
        yield f"{positive:,} of {fresh:,} edges were above zero, and none reached {entry}; {best}."
        exit_edge = value_of(strategy, "exit_edge")
        if isinstance(exit_edge, Decimal) and edge + float(exit_edge) <= 0:
            yield (
                f"An entry that low would lose money: with {listed(keys(strategy, 'exit_edge'))} it has to earn more "
                f"than {text(-exit_edge)} bps."
            )
            yield f"It takes lower fees{f' ({fees})' if fees else ''}, or prices that differ more."
        else:
            name = entry.partition(" = ")[0]
            yield f"Lower {name} to that edge or below{f', or the fees ({fees})' if fees else ''}."


def _not_sized(report: Report, over: int) -> Iterator[str]:
    config, opened = report.config, report.statistics.opened
    reason, count = _most(not_sized_total(report.statistics))
    if reason in report.statistics.by_rule:
        yield f"{over:,} edges passed the threshold, and none was sized: {reason} denied {count:,} of them."
        yield _measured(report, reason)
        if reason.rpartition(".")[2] in _COINS:
            yield _two_coins(report, _hindered(report, reason))
        return
    yield f"{over:,} edges passed the threshold, and no order could be sized, {count:,} times because of {reason}."
    match reason.split("."):
        case ["balance", venue, asset, *_] if venue in config.exchanges:
            concerns = ["balance", "inventory"] if _is_base(report, venue, asset) else ["balance"]
            if len(concerns) > 1 and opened is not None and venue in opened.margin:
                concerns.append("borrowing")
            more = listed(keys(config.exchanges[venue].exchange, *concerns, of=asset)) or f"[exchanges.{venue}]"
            yield f"{venue} has too little {asset} for the smallest order{_smallest(report, reason)}; raise {more}."
        case ["displayed_size", venue, *_] if venue in config.exchanges:
            yield (
                f"The size shown at {venue}'s best price is below the smallest order{_smallest(report, reason)}: "
                "the data or that minimum has to change."
            )
        case ["order_size", *_]:
            wanted = listed(keys(config.strategy, "order_size")) or f"[{config.strategy.key}]"
            yield f"The wanted size is below the smallest order{_smallest(report, reason)}; raise {wanted}."
        case ["edge_after_rounding"]:
            found = [*keys(config.strategy, "entry_edge"), *venue_keys(config, "tick_size", config.exchanges)]
            yield f"Rounded to the venues' ticks, the edge is below the threshold; lower one of {listed(found)}."
        case ["halted", venue]:
            yield f"The symbol is halted at {venue}; it is traded again once that says so."
        case ["tick_size"]:
            yield (
                "A price is below its venue's tick; lower "
                + (listed(venue_keys(config, "tick_size", config.exchanges)) or "that tick")
                + "."
            )
        case ["tick_size_to_close"]:
            ticks = listed(venue_keys(config, "tick_size", config.exchanges)) or "that tick"
            yield (
                "No order within execution.unwind_slippage_bps of the present prices could close it again: the next "
                f"tick lies beyond; lower {ticks}, or raise execution.unwind_slippage_bps."
            )
        case ["to_close", venue, asset, *_] if venue in config.exchanges:
            more = listed(keys(config.exchanges[venue].exchange, "balance", of=asset)) or f"[exchanges.{venue}]"
            yield (
                f"{venue} has too little {asset} to close again what the smallest order enters"
                f"{_smallest(report, reason)}; raise {more}."
            )
        case ["no_price_to_close", venue, *_]:
            yield f"{venue} showed no price at which it could be closed again: the data has to change."
        case _:
            pass


def _denied(report: Report, sized: int) -> Iterator[str]:
    # What was doubted before is none of them.
    rule, count = _most(report.statistics.by_rule - not_sized_total(report.statistics))
    yield f"{sized:,} opportunities were sized, and the guards allowed none; {rule} denied {count:,} of them."
    yield _measured(report, rule)


def _measured(report: Report, rule: str) -> str:
    """Say what a rule measured last, and where its limit comes from."""
    tier, _, name = rule.partition(".")
    found = rule_keys(report.config, tier, name)
    last = report.statistics.denied.get(rule)
    if name == "error" and last is not None:
        return f"It failed, which denies: {_brief(str(last.value))}. Its plugin has to be mended."
    measured = "It has a limit"
    if last is not None:
        measured = f"It last recorded {_brief(str(last.value))} against a limit of {_brief(str(last.limit))}"
    if found:
        return f"{measured}, which comes from {listed(found)}."
    return f"{measured}." if tier == "engine" else f"{measured}; see [guards.{tier}]."


def _never_filled(report: Report, allowed: int) -> Iterator[str]:
    config, orders = report.config, report.statistics.orders
    submitted = f"{orders['submitted']:,} orders"
    yield f"The guards allowed {allowed:,} {'entry' if allowed == 1 else 'entries'}, and no position came of it."
    # A rejection or a silence explains every failure beside it; orders cancelled unfilled follow from both.
    match next((what for what in ("rejected", "unanswered") if 2 * orders[what] >= allowed), "cancelled"):
        case _ if not orders["submitted"]:
            yield f"The campaign ended before an order was sent{_or_longer(report)}"
        case "rejected":
            rates = venue_keys(config, "rejection", config.exchanges, nonzero=True)
            yield f"{orders['rejected']:,} of {submitted} were rejected by their venue" + (
                f"; lower {listed(rates)}." if rates else "; the log has its reasons."
            )
        case "unanswered":
            timeout = f"execution.leg_timeout_seconds = {text(config.execution.leg_timeout_seconds)}"
            latencies = venue_keys(config, "latency", config.exchanges)
            remedy = f"raise it, or lower {listed(latencies)}" if latencies else "raise it if the venue is only slow"
            yield f"{orders['unanswered']:,} of {submitted} had no answer within {timeout}; {remedy}."
        case _ if 2 * (said := report.statistics.cancelled_for).total() >= orders["cancelled"] > 0:
            reason, count = _most(said)
            yield f"{orders['cancelled']:,} of {submitted} found too little at their limit; of {count:,}, {reason}."
            yield f"Smaller orders would change that ({listed(keys(config.strategy, 'order_size')) or 'the strategy'})."
        case _:
            latencies = venue_keys(config, "latency", config.exchanges)
            yield f"{orders['cancelled']:,} of {submitted} found nothing at their limit: prices had moved on the way."
            if latencies:
                yield f"Orders that arrive sooner would change that: {listed(latencies)}."


def _most(counts: Counter[str]) -> tuple[str, int]:
    """Return the most frequent one; among equals always the same."""
    return max(counts.items(), key=lambda item: (item[1], item[0]))


def _brief(told: str) -> str:
    """Shorten a number whose digits have no end, such as a third of something; anything else stays as it is."""
    return f"{Decimal(told):.4f}" if _ENDLESS.fullmatch(told) else told


def _hindered(report: Report, reason: str) -> str:
    """Return the symbol that was hindered most often."""
    statistics = report.statistics
    return max(statistics.universe, key=lambda symbol: not_sized_of(statistics, symbol)[reason])


def _two_coins(report: Report, symbol: str) -> str:
    highest = report.highest_edge_bps(symbol)
    up_to = "" if highest is None else f", whose edges went up to {highest:,.0f} bps"
    return (
        f"Two coins may share the ticker {symbol}{up_to}, or a price is wrong: leave it out (universe.blacklist), or "
        "tell the coins apart (exchanges.NAME.aliases)."
    )


def _smallest(report: Report, reason: str) -> str:
    """Describe the smallest order of the symbol that was hindered most often."""
    statistics = report.statistics
    symbol = _hindered(report, reason)
    rules = {venue: ", ".join(_rules(listed)) or "no rule" for venue, listed in statistics.instruments[symbol].items()}
    if len(set(rules.values())) == 1:
        return f" of {symbol} ({next(iter(rules.values()))})"
    return f" of {symbol} ({'; '.join(f'{venue}: {rule}' for venue, rule in rules.items())})"


def _rules(listed: InstrumentListed | InstrumentChanged) -> Iterator[str]:
    if listed.min_notional is not None:
        yield f"{text(listed.min_notional)} {listed.quote}"
    if listed.min_quantity is not None:
        yield f"{text(listed.min_quantity)} {listed.base}"
    if listed.lot_size is not None:
        yield f"in lots of {text(listed.lot_size)} {listed.base}"


def _is_base(report: Report, venue: str, asset: str) -> bool:
    by_symbol = report.statistics.instruments.values()
    return any(venue in by_venue and by_venue[venue].base == asset for by_venue in by_symbol)


def _markets(report: Report) -> str:
    return listed([tables.market.key for tables in report.config.exchanges.values()])


def _or_longer(report: Report) -> str:
    """Name the limit that ended the campaign, if one did."""
    session = report.config.session
    match report.ended_by:
        case EndedBy.RUNTIME if session.max_runtime_seconds is not None:
            return f", or raise session.max_runtime_seconds = {text(session.max_runtime_seconds)}."
        case EndedBy.ITERATIONS:
            return f", or raise session.max_iterations = {session.max_iterations}."
        case _:
            return "."
