"""Stock drifts to where it is cheap: what would have to be moved so that every venue holds as much again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal, localcontext

import attrs

from trioarb.config.schema import Withdrawal
from trioarb.model.number import EXACT, ZERO

__all__ = ["Rebalancing", "Transfer", "rebalanced"]

#: Amounts are cut here: shares of what is held may have no end.
_STEP = Decimal("0.00000001")


@attrs.frozen(kw_only=True)
class Transfer:
    """``amount`` leaves ``source``, and ``amount`` − ``fee`` arrives at ``target`` after some minutes."""

    asset: str
    source: str
    target: str
    amount: Decimal
    fee: Decimal
    minutes: Decimal

    @property
    def arrives(self) -> Decimal:
        return EXACT.subtract(self.amount, self.fee)


@attrs.frozen(kw_only=True)
class Rebalancing:
    """``transfers`` in the order of their assets, the largest first.

    ``too_small``: what isn't moved since its venue's least or its fee is as much, by asset, source and amount.
    ``unknown``: venue and asset of withdrawals that would be needed and of which nothing is configured.
    """

    transfers: Sequence[Transfer]
    too_small: Sequence[tuple[str, str, Decimal]]
    unknown: Sequence[tuple[str, str]]


def rebalanced(
    holdings: Mapping[str, Mapping[str, Decimal]],
    withdrawals: Mapping[str, Mapping[str, Withdrawal]],
    *,
    tolerance: Decimal,
) -> Rebalancing:
    """Return how every venue would come to hold as much of each asset as the others.

    ``holdings`` by asset, venue: all venues that can hold it, with 0 where there is none; what is borrowed (below zero)
    is a debt to be filled. ``withdrawals`` by venue, asset. A venue within ``tolerance`` (a share) of the mean is left
    alone. Of n venues at most n − 1 transfers are needed; fees come off what arrives, so all end a little below.
    """
    transfers, too_small, unknown = list[Transfer](), list[tuple[str, str, Decimal]](), list[tuple[str, str]]()
    for asset in sorted(holdings):
        for source, target, amount in _moves(holdings[asset], tolerance):
            terms = withdrawals.get(source, {}).get(asset)
            if terms is None:
                unknown.append((source, asset))
            elif amount <= terms.fee or amount < terms.least:
                too_small.append((asset, source, amount))
            else:
                transfers.append(
                    Transfer(
                        asset=asset,
                        source=source,
                        target=target,
                        amount=amount,
                        fee=terms.fee,
                        minutes=terms.minutes,
                    )
                )
    return Rebalancing(transfers=transfers, too_small=too_small, unknown=sorted(set(unknown)))


def _moves(held: Mapping[str, Decimal], tolerance: Decimal) -> Iterator[tuple[str, str, Decimal]]:
    """Yield source, target and amount: from where most is too much to where most is missing, as long as any is."""
    if len(held) < 2:
        return
    with localcontext(EXACT):
        total = sum(held.values(), ZERO)
    if total <= 0:
        return
    mean = (total / len(held)).quantize(_STEP, ROUND_DOWN)
    with localcontext(EXACT):
        beyond = {venue: amount - mean for venue, amount in held.items()}
        if all(abs(amount) <= mean * tolerance for amount in beyond.values()):
            return
        surplus = sorted(((amount, venue) for venue, amount in beyond.items() if amount > 0), key=_largest)
        missing = sorted(((-amount, venue) for venue, amount in beyond.items() if amount < 0), key=_largest)
        while surplus and missing:
            (more, source), (less, target) = surplus[0], missing[0]
            amount = min(more, less)
            yield source, target, amount
            surplus[0], missing[0] = (more - amount, source), (less - amount, target)
            surplus, missing = (sorted((one for one in of if one[0]), key=_largest) for of in (surplus, missing))


def _largest(one: tuple[Decimal, str]) -> tuple[Decimal, str]:
    return -one[0], one[1]
