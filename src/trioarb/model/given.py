"""What comes from outside, as JSON gives it: text, whole numbers and floats become exact values, or one error."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import TypeVar

import attrs
from msgspec import UnsetType

from trioarb.errors import WireError, shown
from trioarb.model.number import exact_decimal

__all__ = [
    "FACTOR_DIGITS",
    "MOST_AFTER",
    "MOST_BEFORE",
    "MOST_DIGITS",
    "Given",
    "Maybe",
    "MaybeText",
    "Number",
    "decimal_of",
    "is_too_long",
]

T = TypeVar("T")
EnumT = TypeVar("EnumT", bound=Enum)

#: A number as it is given; a float stands for the shortest decimal that reads back as it.
Number = str | int | float | Decimal
#: One that may be absent: ``null`` of JSON, or a field of msgspec's that wasn't there.
Maybe = Number | UnsetType | None
#: A name that may be.
MaybeText = str | int | UnsetType | None

#: Digits that a number may have, before the point, after it, and in all: sums and products of such are exact.
MOST_BEFORE, MOST_AFTER, MOST_DIGITS = 30, 80, 100
#: A price, a size or a fill, which are multiplied with each other.
FACTOR_DIGITS = 40

#: Narrower than what `Decimal` reads: no spaces, no underscores, no digits of other scripts.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_LONGEST_TEXT = 200
_ENDS_NS = 2**63


def is_too_long(number: Decimal, digits: int = MOST_DIGITS, after: int = MOST_AFTER) -> bool:
    """Return whether a finite number has more digits than amounts of money or coins have."""
    _, found, exponent = number.as_tuple()
    return len(found) > digits or int(exponent) < -after or len(found) + int(exponent) > MOST_BEFORE


def decimal_of(
    value: Number,
    what: str,
    *,
    above: Decimal | int | None = None,
    at_least: Decimal | int | None = None,
    digits: int = MOST_DIGITS,
) -> Decimal:
    """Return a number exactly as it was given; a float as the shortest decimal that reads back as it.

    Args:
        value: As JSON gives it: text, an int, a float; or a Decimal.
        what: What the error says that it is.
        above: It has to be above this.
        at_least: It has to be this or more.
        digits: So many it may have in all.

    Raises:
        WireError: It is no finite number, isn't within the bounds, or has more digits than money has.
    """
    expected = "a number"
    if above is not None or at_least is not None:
        expected += f" above {above}" if above is not None else f", {at_least} or more"
    number = _decimal(value)
    if number is None or not number.is_finite():
        raise WireError(f"{what} = {shown(value)}; expected {expected}, as text or as a number")
    after = min(digits, MOST_AFTER)
    if is_too_long(number, digits, after):
        raise WireError(
            f"{what} = {shown(value)}; expected no more than {MOST_BEFORE} digits before the point and {after} after it"
        )
    if (above is not None and number <= above) or (at_least is not None and number < at_least):
        raise WireError(f"{what} = {shown(value)}; expected {expected}")
    return number


def _decimal(value: object) -> Decimal | None:
    match value:
        case bool():
            return None
        case Decimal():
            return value
        case int():
            # A larger one is refused by what it has of digits, whichever they are.
            return Decimal(value) if abs(value) < 10**MOST_DIGITS else Decimal(10) ** MOST_DIGITS
        case float():
            return exact_decimal(float(value)) if isfinite(value) else None
        case str() if len(value) <= _LONGEST_TEXT and _NUMBER.fullmatch(value):
            return Decimal(value)
    return None


@attrs.frozen
class Given:
    """What is given for the fields of a value of class ``of``; each method returns it as a field holds it.

    Raises:
        WireError: it can't be; names class, field and value, and what is allowed.
    """

    of: str

    def amount(self, field: str, value: Number, *, above: int | None = None, at_least: int | None = None) -> Decimal:
        """Return an amount of money or of an asset."""
        return decimal_of(value, f"{self.of}.{field}", above=above, at_least=at_least)

    def factor(self, field: str, value: Number, *, above: int | None = None, at_least: int | None = None) -> Decimal:
        """Return a price, a size, or what else is multiplied."""
        return decimal_of(value, f"{self.of}.{field}", above=above, at_least=at_least, digits=FACTOR_DIGITS)

    def maybe(
        self, field: str, value: Maybe, *, above: int | None = None, at_least: int | None = None
    ) -> Decimal | None:
        """Return a factor that may be absent."""
        if value is None or isinstance(value, UnsetType):
            return None
        return self.factor(field, value, above=above, at_least=at_least)

    def rule(self, field: str, value: Maybe) -> Decimal | None:
        """Return a step or a least size; venues say by 0 as well that there is none."""
        return self.maybe(field, value, at_least=0) or None

    def quoted(self, field: str, value: Number, *, above: int | None = None) -> float:
        """Return a price or a size of market data, not below 0."""
        return float(self.factor(field, value, above=above, at_least=0))

    def name(self, field: str, value: str | int) -> str:
        """Return a name or an id; ids may be whole numbers."""
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise self.error(field, value, "text that isn't empty, or a whole number")
        return str(value)

    def maybe_name(self, field: str, value: MaybeText, otherwise: T) -> str | T:
        """Return a name or an id that may be absent, or empty: ``otherwise`` then."""
        if value is None or isinstance(value, UnsetType) or value == "":
            return otherwise
        return self.name(field, value)

    def time(self, field: str, value: int | str) -> int:
        """Return nanoseconds since 1970. A float has too few digits for them, so none is taken."""
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 19:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _ENDS_NS:
            raise self.error(field, value, "Unix nanoseconds, a whole number")
        return value

    def member(self, field: str, value: EnumT | str, kind: type[EnumT]) -> EnumT:
        """Return a member of an enum, which its value may stand for, in upper or lower case."""
        if isinstance(value, kind):
            return value
        for one in kind:
            if isinstance(value, str) and value.lower() == one.value:
                return one
        raise self.error(field, value, f"{kind.__name__}, one of {', '.join(str(one.value) for one in kind)}")

    def all_of(self, field: str, values: Iterable[T], kind: type[T]) -> tuple[T, ...]:
        """Return values of one kind, whatever they were listed in."""
        found = self.items(field, values)
        for number, one in enumerate(found):
            if not isinstance(one, kind):
                raise self.error(f"{field}[{number}]", one, f"a {kind.__name__}, as {kind.__name__}.of makes it")
        return found

    def items(self, field: str, values: Iterable[T]) -> tuple[T, ...]:
        """Return what is listed."""
        if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
            raise self.error(field, values, "a list")
        return tuple(values)

    def error(self, field: str, value: object, expected: str) -> WireError:
        """Return the error to raise of a value that can't be."""
        return WireError(f"{self.of}.{field} = {shown(value)}; expected {expected}")
