"""In what Upbit and Bithumb differ."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from trioarb.api import SelfTrade
from trioarb_sim.limits import Limit

__all__ = ["BITHUMB", "KRW_TICKS", "UPBIT", "Dialect"]

#: Price steps in KRW from a price on (Upbit's table of 2025-07-31; below 100 KRW the last digit falls with the price).
KRW_TICKS: tuple[tuple[Decimal, Decimal], ...] = tuple(
    (Decimal(at_least), Decimal(step))
    for at_least, step in (
        ("0", "0.00000001"),
        ("0.0001", "0.0000001"),
        ("0.001", "0.000001"),
        ("0.01", "0.00001"),
        ("0.1", "0.0001"),
        ("1", "0.001"),
        ("10", "0.01"),
        ("100", "1"),
        ("1000", "1"),
        ("5000", "5"),
        ("10000", "10"),
        ("50000", "50"),
        ("100000", "100"),
        ("500000", "500"),
        ("1000000", "1000"),
    )
)


@attrs.frozen(kw_only=True)
class Dialect:
    """``type_field`` and ``id_field`` are what an order's type and its client id are called.

    ``limits`` are by group; ``public_socket`` and ``private_socket`` paths. ``is_timed``: a token says when it was
    made, ``tells_left``: an answer says what is left of a limit. ``ioc_state``: how an order ends that was filled in
    part at once. ``self_trade``: what becomes of an order that meets one of its own account, unless it says so itself.
    """

    name: str
    hosts: tuple[str, ...]
    type_field: str
    id_field: str
    version: str
    public_socket: str
    private_socket: str
    is_timed: bool
    tells_left: bool
    ioc_state: str
    fee: Decimal
    limits: Mapping[str, Limit]
    connects: Limit
    self_trade: SelfTrade | None = None


UPBIT = Dialect(
    name="upbit",
    hosts=("api.upbit.com",),
    type_field="ord_type",
    id_field="identifier",
    version="v1",
    public_socket="/websocket/v1",
    private_socket="/websocket/v1/private",
    is_timed=False,
    tells_left=True,
    ioc_state="cancel",
    fee=Decimal("0.0005"),
    limits={
        "market": Limit(most=10, seconds=1),
        "ticker": Limit(most=10, seconds=1),
        "orderbook": Limit(most=10, seconds=1),
        "crix-trades": Limit(most=10, seconds=1),
        "default": Limit(most=30, seconds=1),
        "order": Limit(most=8, seconds=1),
    },
    connects=Limit(most=5, seconds=1),
)
BITHUMB = Dialect(
    name="bithumb",
    hosts=("api.bithumb.com", "ws-api.bithumb.com"),
    type_field="order_type",
    id_field="client_order_id",
    version="v2",
    public_socket="/websocket/v1",
    private_socket="/websocket/v2/private",
    is_timed=True,
    tells_left=False,
    ioc_state="done",
    fee=Decimal("0.0004"),
    limits={
        "market": Limit(most=150, seconds=1),
        "ticker": Limit(most=150, seconds=1),
        "orderbook": Limit(most=150, seconds=1),
        "crix-trades": Limit(most=150, seconds=1),
        "default": Limit(most=140, seconds=1),
        "order": Limit(most=140, seconds=1),
    },
    connects=Limit(most=10, seconds=1),
    self_trade=SelfTrade.CANCEL_NEW,
)
