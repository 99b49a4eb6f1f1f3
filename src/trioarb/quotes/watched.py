"""A symbol whose quotes are wanted for its price alone: it is shown everything, and trades nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from trioarb.model.market import Listing, Route
from trioarb.plugin.contract import QuoteSink
from trioarb.quotes.band import Held, Path
from trioarb.quotes.board import QuoteBoard
from trioarb.quotes.sinks import Fees, Skipped, Source, sinks_of

__all__ = ["Watched"]

#: Its own quotes are never too old to be shown; whoever follows them judges that.
_ANY_AGE_NS = 2**62


class Watched:
    """Whoever wants its quotes follows its board. ``venues`` are those of the campaign that list it."""

    #: A follower of the player, of whom nothing is evaluated.
    max_quote_age_ns = _ANY_AGE_NS
    highest_edge_bps: float | None = None
    is_evaluating = False
    iterations_left = 0
    wants_all = True
    entry_from_bps: Sequence[float] = (-inf,)
    held: Sequence[Held] = ()

    def __init__(self, listing: Listing, board: QuoteBoard, venues: Sequence[str]) -> None:
        self.listing = listing
        self.symbol = listing.symbol
        self.board = board
        self.venues = tuple(venues)
        # A route that nobody trades: by it a player is asked for all rows.
        first, second = board.venues[:2]
        route = Route(symbol=listing.symbol, buy_venue=first, sell_venue=second)
        self.paths = (Path(route, buy=0, sell=1, cost_buy=1.0, keep_sell=1.0),)

    def bands(self) -> Watched:
        return self

    def awaits_first(self, venue: int) -> bool:
        return True

    def show(self, venue: int, received_ns: int) -> None:
        """Tell who follows the board."""
        self.board.followed.tell(venue)

    def skip(self, skipped: Skipped) -> None:
        """Nothing is counted of it."""

    def keep(self, venue: int, count: int) -> None:
        """Nothing waits to be read."""

    def follow(self, source: Source) -> None:
        self.board.source = source

    def sinks(self) -> Mapping[str, QuoteSink]:
        """Return, by venue, what market data calls with every quote; they are its source from now on."""
        board = self.board
        fees = {board.venues.index(venue): Fees(1.0, 1.0) for venue in self.venues}
        sinks = sinks_of(board, fees, _ANY_AGE_NS, show=self.show, skip=self.skip, skippable=_shown_all)
        self.follow(sinks)
        return {board.venues[venue]: sink for venue, sink in sinks.of.items()}


def _shown_all() -> None:
    """Let every quote be shown."""
