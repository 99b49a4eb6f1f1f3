"""``GET /v1/orders/chance``: a market's fees for this account, its least order, and whether it trades."""

from __future__ import annotations

from decimal import Decimal

from trioarb.api import BPS, EXACT, InstrumentStatus
from trioarb_upbit.dialect.account import Account
from trioarb_upbit.dialect.stream import Ticker
from trioarb_upbit.dialect.struct import UNSET, Exact, UnsetType

__all__ = ["Chance", "ChanceMarket", "ChanceSide", "fees_of", "least_total", "status_in", "status_of"]


class ChanceSide(Exact, frozen=True, kw_only=True):
    """``price_unit``: the price step, where the venue tells it here (Bithumb)."""

    currency: str
    min_total: Decimal
    price_unit: Decimal | UnsetType | None = UNSET


class ChanceMarket(Exact, frozen=True, kw_only=True):
    id: str
    bid: ChanceSide
    ask: ChanceSide
    state: str
    name: str | UnsetType = UNSET
    order_types: tuple[str, ...] | UnsetType = UNSET
    order_sides: tuple[str, ...] | UnsetType = UNSET
    bid_types: tuple[str, ...] | UnsetType = UNSET
    ask_types: tuple[str, ...] | UnsetType = UNSET
    max_total: Decimal | UnsetType | None = UNSET


class Chance(Exact, frozen=True, kw_only=True):
    """Fees are shares of the traded value: 0.0005 are 5 bps."""

    bid_fee: Decimal
    ask_fee: Decimal
    market: ChanceMarket
    maker_bid_fee: Decimal | UnsetType = UNSET
    maker_ask_fee: Decimal | UnsetType = UNSET
    bid_account: Account | UnsetType = UNSET
    ask_account: Account | UnsetType = UNSET


def fees_of(chance: Chance) -> tuple[Decimal, Decimal]:
    """Return maker and taker fee in bps; the higher of both sides, since an instrument has one of each."""
    taker = max(chance.bid_fee, chance.ask_fee)
    makers = [fee for fee in (chance.maker_bid_fee, chance.maker_ask_fee) if not isinstance(fee, UnsetType)]
    return EXACT.multiply(max(makers, default=taker), BPS), EXACT.multiply(taker, BPS)


def least_total(chance: Chance) -> Decimal:
    """Return the least value of an order, in quote asset; the higher of both sides."""
    return max(chance.market.bid.min_total, chance.market.ask.min_total)


def status_of(state: str | None, *, is_suspended: bool = False) -> InstrumentStatus:
    """Return whether a market trades, by its state: ``active`` here, ``ACTIVE`` in a ticker; ``None``: not said.

    Anything else (``PREVIEW``, ``DELISTED``, and what may come) doesn't.
    """
    trades = (state is None or state.lower() == "active") and not is_suspended
    return InstrumentStatus.TRADING if trades else InstrumentStatus.HALTED


def status_in(ticker: Ticker) -> InstrumentStatus:
    """Return whether a market trades, by a message of its prices."""
    return status_of(ticker.market_state or None, is_suspended=ticker.is_trading_suspended is True)
