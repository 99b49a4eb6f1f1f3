"""aiohttp: receive and decode. No book, no checks, no decision."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiohttp
from meter import Meter, decoder, options


async def hear(session: Any, url: str, tls: Any, decode: Any, meter: Meter, over: asyncio.Event) -> None:
    async with session.ws_connect(url, ssl=tls, decode_text=False, autoclose=False) as socket:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT and meter.count(decode(message.data).data.E):
                over.set()


async def main() -> None:
    asked = options()
    meter, over = Meter(asked["messages"], asked["a_second"]), asyncio.Event()
    tls = ssl.create_default_context(cafile=asked["ca_file"]) if asked["ca_file"] else None
    url = f"{asked['stream_url']}/stream?streams=all"
    async with aiohttp.ClientSession() as session:
        decode = decoder(asked["kind"])
        heard = [asyncio.create_task(hear(session, url, tls, decode, meter, over)) for _ in range(asked["connections"])]
        await over.wait()
        meter.tell()
        for one in heard:
            one.cancel()
        await asyncio.gather(*heard, return_exceptions=True)


asyncio.run(main())
