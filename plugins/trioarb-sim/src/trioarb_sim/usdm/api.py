"""What anybody may ask of Binance's futures: listings, books, volumes, funding."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from trioarb_sim.binance.api import Api, Caller, Endpoint, Params, symbols_of
from trioarb_sim.binance.errors import ApiError
from trioarb_sim.binance.terms import required, whole
from trioarb_sim.faults import Fault
from trioarb_sim.usdm import bodies

__all__ = ["UsdmApi"]

_MOST_LEVELS = 1000
_DEPTH_WEIGHTS = ((50, 2), (100, 5), (500, 10), (_MOST_LEVELS, 20))


class UsdmApi(Api):
    """Answers requests below ``/fapi``; nothing of an account."""

    def endpoints(self) -> Sequence[Endpoint]:
        get, v1 = "GET", "/fapi/v1"
        return (
            Endpoint(method=get, path=f"{v1}/ping", answer=lambda params, _: {}),
            Endpoint(method=get, path=f"{v1}/time", answer=lambda params, _: {"serverTime": self._now_ms()}),
            Endpoint(method=get, path=f"{v1}/exchangeInfo", answer=self._contracts),
            Endpoint(method=get, path=f"{v1}/depth", answer=self._book, weight=_depth_weight),
            Endpoint(method=get, path=f"{v1}/ticker/24hr", answer=self._volumes, weight=_by_symbol(1, 40)),
            Endpoint(method=get, path=f"{v1}/ticker/bookTicker", answer=self._bests, weight=_by_symbol(2, 5)),
            Endpoint(method=get, path=f"{v1}/premiumIndex", answer=self._premiums, weight=_by_symbol(1, 10)),
        )

    def rate_limits(self, caller: Caller, *, with_counts: bool = True) -> list[dict[str, object]]:
        """Return the limit of weight; orders aren't taken here."""
        known = super().rate_limits(caller, with_counts=with_counts)
        return [one for one in known if one["rateLimitType"] == "REQUEST_WEIGHT"]

    def _contracts(self, params: Params, _: None) -> Any:
        return {
            "timezone": "UTC",
            "serverTime": self._now_ms(),
            "rateLimits": self.rate_limits(Caller(address=""), with_counts=False),
            "exchangeFilters": [],
            "assets": [],
            "symbols": [bodies.listing(one) for one in self._venue.markets],
        }

    def _book(self, params: Params, _: None) -> Any:
        market, levels = required(params, "symbol"), whole(params, "limit", 500)
        if self._faults.happens(Fault.RETIRED, market):
            raise ApiError(410, -1000, "This endpoint is no longer available.")
        if levels not in (5, 10, 20, 50, 100, 500, 1000):
            raise ApiError(400, -4021, "Invalid depth limit.")
        last_id, bids, asks = self._venue.book(market, levels)
        sides = {"bids": bids, "asks": asks}
        return {
            "lastUpdateId": bodies.number_of(last_id),
            "E": self._now_ms(),
            "T": self._now_ms(),
            **{
                name: [[bodies.plain(price), bodies.plain(size)] for price, size in side]
                for name, side in sides.items()
            },
        }

    def _volumes(self, params: Params, _: None) -> Any:
        return self._of_each(params, self._volume)

    def _volume(self, market: str) -> dict[str, object]:
        said = self._ticker(market)
        return {name: value for name, value in said.items() if name[:3] not in ("bid", "ask", "pre")}

    def _bests(self, params: Params, _: None) -> Any:
        return self._of_each(
            params,
            lambda market: {
                **self._book_ticker(market),
                "lastUpdateId": bodies.number_of(self._venue.book(market, 1)[0]),
                "time": self._now_ms(),
            },
        )

    def _premiums(self, params: Params, _: None) -> Any:
        return self._of_each(
            params,
            lambda market: bodies.premium(market, self._venue.last_price(market) or Decimal(0), self._now_ms()),
        )


def _depth_weight(params: Params) -> int:
    levels = whole(params, "limit", 500)
    return next((weight for most, weight in _DEPTH_WEIGHTS if levels <= most), _DEPTH_WEIGHTS[-1][1])


def _by_symbol(of_one: int, of_all: int) -> Any:
    return lambda params: of_one if symbols_of(params) else of_all
