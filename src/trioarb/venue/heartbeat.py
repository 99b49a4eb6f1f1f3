"""What is sent so that a connection stays, and shows that it is there."""

from __future__ import annotations

import attrs

__all__ = ["Heartbeat"]


@attrs.frozen(kw_only=True)
class Heartbeat:
    """What is sent by a connection from time to time. What the venue's pings want answered is answered in any case.

    ``ping_seconds``: how often a ping frame is sent, which must be answered within the same time; `None`: none is sent.
    ``message``: what is sent as a message each ``message_seconds``, for venues that want that.
    """

    ping_seconds: float | None = 20.0
    message: str | bytes | None = None
    message_seconds: float = 20.0
