"""When to ask again, by what an answer says."""

from __future__ import annotations

import pytest

from trioarb.venue import Response, retry_after, seconds_to_reset

DATE = "Sat, 28 Nov 2026 23:59:50 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "12"}, 12),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
        ({"retry-after": "Sun, 29 Nov 2026 00:01:00 GMT", "date": DATE}, 70),
        ({"retry-after": "Sat, 28 Nov 2026 23:00:00 GMT", "date": DATE}, 0),
        ({"retry-after": "Sun, 29 Nov 2026 00:01:00 GMT"}, None),
        ({"retry-after": "Sun, 29 Nov 2026 00:01:00 GMT", "date": "today"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(Response(status=429, headers=headers)) == seconds


@pytest.mark.parametrize(("window", "seconds"), [(60, 12), (10, 12), (86_400, 12), (3600, 12)])
def test_when_a_count_begins_anew(window: float, seconds: float) -> None:
    assert seconds_to_reset(Response(status=200, headers={"date": DATE}), window) == seconds


def test_without_a_date_it_is_not_known() -> None:
    assert seconds_to_reset(Response(status=200), 60) is None
