"""Exact arithmetic on the numbers of events: fractions, and the two roundings that money knows."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

__all__ = ["NONE", "Event", "average", "cut", "number", "optional"]

Event = Mapping[str, Any]

NONE = Fraction(0)
_STEP = 10**15
_AVERAGE = Context(prec=20)


def number(text: Any) -> Fraction:
    """Return a number of an event, which is always text there, exactly."""
    if isinstance(text, float):
        raise TypeError(f"{text!r}: an amount is written as a binary float")
    return Fraction(Decimal(text))


def optional(event: Event, key: str) -> Fraction | None:
    """Return a number that may be absent."""
    return None if event.get(key) is None else number(event[key])


def cut(amount: Fraction, part: Fraction, whole: Fraction) -> Fraction:
    """Return the share of an amount that a part has: all of it of the whole, else to fifteen digits."""
    return amount if part == whole else Fraction(round(amount * part / whole * _STEP), _STEP)


def average(value: Fraction, quantity: Fraction) -> Fraction:
    """Return value ÷ quantity to twenty digits."""
    exact = value / quantity
    return Fraction(_AVERAGE.divide(Decimal(exact.numerator), Decimal(exact.denominator)))
