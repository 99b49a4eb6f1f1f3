"""Figures as people read them. The exact ones are in the summary for programs."""

from __future__ import annotations

from decimal import Context, Decimal

from rich.text import Text

__all__ = ["bps", "count", "duration", "number_of", "signed_usd", "usd", "worth"]

_SHOWN = Decimal("0.0001")
#: Whatever context a report is made in: some don't let anything be rounded.
_ROUNDING = Context(prec=60)


def count(number: int) -> str:
    """Return the number, or a dash for none: zeros hide what is there."""
    return f"{number:,}" if number else "-"


def number_of(number: int) -> str:
    return f"{number:,}"


def bps(edge: float | None) -> str:
    return "" if edge is None else f"{edge:,.2f}"


def usd(amount: Decimal) -> str:
    return f"{_rounded(amount):,f}"


def signed_usd(amount: Decimal) -> Text:
    """Return the amount with its sign; a gain is green, a loss is red."""
    rounded = _rounded(amount)
    if not rounded:
        return Text(f"{abs(rounded):,f}")
    return Text(f"{rounded:+,f}", style="green" if rounded > 0 else "red")


def worth(amount: Decimal | None) -> Text:
    """Return what something would bring, as `signed_usd`; without a mark nobody knows."""
    return Text("unknown") if amount is None else signed_usd(amount)


def duration(seconds: float) -> str:
    """Return ``24.86 s``, ``12:05`` (minutes) or ``3:12:05`` (hours)."""
    if seconds < 60:
        return f"{max(seconds, 0):.2f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d} min"


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(_SHOWN, context=_ROUNDING) if amount.adjusted() < 20 else amount
