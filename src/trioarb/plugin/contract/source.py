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
    @abstractmethod
    async def listings(self) -> Sequence[Listing]:
        """Return every symbol it knows, in a stable order."""


@attrs.frozen(kw_only=True)
class SourceContext(PluginContext):
    """The markets of the configured venues, by venue.

    ``session``: what its venue's `VenueSpec.open` gave, if it is a part of one.
    """

    markets: Mapping[str, MarketData]
    session: Any = None
