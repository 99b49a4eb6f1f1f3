"""The border between market data (float64) and money (Decimal), and exact arithmetic."""

from __future__ import annotations

from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)

__all__ = ["BPS", "EXACT", "ZERO", "ceil_to", "exact_decimal", "floor_to", "per_unit", "share", "text"]

#: Nothing, as money has it.
ZERO = Decimal(0)
#: So many basis points are all of something.
BPS = Decimal(10_000)

#: Sums and products of money. An operation that would have to round raises instead.
EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])

#: Quotients can't be exact; they are cut here, and whoever divides keeps the remainder.
_QUOTIENT = Context(prec=60, traps=[InvalidOperation, DivisionByZero, Overflow])
_AVERAGE = Context(prec=20, traps=[InvalidOperation, DivisionByZero, Overflow])
_SHARE_STEP = Decimal("1e-15")


def exact_decimal(value: float) -> Decimal:
    """Return the shortest decimal that reads back as the same float.

    Args:
        value: A finite float.
    """
    return Decimal(repr(value))


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of ``step`` that is not above ``value``.

    Args:
        value: Any finite decimal.
        step: Above 0.
    """
    return EXACT.multiply((value / step).to_integral_value(ROUND_FLOOR), step)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Return the smallest multiple of ``step`` that is not below ``value``.

    Args:
        value: Any finite decimal.
        step: Above 0.
    """
    return EXACT.multiply((value / step).to_integral_value(ROUND_CEILING), step)


def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return ``amount × part ÷ whole``; all of it, to the last digit, when ``part`` is ``whole``."""
    if part == whole:
        return amount
    product = EXACT.multiply(amount, part)
    return _QUOTIENT.divide(product, whole).quantize(_SHARE_STEP, context=_QUOTIENT)


def per_unit(amount: Decimal, quantity: Decimal) -> Decimal:
    """Return the average price ``amount ÷ quantity``, to 20 digits. For reports and limits; money is not averaged.

    Args:
        amount: In quote asset.
        quantity: In base asset, not 0.
    """
    return _AVERAGE.divide(amount, quantity)


def text(value: Decimal) -> str:
    """Return the decimal in plain digits: no exponent, no trailing zeros, never ``-0``.

    Args:
        value: Any finite decimal.

    Raises:
        TypeError: It is no decimal.
    """
    digits = _digits(value)
    if digits[-1] != "0" and "E" not in digits:
        return digits
    if not value:
        return "0"
    digits = format(value, "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


_digits = Decimal.__str__
