"""What is sent on a WebSocket: one message says all that is wanted, and replaces what was wanted before.

Source: both venues' WebSocket guides.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import Enum

import attrs

__all__ = ["PING", "Channel", "Format", "subscription"]

#: Answered ``{"status":"UP"}``. A connection on which nothing is sent or received for 120 s is closed.
PING = "PING"


class Format(Enum):
    """Long names of fields or short ones; one message a frame, or a list of them."""

    DEFAULT = "DEFAULT"
    SIMPLE = "SIMPLE"
    JSON_LIST = "JSON_LIST"
    SIMPLE_LIST = "SIMPLE_LIST"


@attrs.frozen(kw_only=True)
class Channel:
    """What is wanted of some markets; ``codes`` are left out for all of them, where the channel allows that.

    ``type``: orderbook, trade, ticker, myOrder, myAsset.
    """

    type: str
    codes: tuple[str, ...] = ()
    only_realtime: bool = False
    only_snapshot: bool = False


def subscription(ticket: str, channels: Sequence[Channel], format_: Format = Format.DEFAULT) -> str:
    """Return the message. ``ticket`` names the subscription, a UUID as a rule."""
    parts: list[dict[str, object]] = [{"ticket": ticket}]
    for channel in channels:
        part: dict[str, object] = {"type": channel.type}
        if channel.codes:
            part["codes"] = list(channel.codes)
        if channel.only_realtime:
            part["is_only_realtime"] = True
        if channel.only_snapshot:
            part["is_only_snapshot"] = True
        parts.append(part)
    parts.append({"format": format_.value})
    return json.dumps(parts, separators=(",", ":"))
