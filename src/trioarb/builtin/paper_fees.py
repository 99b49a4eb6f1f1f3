"""The fees of a paper venue: at which rate, and in which asset."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal

from trioarb.api import BPS, EXACT, SECOND_NS, ZERO, ExchangeContext, Fill, Instrument, Side, ceil_to
from trioarb.builtin.paper_matching import Level
from trioarb.builtin.paper_settings import FEE_STEP, RECEIVED, PaperSettings

__all__ = ["Fees"]

_VOLUME_NS = 30 * 86_400 * SECOND_NS


class Fees:
    """What fills cost. ``balance`` says what the account holds of an asset."""

    def __init__(self, settings: PaperSettings, context: ExchangeContext, balance: Callable[[str], Decimal]) -> None:
        self._settings = settings
        self._context = context
        self._balance = balance
        #: The account's own trades of the last 30 days, by time, and their sum, where fees depend on it.
        self._traded: deque[tuple[int, Decimal]] = deque()
        self._volume_usd = ZERO

    def count(self, quote: str, value: Decimal, ts_ns: int) -> None:
        """Count a fill's value toward the tiers."""
        if self._settings.fee_tiers:
            usd = EXACT.multiply(value, self._context.fx.get(quote, ZERO))
            self._traded.append((ts_ns, usd))
            self._volume_usd = EXACT.add(self._volume_usd, usd)

    def rate(self, untiered: Decimal) -> Decimal:
        """Return the fee of what takes as a share of its value, by the volume of the last 30 days."""
        if not self._settings.fee_tiers:
            return untiered
        oldest_ns = self._context.time.now_ns() - _VOLUME_NS
        while self._traded and self._traded[0][0] < oldest_ns:
            self._volume_usd = EXACT.subtract(self._volume_usd, self._traded.popleft()[1])
        reached = [tier.taker_fee_bps for tier in self._settings.fee_tiers if tier.volume_usd <= self._volume_usd]
        return EXACT.multiply(reached[-1], EXACT.divide(Decimal(1), BPS)) if reached else untiered

    def fill(self, instrument: Instrument, side: Side, match: Level, fill_id: str, rate: Decimal) -> Fill:
        """Return a fill, with its fee in the asset that the account has it taken in."""
        price, quantity = match
        fee, fee_asset = EXACT.multiply(EXACT.multiply(quantity, price), rate), instrument.quote
        own = self._settings.own_fee_asset
        if own is not None:
            other = EXACT.multiply(quantity, rate) if own == instrument.base else self._in(own, fee, instrument.quote)
            # of an asset that has no price, or of which the account holds too little, nothing is taken
            if other is not None and other <= self._balance(own):
                fee, fee_asset = other, own
        elif side is Side.BUY and self._settings.fee_asset == RECEIVED:
            fee, fee_asset = EXACT.multiply(quantity, rate), instrument.base
        return Fill(fill_id=fill_id, quantity=quantity, price=price, fee=fee, fee_asset=fee_asset)

    def _in(self, asset: str, fee: Decimal, quote: str) -> Decimal | None:
        """Return a fee in another asset, by its price; ``None`` if it has none."""
        price = self._context.fee_price(asset, quote)
        return None if price is None else ceil_to(fee / price, FEE_STEP)
