"""What an answer says of when to ask again, without looking at a clock of our own."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from math import isfinite

from trioarb.venue.request import Response

__all__ = ["date_ms", "is_refusal", "retry_after", "seconds_to_reset"]

_REFUSALS = (429, 418)
#: ``Date`` has whole seconds, and the answer took its time.
_DATE_SLACK_SECONDS = 2.0


def is_refusal(response: Response) -> bool:
    """Say whether a venue refused a request for having been asked too often: 429, or 418, by which some ban."""
    return response.status in _REFUSALS


def retry_after(response: Response) -> float | None:
    """Return how many seconds ``Retry-After`` says to wait (RFC 9110, 10.2.3).

    Args:
        response: An answer of the venue. A time in it is held against the answer's own ``Date``.

    Returns:
        ``None`` where it says nothing.
    """
    text = response.headers.get("retry-after", "").strip()
    with suppress(ValueError):
        seconds = float(text)
        return max(0.0, seconds) if isfinite(seconds) else None
    at, date = _time(text), _time(response.headers.get("date", ""))
    return max(0.0, (at - date).total_seconds()) if at is not None and date is not None else None


def date_ms(response: Response) -> float | None:
    """Return the time in ``Date``, in milliseconds since the Unix epoch: the middle of the second that it names.

    Args:
        response: An answer of the venue.

    Returns:
        ``None`` where it has none that can be read.
    """
    date = _time(response.headers.get("date", ""))
    return None if date is None else (date.timestamp() + 0.5) * 1_000.0


def seconds_to_reset(response: Response, seconds: float) -> float | None:
    """Return how long until a window ends that begins at multiples of its length, by ``Date``.

    Args:
        response: An answer of the venue.
        seconds: How long the window is.
    """
    date = _time(response.headers.get("date", ""))
    return None if date is None else seconds - date.timestamp() % seconds + _DATE_SLACK_SECONDS


def _time(text: str) -> datetime | None:
    try:
        time = parsedate_to_datetime(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
