"""What is measured of a client that others wrote: messages a second, and how long after they were sent.

It is imported by clients in environments of their own, so it needs nothing of this project.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, ClassVar

import msgspec

__all__ = ["Meter", "decoder", "options"]


class Best(msgspec.Struct):
    s: str
    u: int
    b: float
    B: float
    a: float
    A: float
    E: int = 0


class Changes(msgspec.Struct):
    s: str
    E: int
    U: int
    u: int
    b: list[tuple[float, float]]
    a: list[tuple[float, float]]


class BestStreamed(msgspec.Struct):
    stream: str
    data: Best


class ChangesStreamed(msgspec.Struct):
    stream: str
    data: Changes


KINDS: dict[str, Any] = {"best": BestStreamed, "changes": ChangesStreamed}


def options() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sys.argv[1])
    return found


def decoder(kind: str) -> Any:
    """Return what decodes a message as fast as Python can: prices as floats, nothing checked."""
    return msgspec.json.Decoder(KINDS[kind], strict=False).decode


class Meter:
    """Counts messages; of a flood from the first tenth on, of what comes at a pace from the second second on."""

    WARM_UP_SECONDS: ClassVar[float] = 1.0

    def __init__(self, messages: int, a_second: int | None) -> None:
        self.left = messages
        self._is_paced = a_second is not None
        warm_up = messages // 10 if a_second is None else int(a_second * self.WARM_UP_SECONDS)
        self._from = messages - warm_up
        self._counted = self._from
        self._at = self._worked = 0.0
        self._us: list[float] = []

    def count(self, sent_us: int) -> bool:
        """Take a message that was decoded; return whether it was the last."""
        self.left -= 1
        if self.left < self._from:
            if self._is_paced:
                self._us.append(time.monotonic_ns() / 1_000 - sent_us)
        elif self.left == self._from:
            self._at, self._worked = time.perf_counter(), time.process_time()
        return self.left <= 0

    def tell(self) -> None:
        """Print what was measured."""
        took, worked = time.perf_counter() - self._at, time.process_time() - self._worked
        late, count = sorted(self._us), len(self._us)
        quantiles = {str(q): late[min(count - 1, int(q * count))] for q in (0.5, 0.99, 0.999) if count}
        told = {"a_second": self._counted / took, "a_second_of_processor": self._counted / worked, "us": quantiles}
        print(json.dumps(told), flush=True)
