"""What sends reads to an address as Binance's plugin does, by limits that are shared with nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trioarb.venue import Host, Limits, open_rest
from trioarb_binance.asking import Ask, asking
from trioarb_binance.budget import limit_rules


@asynccontextmanager
async def open_asking(url: str) -> AsyncIterator[Ask]:
    limits = Limits("Binance", limit_rules(()))
    async with open_rest("Binance", Host(url=url), limits=limits, can_trade=False) as rest:
        yield asking(rest, limits)
