"""What came to a simulated venue and what it answered: figures for whoever looks on."""

from __future__ import annotations

import attrs

__all__ = ["Traffic"]


@attrs.define
class Traffic:
    """Counts since the start.

    ``connects`` are WebSockets that were asked for, ``heard`` and ``told`` the messages on them in each direction.
    ``statuses``: answers to requests, and to WebSockets that were refused, by status.
    """

    requests: int = 0
    connects: int = 0
    heard: int = 0
    told: int = 0
    statuses: dict[int, int] = attrs.field(factory=dict)

    def answered(self, status: int) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1

    @property
    def refused(self) -> int:
        """How often it said that it was asked too often."""
        return self.statuses.get(429, 0) + self.statuses.get(418, 0)
