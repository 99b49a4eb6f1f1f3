"""Binance's USDT-margined futures behind one port: REST, and streams at the paths of today and of before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from trioarb_sim.binance.api import Api
from trioarb_sim.binance.app import BinanceApp
from trioarb_sim.binance.streams import MarketStreams
from trioarb_sim.faults import Fault
from trioarb_sim.limits import Limit
from trioarb_sim.server import Socket
from trioarb_sim.usdm.api import UsdmApi
from trioarb_sim.usdm.streams import ContractStreams

__all__ = ["USDM_HOSTS", "USDM_WEIGHT", "UsdmApp"]

#: Under which names clients know it.
USDM_HOSTS = ("fapi.binance.com", "fstream.binance.com")
#: Of an address.
USDM_WEIGHT = Limit(most=2400, seconds=60)
_PATHS = ("/public", "/market")
#: What the fault of retired endpoints is switched on for, if it is meant for these paths alone.
_LEGACY = "legacy"


class UsdmApp(BinanceApp):
    """Paths below ``/public`` and ``/market`` tell the same here; those without either are refused once retired."""

    api_kind: ClassVar[type[Api]] = UsdmApi
    streams_kind: ClassVar[type[MarketStreams]] = ContractStreams

    def find_socket(self, path: str, query: str, peer: str) -> Callable[[Socket], Awaitable[None]] | None:
        for prefix in _PATHS:
            if path.startswith(f"{prefix}/"):
                return self.find_streams(path.removeprefix(prefix), query)
        if self._faults.happens(Fault.RETIRED, _LEGACY):
            return None
        return self.find_streams(path, query)
