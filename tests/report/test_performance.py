"""Figures of a run: amounts in a row in bounded memory, drawdowns and how long they lasted, and intervals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged import Told, drawn

from trioarb.report.interval import sum_interval, wilson
from trioarb.report.performance import performance
from trioarb.report.summary import summarise
from trioarb.state.drawdown import Drawdown
from trioarb.state.series import Series

AMOUNTS = st.lists(st.decimals(min_value=-1_000, max_value=1_000, places=4), max_size=200)


@given(AMOUNTS, st.data())
def test_a_series_keeps_little_and_loses_nothing(amounts: list[Decimal], data: Any) -> None:
    series = Series(8)
    for amount in amounts:
        series.add(amount)
    if amounts:
        at = data.draw(st.integers(-1, len(amounts) - 1))
        series.amend(at, Decimal("0.5"))
        amounts[at] += Decimal("0.5")

    assert series.count == len(amounts)
    assert series.total == sum(amounts, Decimal(0)) == sum(series.sums, Decimal(0))
    assert len(series.sums) <= 8
    for place, one in enumerate(series.sums):
        assert one == sum(amounts[place * series.each : (place + 1) * series.each], Decimal(0))


@pytest.mark.parametrize(
    ("figures", "most", "longest"),
    [
        ([0, 1, 2, 3], 0, 0),
        ([0, 5, 3, 4, 5, 6], 2, 3),  # from its highest until that is reached again
        ([0, 5, 4, 6, 1, 2, 3, 4], 5, 4),  # still below
        ([-1, -2, 0], 2, 2),
    ],
)
def test_a_drawdown_lasts_until_the_highest_is_reached_again(figures: list[int], most: int, longest: int) -> None:
    drawdown = Drawdown(Decimal(0))
    for at, figure in enumerate(figures):
        drawdown.take(Decimal(figure), at)
    assert (drawdown.most, drawdown.longest_ns) == (most, longest)


def test_wilson_knows_more_of_more() -> None:
    half = wilson(50, 100)
    assert half is not None
    assert (round(half.low, 3), round(half.high, 3)) == (Decimal("0.404"), Decimal("0.596"))
    none = wilson(0, 10)
    assert none is not None
    assert (abs(round(none.low, 3)), round(none.high, 3)) == (0, Decimal("0.278"))
    assert wilson(0, 0) is None


def test_an_interval_is_the_same_each_time_and_narrower_where_amounts_scatter_less() -> None:
    wide, narrow = (sum_interval(drawn(1, 100, 1, spread)) for spread in (2.0, 0.2))
    assert wide is not None
    assert narrow is not None
    assert wide == sum_interval(list(drawn(1, 100, 1, 2.0)))
    assert 0 < narrow.width < wide.width / 5
    assert sum_interval([Decimal(1)]) is None


def test_losses_that_come_together_make_it_wider() -> None:
    """Trades that follow each other share their luck: as many losses are less sure if they come in a row."""
    apart = [Decimal(-5) if n % 5 == 0 else Decimal(2) for n in range(200)]
    together = sorted(apart)
    mixed, rows = sum_interval(apart), sum_interval(together)
    assert mixed is not None
    assert rows is not None
    assert rows.width > 2 * mixed.width


def test_wins_and_losses_of_a_run() -> None:
    pnls = [Decimal(3), Decimal(-1), Decimal(1), Decimal(-1), Decimal(0)] * 8
    figures = performance(Told(pnls=pnls, symbols=("BTCUSDT",)).report())
    assert figures is not None
    assert (figures["trades"], figures["won"], figures["lost"]) == (40, 16, 16)
    assert (figures["average_win_usd"], figures["average_loss_usd"]) == ("2", "-1")
    assert figures["profit_factor"] == "2"
    # 40 trades of about 100 USD, bought and sold, at 100 and at what they earned more, with both fees.
    assert Decimal(figures["turnover_usd"]) == 40 * (100 + 100 + Decimal("0.04")) + sum(pnls)
    routes = figures["routes"]["BTCUSDT"]
    assert sum(one["trades"] for one in routes.values()) == 40
    assert sum(Decimal(one["pnl_usd"]) for one in routes.values()) == sum(pnls)
    assert all(Decimal(one["pnl_low_usd"]) < Decimal(one["pnl_high_usd"]) for one in routes.values())


def test_a_run_that_lost_nothing_has_no_profit_factor() -> None:
    figures = performance(Told(pnls=[Decimal(1)] * 40).report())
    assert figures is not None
    assert "profit_factor" not in figures
    assert "average_loss_usd" not in figures


def test_a_run_that_traded_nothing_has_shares_of_what_there_was() -> None:
    summary = summarise(Told(pnls=(), funnel={"over_threshold": 0, "sized": 0, "refused": 100}).report())
    assert "performance" not in summary
    assert summary["error_rates"]["quotes_refused"] == "0.01"
    assert "orders_rejected" not in summary["error_rates"]
