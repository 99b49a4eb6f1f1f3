"""A strategy whose orders a venue doesn't take is refused before anything is traded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from trioarb.api import ExchangeContext, ExchangeSpec, Offer, OrderSize, Route, Strategy, StrategySpec, TrioarbError
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings
from trioarb.testing import ScriptedTape, listing, plugin_of, run_virtual, scripted_market, two_venues


class Quoting(Strategy):
    """Would rest at a."""

    def __init__(self) -> None:
        self.entry_bps = Decimal(10)
        self.max_quote_age_ns = 10**9

    def needs(self, venue: str) -> frozenset[Offer]:
        return frozenset({Offer.POST_ONLY, Offer.GTC}) if venue == "a" else frozenset()

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        return None


@asynccontextmanager
async def open_strategy(settings: object, context: object) -> AsyncIterator[Strategy]:
    yield Quoting()


@asynccontextmanager
async def open_plain(settings: PaperSettings, context: ExchangeContext) -> AsyncIterator[PaperExchange]:
    class Plain(PaperExchange):
        offers = frozenset({Offer.GTC})

    yield Plain(settings, context)


def run(at: str) -> int:
    table: dict[str, Any] = two_venues()
    table["strategy"] = {"plugin": "quoting"}
    table["exchanges"][at]["plugin"] = "plain"
    tapes = {venue: ScriptedTape([], listings=[listing("BTC")]) for venue in "ab"}
    mine = plugin_of(
        StrategySpec(name="quoting", doc="rests at a", open=open_strategy),
        ExchangeSpec(name="plain", doc="takes little", settings=PaperSettings, open=open_plain),
    )
    return run_virtual(table, plugins={"market": scripted_market(tapes), "mine": mine}).exit_code


def test_it_is_refused_with_what_the_venue_lacks() -> None:
    with pytest.raises(TrioarbError) as raised:
        run("a")
    assert str(raised.value) == (
        "[strategy]: plugin 'quoting' sends orders to a that it doesn't take (post_only); "
        "name another strategy, or another plugin in [exchanges.a]"
    )
    assert raised.value.exit_code == 2


def test_a_venue_to_which_it_sends_no_such_orders_may_lack_them() -> None:
    assert run("b") == 0
