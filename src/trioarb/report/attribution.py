"""What became of the edges that were decided upon: of one trade, and of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from trioarb.state.attribution import Attributed
from trioarb.state.state import State

__all__ = ["NAMES", "attribution", "edges_of"]

#: How the parts of a trade's PnL are called.
NAMES = {
    "entry_usd": "entry, before fees",
    "decided_usd": "edge decided, before fees",
    "unfilled_usd": "of it not filled",
    "latency_usd": "latency: prices moved",
    "slippage_usd": "slippage",
    "uneven_usd": "unequal legs",
    "fx_usd": "rates that moved",
    "exit_usd": "exit, before fees",
    "fees_usd": "fees",
    "left_usd": "residuals, dust",
    "funding_usd": "funding, interest",
    "late_usd": "learnt late",
}


def attribution(state: State) -> dict[str, Any] | None:
    """Return what realised PnL is the sum of: parts of entries that are over, and the rest; ``None`` without any."""
    totals, open_usd = state.attributions.totals, state.attributions.open_usd
    if not totals.trades and not open_usd and not totals.residuals_usd and not totals.parts.get("funding_usd"):
        return None
    return {
        "entries": totals.trades,
        **{part: totals.parts[part] for part in NAMES if part in totals.parts},
        "residuals_usd": totals.residuals_usd,
        "still_open_usd": open_usd,
    }


def edges_of(trade: Attributed) -> Iterator[tuple[str, Decimal]]:
    """Yield the edges of a trade that are known, in bps."""
    for name, edge in (("decided", trade.decided_bps), ("sent", trade.sent_bps), ("filled", trade.filled_bps)):
        if edge is not None:
            yield name, edge
