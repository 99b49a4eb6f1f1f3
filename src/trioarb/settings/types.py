"""Named types of settings. The constraint lives in the type: an error can name the key and say what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import attrs

__all__ = [
    "Amount",
    "Bound",
    "Bps",
    "Count",
    "Depth",
    "FeeBps",
    "Fraction",
    "Loosens",
    "Hour",
    "IntervalHours",
    "Leverage",
    "MarginBps",
    "Milliseconds",
    "Money",
    "NonNegativeBps",
    "Port",
    "PositiveBps",
    "PositiveCount",
    "PositiveDecimal",
    "PositiveMilliseconds",
    "PositiveMinutes",
    "PositiveMoney",
    "PositiveSeconds",
    "Probability",
    "Seconds",
    "Share",
    "describe_type",
    "setting",
]


@attrs.frozen
class Bound:
    """What a number may be, and its unit (for documentation and errors)."""

    unit: str = ""
    at_least: Decimal | None = None
    above: Decimal | None = None
    at_most: Decimal | None = None

    def allows(self, value: Decimal | int) -> bool:
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
        )

    @property
    def range(self) -> str:
        limits = [
            f"{sign} {limit:,f}".replace(",", "_")
            for sign, limit in ((">", self.above), ("≥", self.at_least), ("≤", self.at_most))
            if limit is not None
        ]
        return " and ".join(limits)


_ZERO, _ONE = Decimal(0), Decimal(1)

Bps = Annotated[Decimal, Bound("bps")]
PositiveBps = Annotated[Decimal, Bound("bps", above=_ZERO)]
FeeBps = Annotated[Decimal, Bound("bps", at_least=Decimal(-100), at_most=Decimal(1000))]
NonNegativeBps = Annotated[Decimal, Bound("bps", at_least=_ZERO)]
Money = Annotated[Decimal, Bound("USD", at_least=_ZERO)]
PositiveMoney = Annotated[Decimal, Bound("USD", above=_ZERO)]
Amount = Annotated[Decimal, Bound("", at_least=_ZERO)]
Leverage = Annotated[Decimal, Bound("", at_least=_ONE, at_most=Decimal(125))]
MarginBps = Annotated[Decimal, Bound("bps", at_least=_ZERO, at_most=Decimal(5_000))]
IntervalHours = Annotated[Decimal, Bound("h", at_least=Decimal("0.01"), at_most=Decimal(24))]
PositiveDecimal = Annotated[Decimal, Bound("", above=_ZERO)]
Fraction = Annotated[Decimal, Bound("", above=_ZERO, at_most=_ONE)]
Share = Annotated[Decimal, Bound("", at_least=_ZERO, at_most=_ONE)]
Probability = Annotated[Decimal, Bound("", at_least=_ZERO, at_most=_ONE)]
Seconds = Annotated[Decimal, Bound("s", at_least=_ZERO, at_most=Decimal(10) ** 9)]
PositiveSeconds = Annotated[Decimal, Bound("s", above=_ZERO, at_most=Decimal(10) ** 9)]
Milliseconds = Annotated[Decimal, Bound("ms", at_least=_ZERO, at_most=Decimal(10) ** 12)]
PositiveMilliseconds = Annotated[Decimal, Bound("ms", above=_ZERO, at_most=Decimal(10) ** 12)]
PositiveMinutes = Annotated[Decimal, Bound("min", above=_ZERO, at_most=Decimal(10) ** 7)]
Count = Annotated[int, Bound("", at_least=_ZERO)]
PositiveCount = Annotated[int, Bound("", at_least=_ONE)]
#: A TCP port; 0 is any that is free.
Port = Annotated[int, Bound("", at_least=_ZERO, at_most=Decimal(65_535))]
#: Price levels a side, the best one included.
Depth = Annotated[int, Bound("", at_least=_ONE, at_most=Decimal(100))]
Hour = Annotated[int, Bound("h", at_least=_ZERO, at_most=Decimal(24))]


_PLAIN_WORDS = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    Decimal: "number",
    Path: "path",
    Any: "anything",
}


class Loosens(Enum):
    """Which values of a key allow more than another one, where it is read anew while a campaign runs."""

    MORE = "more"
    LESS = "less"
    MORE_OR_NONE = "more or none"
    """As `MORE`; and without a value there is no limit."""
    NOTHING = "nothing"
    """It is no limit."""


def setting(
    default: Any = attrs.NOTHING,
    *,
    doc: str,
    factory: Any = None,
    secret: bool = False,
    concerns: str = "",
    names: Literal["", "symbols", "assets"] = "",
    loosens: Loosens | None = None,
) -> Any:
    """Declare one key of a settings class.

    Args:
        default: What it is where the key is absent; without one, the key is required.
        doc: A line of documentation.
        factory: What makes the default, where that may not be shared.
        secret: It is neither shown, nor kept with a journal, nor part of the configuration's digest.
        concerns: What the key changes, in the words of docs/plugins.md, or the guard rule whose limit comes from it:
            reports name the key where that matters.
        names: What the keys of a table are names of: one that nobody lists is an error.
        loosens: Which values allow more; the key may be set while a campaign runs, by the plugin's ``retune``.

    Returns:
        A field of an attrs class.
    """
    metadata = {"doc": doc, "concerns": concerns, "names": names, "loosens": loosens}
    if factory is not None:
        return attrs.field(factory=factory, metadata=metadata, repr=not secret)
    return attrs.field(default=default, metadata=metadata, repr=not secret)


def describe_type(annotation: Any) -> str:
    """Return a settings type in the words of the documentation, such as ``number, bps, > 0``."""
    origin = get_origin(annotation)
    if origin is Annotated:
        base, bound = get_args(annotation)[0], annotation.__metadata__[0]
        words = ["whole number" if base is int else "number", bound.unit, bound.range]
        return ", ".join(word for word in words if word)
    if origin in (Union, UnionType):
        return " or ".join(describe_type(arg) for arg in get_args(annotation) if arg is not NoneType)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f'"{member.value}"' for member in annotation)
    if origin is tuple:
        return f"list of {describe_type(get_args(annotation)[0])}"
    if origin in (dict, Mapping):
        key, value = get_args(annotation)
        if value is Any or get_origin(value) in (dict, Mapping):
            return "table"
        return f"table of {describe_type(key)} = {describe_type(value)}"
    if attrs.has(annotation):
        return "table"
    return _PLAIN_WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))
