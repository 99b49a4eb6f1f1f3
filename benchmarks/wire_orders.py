"""From the wire to an order on the wire, measured: a campaign whose orders are sent, in a process that `wire` runs.

Now and then one venue bids more than the other asks. From when that was given to the sender's socket it is read,
decoded, decided upon, recorded in a journal on disk, made an order of Binance's, signed, sent within the limits, and
given to a socket of Trio's here, which is the end; over TLS, encrypted. The sender takes it with an empty answer, and
what is filled is a paper venue's affair. Of each entry its first order counts.

``way``: ``line``, the kit's connections for orders; ``session``, its WebSocket session, as orders go to Binance;
``httpx``, its client on a connection that is kept, without limits.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec
import trio
import wire_campaign
from figures import quantile

from trioarb.api import (
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    ExchangeWrapper,
    NoSettings,
    Order,
    OrderReport,
    Record,
    event,
)
from trioarb.cli.journal import keep_anew
from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.model.trade import PairKind
from trioarb.plugin.registry import load_plugins
from trioarb.testing.plugins import plugin_of
from trioarb.venue import (
    Calls,
    Credentials,
    Endpoint,
    Heartbeat,
    Host,
    Limit,
    LimitRules,
    Limits,
    Priority,
    WebSocketSession,
    open_rest,
    tls_context,
)
from trioarb_binance.wire import frames, spot
from trioarb_binance.wire.client_ids import CLIENT_IDS
from trioarb_binance.wire.signer import Signer, Stamp, signer_of

WARM_UP_ORDERS = 20
RULES = LimitRules(
    buckets={"weight": [Limit(count=10_000_000, seconds=60)], "orders": [Limit(count=5_000_000, seconds=10)]},
    costs=lambda request: {"weight": request.weight, "orders": 1},
)

Send = Callable[[Order], Awaitable[None]]


class Wire:
    """Notes when one of Trio's sockets is given an order: in µs, by its client id, which its task has in `current`."""

    current: ContextVar[str] = ContextVar("current", default="")

    def __init__(self) -> None:
        self.at_us: dict[str, float] = {}
        send_all = trio.SocketStream.send_all

        async def noted(stream: trio.SocketStream, data: bytes) -> None:
            if current := self.current.get():
                self.at_us.setdefault(current, time.monotonic_ns() / 1_000)
            await send_all(stream, data)

        trio.SocketStream.send_all = noted  # type: ignore[method-assign,assignment]


class Sent(ExchangeWrapper):
    """Sends each order before the simulated venue has it; notes how long the first one of an entry was under way."""

    def __init__(self, inner: Exchange, send: Send, wire: Wire, asked: dict[str, int], late_us: list[float]) -> None:
        super().__init__(inner)
        self._send, self._wire, self._asked, self._late_us = send, wire, asked, late_us

    async def place(self, order: Order) -> OrderReport:
        sent_us = self._asked.pop(order.symbol, None)
        self._wire.current.set(order.client_order_id)
        await self._send(order)
        self._wire.current.set("")
        # None: what was sent together with another order counts by that one alone.
        at_us = self._wire.at_us.pop(order.client_order_id, None)
        if sent_us is not None and at_us is not None:
            self._late_us.append(at_us - sent_us)
        return await self.inner.place(order)


