"""What readers beside the engine get of a campaign: plain values, which don't change while they are read."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from trioarb.model.trade import EndedBy, Phase, Position
from trioarb.state.equity import EquityFigures

__all__ = ["Snapshot", "SymbolSnapshot"]


@attrs.frozen(kw_only=True)
class SymbolSnapshot:
    """One symbol. ``edge_bps`` is the best one now, ``highest_edge_bps`` the best ever seen; money is realised.

    ``denied`` counts entries that were sized and not allowed, those included that the journal doesn't count yet.
    """

    symbol: str
    edge_bps: float | None
    highest_edge_bps: float | None
    iterations: int
    over_threshold: int
    denied: int
    sent: int
    opened: int
    closed: int
    pnl_usd: Decimal
    fees_usd: Decimal
    positions: tuple[Position, ...]
    quarantines: int
    retired: bool


@attrs.frozen(kw_only=True)
class Snapshot:
    """A campaign at one moment. ``silent_ns``: for how long no quote came from a venue; ``equity`` at its prices."""

    phase: Phase
    ended_by: EndedBy | None
    elapsed_ns: int
    silent_ns: Mapping[str, int]
    symbols: tuple[SymbolSnapshot, ...]
    pnl_usd: Decimal
    fees_usd: Decimal
    equity: EquityFigures
