"""Symbol sources: which symbols there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from trioarb.model.market import Listing
from trioarb.plugin.contract.context import PluginContext
from trioarb.plugin.contract.market import MarketData

__all__ = ["SourceContext", "SymbolSource"]


class SymbolSource(ABC):
    """Says which symbols there are; the configuration chooses of them."""

    @abstractmethod
    async def listings(self) -> Sequence[Listing]:
        """Return every symbol it knows.

        Asked at the start, and every ``universe.refresh_minutes`` where that is set. That has ``engine.open_seconds``.

        Returns:
            Listings in a stable order, which decides between symbols of equal volume. Symbols are never cut into
            assets: ``base`` and ``quote`` have to be there. A volume that isn't known is ``None``, not 0.

        Raises:
            UniverseError: There is nothing to choose from, and the user can mend it. Any other `TrioarbError` is shown
                as it is, too. At the start nothing is traded; later the symbols stay as they are, and that is recorded.
        """


@attrs.frozen(kw_only=True)
class SourceContext(PluginContext):
    """What a source of symbols is opened with.

    Attributes:
        markets: The market data of the configured venues, opened, by venue. Ask them what they list; run none of them.
        session: What the venue's `VenueSpec` opened, if the source is a part of one.
    """

    markets: Mapping[str, MarketData]
    session: Any = None
