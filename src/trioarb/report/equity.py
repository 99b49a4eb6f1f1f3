"""Equity as figures: what is held against what was put in, and what the difference is made of."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from trioarb.state.state import State

__all__ = ["PARTS", "equity", "return_on"]

#: The parts that a change of equity is the sum of, and how they are called.
PARTS = {
    "arbitrage": "arbitrage",
    "inventory": "inventory",
    "fees": "fees",
    "funding": "funding, borrow",
    "residuals": "residuals, dust",
}
_STEP = Decimal("0.000001")


def equity(state: State) -> dict[str, Any]:
    """Return equity in USD. A return is a share, and absent where no capital was held, or used."""
    figures, stated = state.equity.figures(), state.equity.stated_drawdown
    return {
        "start_usd": figures.start,
        "now_usd": figures.now,
        "change_usd": figures.change,
        **{f"{part}_usd": getattr(figures, part) for part in PARTS},
        "fx_usd": figures.fx,
        "unpriced": figures.unpriced,
        "return_on_capital_held": return_on(figures.start, figures.change),
        "return_on_capital_used": return_on(state.equity.peak_exposure_usd, figures.traded),
        "peak_exposure_usd": state.equity.peak_exposure_usd,
        "drawdown_usd": state.equity.drawdown_usd,
        "drawdown_seconds": state.equity.drawdown.longest_ns / 1e9,
        "equity_drawdown_usd": state.equity.stated_drawdown_usd,
        "equity_drawdown_seconds": None if stated is None else stated.longest_ns / 1e9,
    }


def return_on(capital: Decimal, change: Decimal) -> Decimal | None:
    """Return the share by which capital has changed, to six digits; ``None`` without any."""
    return (change / capital).quantize(_STEP) if capital > 0 else None
