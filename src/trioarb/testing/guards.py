"""What a guard tier is asked with, outside of a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from trioarb.api import ZERO, Opportunity, RiskView, Route

__all__ = ["FixedRisk", "opportunity", "utc_ns"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def opportunity(
    symbol: str = "BTCUSDT",
    *,
    buy_venue: str = "a",
    sell_venue: str = "b",
    quantity: Decimal = Decimal("0.01"),
    buy_limit: Decimal = Decimal(50_000),
    sell_limit: Decimal = Decimal(50_100),
    edge_bps: Decimal = Decimal(12),
    usd_per_quote: Decimal = Decimal(1),
) -> Opportunity:
    """Return an opportunity to ask a guard tier about.

    Args:
        symbol: What would be traded.
        buy_venue: Where it would be bought.
        sell_venue: Where it would be sold.
        quantity: In base asset.
        buy_limit: In quote asset.
        sell_limit: In quote asset.
        edge_bps: Net of both taker fees, in basis points.
        usd_per_quote: What the quote asset is worth; ``notional_usd`` follows from it.
    """
    return Opportunity(
        route=Route(symbol=symbol, buy_venue=buy_venue, sell_venue=sell_venue),
        quantity=quantity,
        buy_limit=buy_limit,
        sell_limit=sell_limit,
        edge_bps=edge_bps,
        notional_usd=quantity * max(buy_limit, sell_limit) * usd_per_quote,
    )


def utc_ns(text: str) -> int:
    """Return an ISO 8601 time as nanoseconds since the Unix epoch.

    Args:
        text: Such as ``2025-01-01`` or ``2025-01-01T12:00:00.5``; UTC unless it says otherwise.

    Raises:
        ValueError: It is none.
    """
    at = datetime.fromisoformat(text)
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1) * 1_000


class FixedRisk(RiskView):
    """Figures that don't change, the same for every symbol and for all of them.

    Args:
        exposure_usd: What `RiskView.exposure_usd` says.
        daily_loss_usd: What `RiskView.daily_loss_usd` says.
        open_positions: What `RiskView.open_positions` says.
        stock: By venue, what `RiskView.stock` says; 0 where it isn't there.
    """

    def __init__(
        self,
        *,
        exposure_usd: Decimal = ZERO,
        daily_loss_usd: Decimal = ZERO,
        open_positions: int = 0,
        stock: Mapping[str, Decimal] | None = None,
    ) -> None:
        self._stock = stock or {}
        self._exposure_usd = exposure_usd
        self._daily_loss_usd = daily_loss_usd
        self._open_positions = open_positions

    def exposure_usd(self, symbol: str | None = None) -> Decimal:
        return self._exposure_usd

    def daily_loss_usd(self, now_ns: int, symbol: str | None = None) -> Decimal:
        return self._daily_loss_usd

    def stock(self, symbol: str, venue: str) -> Decimal:
        return self._stock.get(venue, ZERO)

    def open_positions(self, symbol: str | None = None) -> int:
        return self._open_positions
