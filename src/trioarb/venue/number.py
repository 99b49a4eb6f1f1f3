"""Numbers of a venue's messages: decoders take ``nan`` and ``inf`` for numbers, and these are none."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite

from trioarb.errors import WireError

__all__ = ["finite", "finite_float"]


def finite(value: Decimal, what: str) -> Decimal:
    """Return a number that was decoded.

    Raises:
        WireError: it isn't finite; ``what`` it is.
    """
    if not value.is_finite():
        raise WireError(f"{what} is {value}; expected a number")
    return value


def finite_float(value: str | float, what: str) -> float:
    """Return a price or size of market data as the engine's, from its text or a number.

    Raises:
        WireError: it is no finite number; ``what`` it is.
    """
    try:
        number = float(value)
    except ValueError:
        raise WireError(f"{what} is {value!r:.80}; expected a number") from None
    if not isfinite(number):
        raise WireError(f"{what} is {number}; expected a number")
    return number
