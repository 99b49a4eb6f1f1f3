"""What docs/venue-kit.md shows of requests, limits and the venue's time works as it is shown."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import trio
from rest_server import Asked, http, rest_server

import trioarb.venue
from trioarb.venue import Priority, Request, Response

PAGE = (Path(__file__).parents[2] / "docs" / "venue-kit.md").read_text()


def shown(first: str) -> str:
    """Return the code that begins so."""
    (code,) = (code for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if code.startswith(first))
    return str(code)


async def run(code: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run code that awaits, and return all names that it knows then."""
    function = f"async def shown():\n{textwrap.indent(code, '    ')}\n    return locals()"
    known = {**vars(trioarb.venue), "Iterable": Iterable, **names}
    exec(function, known)
    return {**names, **await known["shown"]()}


async def test_requests_within_limits_with_the_venues_time() -> None:
    async def answer(asked: Asked) -> bytes:
        return http(200, b"{}", X_Orders_Left="0")

    names: dict[str, Any] = {"warn": lambda closed: None, "ca_file": None}
    names = await run(shown("def told"), names)
    request = Request(method="GET", path="/time", group="order", is_read=True)
    async with rest_server(answer) as server:
        code = shown("host = Host").replace("https://api.example.com", server.url)
        names = await run(code, {**names, "request": request})
    assert names["response"].status == 200
    # The answer left no room for another.
    assert names["limits"].try_acquire(request, Priority.CANCEL) is None
    assert list(names["told"](Response(status=200))) == []

    async def server_time() -> float:
        return 1_764_374_400_000.0

    async with trio.open_nursery() as nursery:
        rules = trioarb.venue.ClockRules
        wide = {"ClockRules": lambda tolerance_ms: rules(tolerance_ms=tolerance_ms, most_offset_ms=1e15)}
        names = await run(shown("clock = VenueClock"), {"server_time": server_time, "nursery": nursery, **wide})
        assert names["timestamp"] // 1_000 == 1_764_374_400
        nursery.cancel_scope.cancel()
