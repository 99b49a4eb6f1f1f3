"""Events of what the accounts hold: deposits, differences, funding, equity."""

from __future__ import annotations

from decimal import Decimal

from trioarb.model.contract import ChargeKind
from trioarb.model.event.base import Event
from trioarb.model.order import Side

__all__ = ["BalanceDiffered", "ContractsLiquidated", "Deposited", "EquityStated", "FundingPaid"]


class Deposited(Event, frozen=True, kw_only=True):
    """Assets that the campaign starts with (``configured``) or was seeded with (``inventory``).

    ``symbol`` is that whose inventory it is. ``difference``: what a venue turned out to hold beyond the ledger, below
    zero if it is less.
    """

    venue: str
    asset: str
    amount: Decimal
    reason: str
    symbol: str | None = None


class BalanceDiffered(Event, frozen=True, kw_only=True):
    """A venue holds something else than the ledger says. The difference is deposited (or, below zero, withdrawn)."""

    venue: str
    asset: str
    held: Decimal
    booked: Decimal


class FundingPaid(Event, frozen=True, kw_only=True):
    """What a venue paid, or below zero took, for what is held there: ``funding`` of contracts, or ``interest`` on what
    is borrowed (``kind``).

    ``quantity`` is that part of what was held (below zero: short, or borrowed) which belongs to the trade (one that
    holds stock makes the venue's interest less, by as much as it would pay for it borrowed); without
    one, to residuals, dust and pairs in flight. All parts have the same ``charge_id``, and were booked by the venue at
    ``charged_at_ns``. ``amount`` of ``asset``, about quantity × ``mark`` × ``rate_bps``, is realised at once.
    """

    charge_id: str
    charged_at_ns: int
    kind: ChargeKind
    venue: str
    symbol: str
    quantity: Decimal
    mark: Decimal
    rate_bps: Decimal
    asset: str
    amount: Decimal
    amount_usd: Decimal
    trade_id: str | None = None


class ContractsLiquidated(Event, frozen=True, kw_only=True):
    """A venue closed contracts by force (``side``: short ones by buying), since the account there was worth less than
    its maintenance margin.

    It did so at ``liquidated_at_ns``; ``value`` = Σ quantity × price, and ``fees``, in ``asset``. What it did follows
    as orders of the purpose ``liquidation``: an exit of each position that lost its contracts, whose other leg is a
    residual then; and, of what belonged to no position, an entry that leaves a residual. ``mark``, ``balance`` and
    ``maintenance`` are the price that it went by, what the account was worth, and the margin that it needed; absent
    where the venue doesn't say them.
    """

    liquidation_id: str
    liquidated_at_ns: int
    venue: str
    symbol: str
    side: Side
    quantity: Decimal
    value: Decimal
    fees: Decimal
    asset: str
    mark: Decimal | None = None
    balance: Decimal | None = None
    maintenance: Decimal | None = None


class EquityStated(Event, frozen=True, kw_only=True):
    """What is held, at the prices just marked, against what was put in; and what the difference is made of.

    Recorded at the end, and each minute where that is wanted.
    ``now_usd`` − ``start_usd`` = the sum of the parts. ``unpriced`` (``VENUE ASSET``) is in none of it. ``fx_usd``:
    what money in assets with a rate has gained by it since it came; absent where there are none.
    """

    start_usd: Decimal
    now_usd: Decimal
    arbitrage_usd: Decimal
    inventory_usd: Decimal
    fees_usd: Decimal
    funding_usd: Decimal
    residuals_usd: Decimal
    unpriced: tuple[str, ...] = ()
    fx_usd: Decimal | None = None
