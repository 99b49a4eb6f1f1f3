"""When orders were submitted: venues are opened before the journal is folded, and ask later."""

from __future__ import annotations

import attrs

from trioarb.state.trades import Trades

__all__ = ["Submitted"]


@attrs.define
class Submitted:
    """``trades``: what the journal was folded to, once it is."""

    trades: Trades | None = None

    def at_ns(self, client_order_id: str) -> int | None:
        """Return the campaign time at which an order was submitted; ``None``: long ago, or never."""
        return None if self.trades is None else self.trades.submitted_ns(client_order_id)
