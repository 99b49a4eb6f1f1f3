"""What was moved between venues, and what of it is under way."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from rich.text import Text

from trioarb.model.event import TransferSent
from trioarb.model.number import EXACT, text
from trioarb.report.figures import number_of, usd
from trioarb.report.plain import iso_time, present
from trioarb.state.state import State

__all__ = ["described_transfer", "transfer_figures", "transfer_remarks", "transfers"]


def transfers(state: State) -> dict[str, Any] | None:
    """Return how much of which asset was moved, and what is under way, at its mark; ``None``: nothing was ever sent."""
    found = state.transfers
    if not found.count:
        return None
    return {
        "sent": found.count,
        "arrived": found.count - len(found.in_transit),
        "fees_usd": found.fees_usd,
        "assets": {
            asset: {"sent": one.sent, "arrived": one.arrived, "fees": one.fees}
            for asset, one in sorted(found.moved.items())
        },
        "in_transit": [
            present(
                {
                    "transfer_id": one.transfer_id,
                    "asset": one.asset,
                    "source": one.source,
                    "target": one.target,
                    "amount": one.arrives,
                    "value_usd": _value_usd(state, one),
                    "arrives_at": iso_time(one.arrives_at_ns),
                }
            )
            for one in found.in_transit.values()
        ],
    }


def transfer_figures(state: State) -> Iterator[tuple[str, str | Text]]:
    """Yield the figures that a person sees."""
    found = state.transfers
    if found.count:
        yield "sent", number_of(found.count)
        yield "arrived", number_of(found.count - len(found.in_transit))
        yield "withdrawal fees (USD)", usd(found.fees_usd)


def transfer_remarks(state: State) -> Iterator[str]:
    """Yield what is under way."""
    for one in state.transfers.in_transit.values():
        value = _value_usd(state, one)
        worth = "no known price" if value is None else f"{usd(value)} USD"
        yield f"Transfer: {described_transfer(one)}, {worth}, is under way and counts in equity"


def described_transfer(sent: TransferSent) -> str:
    """Return what is moved, and between which venues."""
    return f"{text(sent.arrives)} {sent.asset} from {sent.source} to {sent.target} ({sent.transfer_id})"


def _value_usd(state: State, sent: TransferSent) -> Decimal | None:
    price = state.equity.price(sent.target, sent.asset, sent.arrives)
    return None if price is None else EXACT.multiply(sent.arrives, price)
