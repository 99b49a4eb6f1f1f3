"""Perpetual contracts: what they are margined by, and what is held of them."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

import attrs
import msgspec

from trioarb.model.given import Given, Maybe, Number
from trioarb.model.number import BPS, EXACT, ZERO, ceil_to, per_unit, share
from trioarb.model.order import Side

__all__ = ["Charge", "ChargeKind", "ContractTerms", "Contracts", "contract_of", "liquidation_price"]

#: Margins are rounded up to this.
_MARGIN_STEP = Decimal("1e-8")


def contract_of(symbol: str) -> str:
    """Return the name that contracts of a symbol have among the assets of a venue.

    Args:
        symbol: Ours of the instrument.
    """
    return f"{symbol}-PERP"


@attrs.frozen(kw_only=True)
class ContractTerms:
    """How a linear contract is margined, in its quote asset.

    Attributes:
        leverage: It takes 1 ÷ this of its value when it is opened.
        maintenance_margin_bps: It takes so much of its value, in basis points, as long as it is held.
        funding_bps: What is paid each time of funding, in basis points of its value; ``None``: nothing, or not known.
        funding_interval_hours: Hours between two such times.
    """

    leverage: Decimal
    maintenance_margin_bps: Decimal
    funding_bps: Decimal | None = None
    funding_interval_hours: Decimal | None = None

    @classmethod
    def of(
        cls,
        *,
        leverage: Number,
        maintenance_margin_bps: Number,
        funding_bps: Maybe = None,
        funding_interval_hours: Maybe = None,
    ) -> ContractTerms:
        """Return terms from what JSON gives.

        Raises:
            WireError: a field can't be; names it.
        """
        given = Given(cls.__name__)
        return cls(
            leverage=given.factor("leverage", leverage, above=0),
            maintenance_margin_bps=given.factor("maintenance_margin_bps", maintenance_margin_bps, at_least=0),
            funding_bps=given.maybe("funding_bps", funding_bps),
            funding_interval_hours=given.maybe("funding_interval_hours", funding_interval_hours, above=0),
        )

    def initial_margin(self, value: Decimal) -> Decimal:
        """Return what a position, or an order, needs.

        Args:
            value: What it is worth, in quote asset.
        """
        return ceil_to(value / self.leverage, _MARGIN_STEP)

    def maintenance_margin(self, value: Decimal) -> Decimal:
        """Return below which margin balance a position is liquidated.

        Args:
            value: What it is worth, in quote asset.
        """
        return EXACT.divide(EXACT.multiply(value, self.maintenance_margin_bps), BPS)


@attrs.define
class Contracts:
    """What is held of a contract.

    What a part that is closed had cost is cut at 10⁻¹⁵; the remainder stays with the rest.

    Attributes:
        quantity: How many, in base asset; below zero if short.
        cost: quantity × average entry price, in quote asset, as signed.
    """

    quantity: Decimal = ZERO
    cost: Decimal = ZERO

    @classmethod
    def of(cls, *, quantity: Number, cost: Number) -> Contracts:
        """Return what is held from what JSON gives.

        Raises:
            WireError: a field can't be; names it.
        """
        given = Given(cls.__name__)
        return cls(given.amount("quantity", quantity), given.amount("cost", cost))

    def trade(self, side: Side, quantity: Decimal, price: Decimal) -> Decimal:
        """Count a fill; return what it realised: for each unit that it closes, price − average entry price.

        Args:
            side: Which way it was traded.
            quantity: How many contracts, above 0.
            price: In quote asset.
        """
        signed = quantity if side is Side.BUY else EXACT.minus(quantity)
        realised = ZERO
        if self.quantity and (self.quantity > 0) != (signed > 0):
            closed = min(quantity, abs(self.quantity)).copy_sign(signed)
            released = share(self.cost, abs(closed), abs(self.quantity))
            realised = EXACT.minus(EXACT.add(released, EXACT.multiply(closed, price)))
            self.quantity = EXACT.add(self.quantity, closed)
            self.cost = EXACT.subtract(self.cost, released)
            signed = EXACT.subtract(signed, closed)
        if signed:
            self.quantity = EXACT.add(self.quantity, signed)
            self.cost = EXACT.add(self.cost, EXACT.multiply(signed, price))
        return realised

    def unrealised(self, mark: Decimal) -> Decimal:
        """Return what it would realise at a price.

        Args:
            mark: That price, in quote asset.
        """
        return EXACT.subtract(EXACT.multiply(self.quantity, mark), self.cost)


def liquidation_price(collateral: Decimal, held: Contracts, maintenance_margin_bps: Decimal) -> Decimal | None:
    """Return the mark at which a position is liquidated; ``None``: none is low or high enough.

    ``collateral``: the wallet, and what other positions have gained less the maintenance margins that they need. It is
    the mark at which the margin balance is no more than the maintenance margin:

        collateral + quantity · mark − cost = |quantity| · mark · rate
        mark = (cost − collateral) ÷ (quantity − |quantity| · rate)

    The same as Binance's for one-way cross margin, (WB − TMM + UPNL − side · Q · EP) ÷ (Q · MMR − side · Q), without
    the tiers that lower the rate for small positions (https://www.binance.com/en/support/faq/b3c689c1f50a44cabb3a84e663b81d93).
    """
    if not held.quantity:
        return None
    rate = EXACT.divide(maintenance_margin_bps, BPS)
    changes = EXACT.subtract(held.quantity, EXACT.multiply(abs(held.quantity), rate))
    price = per_unit(EXACT.subtract(held.cost, collateral), changes)
    return price if price > 0 else None


class ChargeKind(Enum):
    """What a venue books by itself: funding of contracts, or interest on what is borrowed."""

    FUNDING = "funding"
    INTEREST = "interest"


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue booked by itself.

    Attributes:
        charge_id: The venue's, the same whenever it is told.
        kind: Funding or interest.
        ts_ns: When, Unix nanoseconds, by the venue's clock.
        symbol: What it is for.
        quantity: What was held of it, in base asset; below zero if short or borrowed.
        mark: The price that it was reckoned at, in quote asset.
        asset: What was paid in.
        amount: What the account got of it; below zero if it paid.
        rate_bps: The rate of this time, in basis points.
    """

    charge_id: str
    kind: ChargeKind
    ts_ns: int
    symbol: str
    quantity: Decimal
    mark: Decimal
    asset: str
    amount: Decimal
    rate_bps: Decimal

    @classmethod
    def of(
        cls,
        *,
        charge_id: str | int,
        kind: ChargeKind | str,
        ts_ns: int | str,
        symbol: str,
        quantity: Number,
        mark: Number,
        asset: str,
        amount: Number,
        rate_bps: Number,
    ) -> Charge:
        """Return a charge from what JSON gives; `reckoned` is for what is known by its rate only.

        Raises:
            WireError: a field can't be; names it.
        """
        given = Given(cls.__name__)
        return cls(
            charge_id=given.name("charge_id", charge_id),
            kind=given.member("kind", kind, ChargeKind),
            ts_ns=given.time("ts_ns", ts_ns),
            symbol=given.name("symbol", symbol),
            quantity=given.factor("quantity", quantity),
            mark=given.factor("mark", mark, above=0),
            asset=given.name("asset", asset),
            amount=given.amount("amount", amount),
            rate_bps=given.factor("rate_bps", rate_bps),
        )

    @classmethod
    def reckoned(
        cls,
        kind: ChargeKind,
        at_ns: int,
        symbol: str,
        *,
        quantity: Decimal,
        mark: Decimal,
        rate_bps: Decimal,
        asset: str,
    ) -> Charge:
        """Return funding or interest by its rate.

        A long position pays a positive rate of funding, and a short one gets it; what is borrowed pays interest.

        Args:
            kind: Funding or interest.
            at_ns: When, Unix nanoseconds.
            symbol: What it is for.
            quantity: What was held of it, in base asset; below zero if short or borrowed.
            mark: The price that it is reckoned at, in quote asset.
            rate_bps: The rate of this time, in basis points.
            asset: What is paid in.
        """
        paid = EXACT.divide(EXACT.multiply(EXACT.multiply(quantity, mark), rate_bps), BPS)
        return cls(
            charge_id=f"{kind.value}-{at_ns}-{symbol}",
            kind=kind,
            ts_ns=at_ns,
            symbol=symbol,
            quantity=quantity,
            mark=mark,
            asset=asset,
            amount=EXACT.minus(paid if kind is ChargeKind.FUNDING else abs(paid)),
            rate_bps=rate_bps,
        )
