"""picows, whose protocol is C: receive and decode. No book, no checks, no decision."""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import Any

from meter import Meter, decoder, options
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect


class Hearing(WSListener):  # type: ignore[misc]
    def __init__(self, decode: Any, meter: Meter) -> None:
        self.decode, self.meter = decode, meter

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            sent_us = self.decode(frame.get_payload_as_memoryview()).data.E
            if self.meter.count(sent_us):
                self.meter.tell()
                os._exit(0)


async def main() -> None:
    asked = options()
    meter, decode = Meter(asked["messages"], asked["a_second"]), decoder(asked["kind"])
    tls = ssl.create_default_context(cafile=asked["ca_file"]) if asked["ca_file"] else None
    url = f"{asked['stream_url']}/stream?streams=all"
    for _ in range(asked["connections"]):
        await ws_connect(lambda: Hearing(decode, meter), url, ssl_context=tls)
    await asyncio.Event().wait()


asyncio.run(main())
