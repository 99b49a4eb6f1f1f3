"""Which symbols Binance trades, with their volumes."""

from __future__ import annotations

from collections.abc import Sequence

from trioarb.api import Listing, SourceContext, SymbolSource, UniverseError, VenueError
from trioarb_binance.session import Session

__all__ = ["BinanceSource"]


class BinanceSource(SymbolSource):
    """Asks anew each time, in two requests of weight 100 together (spot)."""

    def __init__(self, session: Session, context: SourceContext) -> None:
        self._session = session

    async def listings(self) -> Sequence[Listing]:
        """Return what is traded now.

        Raises:
            UniverseError: it isn't known.
        """
        try:
            listed = await self._session.listed()
        except VenueError as error:
            raise UniverseError(f"Binance: its symbols aren't known: {error}") from error
        return [market.listing for market in listed.markets.values()]
