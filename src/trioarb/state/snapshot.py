"""What readers beside the engine get of a campaign: plain values, which don't change while they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import attrs

from trioarb.model.number import EXACT, ZERO
from trioarb.model.trade import EndedBy, Phase, Position
from trioarb.state.equity import EquityFigures

__all__ = ["HeadRoom", "Snapshot", "SymbolSnapshot", "VenueHealth", "total_of"]


def total_of(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Return the exact sum; ``None`` where an amount isn't known."""
    total = ZERO
    for amount in amounts:
        if amount is None:
            return None
        total = EXACT.add(total, amount)
    return total


@attrs.frozen(kw_only=True)
class HeadRoom:
    """How much of a guard's limit is used, in USD, by its tier and rule. ``limit``: ``None`` where it has none.

    ``name`` is what people call it.
    """

    tier: str
    rule: str
    name: str
    used: Decimal
    limit: Decimal | None


@attrs.frozen(kw_only=True)
class VenueHealth:
    """What a guard tier says of a venue, and why, where it isn't well."""

    health: str
    reason: str


@attrs.frozen(kw_only=True)
class SymbolSnapshot:
    """One symbol. ``edge_bps`` is the best one now, ``highest_edge_bps`` the best ever seen; money is realised.

    ``denied`` counts entries that were sized and not allowed, those included that the journal doesn't count yet.
    ``unrealised_usd`` is what its positions would bring now beyond what they cost; ``None``: one has no mark.
    ``quote_age_ns``: of the oldest of its venues' latest quotes; ``None`` while one has sent none.
    """

    symbol: str
    edge_bps: float | None
    highest_edge_bps: float | None
    quote_age_ns: int | None
    seen: int
    iterations: int
    fresh: int
    edge_positive: int
    over_threshold: int
    sized: int
    allowed: int
    denied: int
    sent: int
    opened: int
    closed: int
    pnl_usd: Decimal
    fees_usd: Decimal
    unrealised_usd: Decimal | None
    positions: tuple[Position, ...]
    quarantines: int
    retired: bool


@attrs.frozen(kw_only=True)
class Snapshot:
    """A campaign at one moment. ``silent_ns``: for how long no quote came from a venue; ``equity`` at its prices.

    ``paused``: who wants no entries, and why; absent if nobody does. ``holds``: all that is in the way of entries.
    ``health`` of venues of which a guard tier says one.
    """

    phase: Phase
    ended_by: EndedBy | None
    elapsed_ns: int
    paused: str | None
    holds: tuple[str, ...]
    silent_ns: Mapping[str, int]
    health: Mapping[str, VenueHealth]
    head_room: tuple[HeadRoom, ...]
    exposure_usd: Decimal
    pairs_in_flight: int
    open_orders: int
    residuals: int
    symbols: tuple[SymbolSnapshot, ...]
    pnl_usd: Decimal
    fees_usd: Decimal
    equity: EquityFigures

    @property
    def unrealised_usd(self) -> Decimal | None:
        """What all that is open would bring; ``None`` if one position has no mark."""
        return total_of(one.unrealised_usd for one in self.symbols)
