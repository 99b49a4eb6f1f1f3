"""What is said over a control socket: a line of JSON in, and one out."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from trioarb.errors import ControlError, shown
from trioarb.model.command import Command
from trioarb.state.funnel_total import FunnelTotal
from trioarb.state.snapshot import Snapshot
from trioarb.state.telemetry import Telemetry

__all__ = [
    "LONGEST_ANSWER",
    "LONGEST_REQUEST",
    "Answer",
    "Denial",
    "Held",
    "Request",
    "RouteEdge",
    "Status",
    "Watched",
    "decode_request",
]

#: So many bytes a line may have, its end included.
LONGEST_REQUEST, LONGEST_ANSWER = 8_192, 4 * 2**20
_LONGEST_WHY, _LONGEST_VALUE = 500, 500


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A command, or without one the question how the campaign stands; with ``watch`` all that it shows of itself.

    ``symbol`` is that of a blacklist; a `SET` has a ``setting``, as ``table.key=value``. ``force``: loosen a limit.
    """

    command: Command | None = None
    why: str = ""
    symbol: str | None = None
    setting: str | None = None
    force: bool = False
    watch: bool = False

    def __post_init__(self) -> None:
        longest = (("why", self.why, _LONGEST_WHY), ("symbol", self.symbol, 200), ("set", self.setting, _LONGEST_VALUE))
        for name, text, most in longest:
            if text is not None and (len(text) > most or not text.isprintable()):
                raise ValueError(f"{name} is no printable text of at most {most} characters: {shown(text)}")


class Denial(msgspec.Struct, frozen=True, kw_only=True):
    """Why entries are denied: by which rule, at a venue, of a symbol, or all of them."""

    rule: str
    reason: str
    venue: str | None = None
    symbol: str | None = None


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """An open position."""

    trade_id: str
    symbol: str
    quantity: Decimal
    long_at: str
    short_at: str
    opened_ns: int
    unrealised_usd: Decimal | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How a campaign stands. ``settings`` are those that were set while it ran. Money is USD."""

    campaign_id: str
    phase: str
    ended_by: str | None
    paused: bool
    flattening: bool
    denials: tuple[Denial, ...]
    blacklisted: tuple[str, ...]
    positions: tuple[Held, ...]
    residuals: int
    pairs_in_flight: int
    open_orders: int
    settings: Mapping[str, str]
    pnl_usd: Decimal


class RouteEdge(msgspec.Struct, frozen=True, array_like=True):
    """What a route would earn now, in bps; ``None``: a quote is missing or old."""

    symbol: str
    buy_venue: str
    sell_venue: str
    edge_bps: float | None


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """All that a campaign shows of itself. Of more symbols than it tells of, those that matter most.

    ``funnel`` is of all symbols.
    """

    snapshot: Snapshot
    telemetry: Telemetry
    edges: tuple[RouteEdge, ...]
    denials: tuple[Denial, ...]
    positions: tuple[Held, ...]
    funnel: FunnelTotal


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a request: ``said`` for people; where it was refused, ``exit_code`` isn't 0."""

    said: str
    exit_code: int = 0
    status: Status | None = None
    watched: Watched | None = None


def decode_request(line: bytes) -> Request:
    """Return what a line asks for.

    Raises:
        ControlError: it is no request.
    """
    try:
        return msgspec.json.decode(line, type=Request)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ControlError(f"this is no request that this version knows: {error}") from None
