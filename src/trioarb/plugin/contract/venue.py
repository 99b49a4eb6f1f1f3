"""What the session of a venue is opened with."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from trioarb.plugin.contract.context import PluginContext

__all__ = ["VenueContext"]


@attrs.frozen(kw_only=True)
class VenueContext(PluginContext):
    """What the session of a venue is opened with.

    Attributes:
        venue: The venue's name, ``[exchanges.NAME]``; ``None`` where the session is a symbol source's, and of no venue.
        settings: Those of the venue's settings class; of its ``account`` class where the exchange is opened as well.
        can_trade: Whether orders may be sent. Where not, the session must have nothing that could send one.
        hold: Called with a reason, lets nothing be entered at the venue until ``release`` is called with the same; as
            those of its market data (`MarketContext`), which they stand beside. They do nothing where the session is
            of no venue, or the venue is only asked.
        release: Takes a reason back.
    """

    can_trade: bool = False
    hold: Callable[[str], None] = lambda reason: None
    release: Callable[[str], None] = lambda reason: None
