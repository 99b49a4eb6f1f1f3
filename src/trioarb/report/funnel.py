"""The funnel of a symbol, from quotes to closed trades."""

from __future__ import annotations

from collections import Counter

from trioarb.engine.campaign import Campaign
from trioarb.state.funnel import Funnel
from trioarb.state.statistics import SymbolStatistics

__all__ = ["FUNNEL_STEPS", "funnel_of", "funnel_total", "not_sized_total", "reported_symbols"]

_COUNTED = ("seen", "refused", "conflated", "evaluated", "fresh", "edge_positive", "over_threshold", "sized")
_TRADED = ("allowed", "sent", "filled", "closed")
FUNNEL_STEPS = (*_COUNTED, *_TRADED)


def reported_symbols(campaign: Campaign) -> tuple[str, ...]:
    """Return the universe, and after it whatever else a guard's answer was booked on."""
    booked = tuple(campaign.statistics.symbols)
    return (*campaign.symbols, *(symbol for symbol in booked if symbol not in campaign.symbols))


def funnel_of(campaign: Campaign, symbol: str) -> dict[str, int]:
    """Return the count of every step, as it is now."""
    task = campaign.symbols.get(symbol)
    counted = Funnel() if task is None else task.funnel
    # Never `Statistics.of`: it would add the symbol, and the live view asks from another thread.
    traded = campaign.statistics.symbols.get(symbol) or SymbolStatistics()
    return {step: getattr(counted, step) for step in _COUNTED} | {step: getattr(traded, step) for step in _TRADED}


def funnel_total(campaign: Campaign) -> dict[str, int]:
    """Return the counts of all symbols together."""
    total = dict.fromkeys(FUNNEL_STEPS, 0)
    for symbol in reported_symbols(campaign):
        for step, count in funnel_of(campaign, symbol).items():
            total[step] += count
    return total


def not_sized_total(campaign: Campaign) -> Counter[str]:
    """Return why opportunities could not be sized, over all symbols."""
    return sum((task.funnel.not_sized for task in campaign.symbols.values()), Counter[str]())