def request_of(order: Order, signer: Signer) -> Any:
    stamp = Stamp(signer=signer, now_ms=time.time_ns() // 1_000_000)
    client_id = CLIENT_IDS.encode(order.client_order_id)
    return spot.new_order(order, native_id=order.symbol, client_id=client_id, stamp=stamp)


async def by_line(stack: AsyncExitStack, options: dict[str, Any], signer: Signer) -> Send:
    host = Host(url=options["rest_url"], tls=tls_context(Path(options["ca_file"])) if options["ca_file"] else None)
    limits = Limits("wire", RULES)
    rest = await stack.enter_async_context(open_rest("wire", host, limits=limits, can_trade=True))

    async def send(order: Order) -> None:
        await rest.send(request_of(order, signer), Priority.ENTRY, patience=0.0)

    return send


async def by_httpx(stack: AsyncExitStack, options: dict[str, Any], signer: Signer) -> Send:
    verify: Any = tls_context(Path(options["ca_file"])) if options["ca_file"] else False
    client = httpx.AsyncClient(verify=verify, base_url=options["rest_url"], trust_env=False)
    await stack.enter_async_context(client)

    async def send(order: Order) -> None:
        request = request_of(order, signer)
        await client.request(request.method, request.target, headers=dict(request.headers))

    return send


async def by_session(stack: AsyncExitStack, options: dict[str, Any], signer: Signer) -> Send:
    numbers, decode = count(1), msgspec.json.Decoder(dict[str, Any]).decode
    limits = Limits("wire", RULES)

    def on_message(message: bytes, received_ns: int) -> None:
        calls.answer(decode(message)["id"], message)

    tls = tls_context(Path(options["ca_file"])) if options["ca_file"] else None
    session = WebSocketSession(
        endpoint=Endpoint(url=f"{options['stream_url']}/ws-api/v3", tls=tls),
        subscribe=lambda keys: [],
        on_message=on_message,
        on_connected=lambda: None,
        on_disconnected=print,
        now_ns=time.time_ns,
        heartbeat=Heartbeat(ping_seconds=None),
        can_trade=True,
    )
    calls = Calls[bytes](session.send)
    nursery = await stack.enter_async_context(trio.open_nursery())
    stack.callback(nursery.cancel_scope.cancel)
    await nursery.start(session.run)

    async def send(order: Order) -> None:
        client_id = CLIENT_IDS.encode(order.client_order_id)
        stamp = Stamp(signer=signer, now_ms=time.time_ns() // 1_000_000)
        frame = frames.place_order(next(numbers), order, native_id=order.symbol, client_id=client_id, stamp=stamp)
        with await limits.acquire({"weight": 1, "orders": 1}, Priority.ENTRY, patience=0.0):
            await calls.call(frame.id, frame.text, patience=1.0)

    return send


WAYS = {"line": by_line, "session": by_session, "httpx": by_httpx}


def sending(options: dict[str, Any], wire: Wire, asked: dict[str, int], late_us: list[float]) -> ExchangeSpec:
    @asynccontextmanager
    async def open_exchange(settings: NoSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        assert context.inner is not None
        signer = signer_of(Credentials(api_key="k" * 64, secret="s" * 64))
        async with AsyncExitStack() as stack:
            send = await WAYS[options["way"]](stack, options, signer)
            yield Sent(context.inner, send, wire, asked, late_us)

    return ExchangeSpec(name="sending", doc="sends orders on", open=open_exchange, wraps=True)


def table(options: dict[str, Any]) -> dict[str, Any]:
    made = wire_campaign.table(options, depth=1, is_stamped=True)
    for venue, market in ((name, one.pop("market")) for name, one in made["exchanges"].items()):
        paper = {"plugin": "paper", **made["exchanges"][venue], "balances": {"USDT": "100000000"}, "latency_ms": 0}
        made["exchanges"][venue] = {"plugin": "sending", "wraps": paper, "market": market}
    made["guards"] |= {
        "global": {"max_total_exposure_usd": 10_000_000, "max_daily_loss_usd": 10_000_000},
        "portfolio": {"total_capital_usd": 10_000_000},
        "symbol": {"cooldown_seconds": 0},
    }
    return made


def run(options: dict[str, Any]) -> dict[str, Any]:
    wire, asked, late_us = Wire(), dict[str, int](), list[float]()

    deciding = list[int]()

    def note(sent_us: int, is_decided: bool) -> None:
        deciding[:] = [] if is_decided else [sent_us]

    def observe(record: Record) -> None:
        what = record.event
        if isinstance(what, event.PairOpened) and what.kind is PairKind.ENTRY:
            (asked[what.symbol],) = deciding

    plugin = plugin_of(wire_campaign.stamping(note), sending(options, wire, asked, late_us))
    plugins = load_plugins({"wire": plugin})
    loaded = load_table(table(options), plugins)
    needed = options["orders"] + WARM_UP_ORDERS

    async def watch(campaign: Campaign) -> None:
        await wire_campaign.until(lambda: len(late_us) >= needed)

    with TemporaryDirectory() as folder:
        keeping = keep_anew(Path(folder) / "wire.journal", loaded)
        trio.run(partial(wire_campaign.run_until, loaded, plugins, watch, keeping=keeping, observers=[observe]))
    measured = late_us[WARM_UP_ORDERS:needed]
    return {"count": len(measured), "us": {str(q): quantile(measured, q) for q in (0.5, 0.99, 0.999)}}


if __name__ == "__main__":
    wire_campaign.told(run)
