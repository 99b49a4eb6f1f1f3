"""cryptofeed: its own connections, JSON, decimals and books of C. A callback with each quote or book; no decision."""

from __future__ import annotations

import logging
import os
from typing import Any

from meter import Meter, options

asked = options()
if asked["ca_file"]:
    os.environ |= {"SSL_CERT_FILE": asked["ca_file"], "REQUESTS_CA_BUNDLE": asked["ca_file"]}

from cryptofeed import FeedHandler  # noqa: E402
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint  # noqa: E402
from cryptofeed.defines import L2_BOOK, TICKER  # noqa: E402
from cryptofeed.exchanges import Binance  # noqa: E402

meter = Meter(asked["messages"], asked["a_second"])
ROUTES = Routes("/api/v3/exchangeInfo", l2book="/api/v3/depth?symbol={}&limit={}")


class Here(Binance):  # type: ignore[misc]
    websocket_endpoints = (WebsocketEndpoint(asked["stream_url"]),)
    rest_endpoints = (RestEndpoint(asked["rest_url"], routes=ROUTES),)


async def take(told: Any, received_at: float) -> None:
    sent = told.raw["E"] if asked["kind"] == "best" and asked["a_second"] else 0
    if asked["kind"] == "changes" and told.delta is None:
        return  # the snapshot
    if meter.count(sent):
        meter.tell()
        os._exit(0)


logging.disable(logging.INFO)
handler = FeedHandler(config={"log": {"disabled": True}, "uvloop": False})
channel = TICKER if asked["kind"] == "best" else L2_BOOK
symbols = [f"{name.removesuffix('USDT')}-USDT" for name in asked["names"]]
for _ in range(asked["connections"]):
    handler.add_feed(Here(symbols=symbols, channels=[channel], callbacks={channel: take}))
handler.run()
