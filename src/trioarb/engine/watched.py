"""What a campaign shows of itself to whoever watches it from another process."""

from __future__ import annotations

import attrs
import trio

from trioarb.control.message import RouteEdge, Watched
from trioarb.engine.campaign import Campaign
from trioarb.engine.snapshot import snapshot_of
from trioarb.engine.standing import denials_of, positions_of
from trioarb.engine.telemetry import telemetry_of
from trioarb.state.snapshot import SymbolSnapshot

__all__ = ["MOST_SYMBOLS", "watched_of"]

#: Of so many symbols it tells.
MOST_SYMBOLS = 200
#: Quotes are looked at between the edges of so many symbols.
_AT_ONCE = 25


async def watched_of(campaign: Campaign) -> Watched:
    """Return the campaign as it is now. What it is made of is taken one after the other: quotes don't wait for long."""
    telemetry = telemetry_of(campaign)
    await trio.lowlevel.checkpoint()
    snapshot = snapshot_of(campaign)
    symbols = snapshot.symbols
    if len(symbols) > MOST_SYMBOLS:
        symbols = tuple(sorted(symbols, key=_rank)[:MOST_SYMBOLS])
        snapshot = attrs.evolve(snapshot, symbols=symbols)
    await trio.lowlevel.checkpoint()
    edges = list[RouteEdge]()
    for number, one in enumerate(symbols, 1):
        task = campaign.symbols.get(one.symbol)
        if task is not None:
            edges += (RouteEdge(one.symbol, of.buy_venue, of.sell_venue, edge) for of, edge in task.edges_bps())
        if not number % _AT_ONCE:
            await trio.lowlevel.checkpoint()
    return Watched(
        snapshot=snapshot,
        telemetry=telemetry,
        edges=tuple(edges),
        denials=denials_of(campaign),
        positions=positions_of(campaign.state),
    )


def _rank(one: SymbolSnapshot) -> tuple[bool, int, float, str]:
    """Those with a position first, then those that traded most, then by their edge."""
    return not one.positions, -one.sent, -(one.edge_bps if one.edge_bps is not None else -1e9), one.symbol
