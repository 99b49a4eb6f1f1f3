"""What is sent so that a connection stays, and shows that it is there."""

from __future__ import annotations

import attrs

__all__ = ["Heartbeat"]


@attrs.frozen(kw_only=True)
class Heartbeat:
    """What is sent by a connection from time to time. What the venue's pings want answered is answered in any case.

    Attributes:
        ping_seconds: How often a ping frame is sent, which must be answered within the same time; ``None``: none is
            sent.
        message: What is sent as a message, for venues that want that.
        message_seconds: How often.
    """

    ping_seconds: float | None = 20.0
    message: str | bytes | None = None
    message_seconds: float = 20.0
