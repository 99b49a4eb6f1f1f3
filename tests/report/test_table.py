from __future__ import annotations

import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from judged import Told
from rich.cells import cell_len
from rich.console import Console

from trioarb.config.schema import Mode
from trioarb.model.event import CampaignEnded, Record
from trioarb.model.trade import EndedBy
from trioarb.report.columns import Column, fitted_table
from trioarb.report.figures import duration, signed_usd, usd
from trioarb.report.table import print_summary

WIDTHS = [60, 80, 100, 140, 200]


def printed(report: Any, width: int) -> list[str]:
    out = io.StringIO()
    print_summary(Console(file=out, width=width), report)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_longer_than_the_console_is_wide(ran: Any, width: int) -> None:
    assert max(cell_len(line) for line in printed(ran.report, width)) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_it_holds_the_key_numbers(ran: Any, width: int) -> None:
    campaign = ran.campaign
    lines = printed(ran.report, width)
    text = "\n".join(lines)

    (total,) = (line.split() for line in lines if line.startswith("total"))
    assert signed_usd(campaign.state.statistics.pnl_usd).plain in total
    assert str(len(ran.of_type("position_opened"))) in total
    assert usd(campaign.state.statistics.fees_usd) in text
    assert "ended by iterations" in " ".join(text.split())
    for needed in (
        "win rate (%)",
        "unrealised (USD)",
        "ALLOW",
        "DENY",
        "STOP",
        "symbol.cooldown",
        "p50",
        "p99",
        "(µs)",
    ):
        assert needed in text
    assert "\x1b" not in text
    for symbol in campaign.symbols:
        assert sum(line.startswith(f"{symbol} ") for line in lines) == 1


def test_a_wide_console_shows_the_whole_funnel(ran: Any) -> None:
    text = "\n".join(printed(ran.report, 200))
    for header in ("seen", "refused", "conflated", "evaluated", "fresh", "threshold", "sized", "allowed", "sent"):
        assert header in text


def test_it_begins_with_the_verdict_and_what_would_change_it(ran: Any) -> None:
    text = " ".join(" ".join(printed(ran.report, 100)).split())
    assert text.startswith("PROVES NOTHING, for ")
    assert text.index("SHORT: It ran for") < text.index("Campaign ")
    assert "What would change it: session.max_runtime_seconds" in text


def test_a_profit_on_paper_is_said_to_be_one_of_a_simulation() -> None:
    assert printed(Told(mode=Mode.PAPER).report(), 100)[1] == "PROFIT SHOWN, in a simulation"
    assert printed(Told().report(), 100)[1] == "PROFIT SHOWN"


def test_exit_reasons_are_counted(ran: Any) -> None:
    text = "\n".join(printed(ran.report, 140))
    for trade in ran.campaign.state.statistics.recent:
        assert trade.closed.reason.value in text


@pytest.mark.parametrize("width", WIDTHS)
def test_without_a_trade_it_says_why(run: Callable[..., Any], width: int) -> None:
    lines = printed(run("strategy.entry_bps=500").report, width)
    text = " ".join(" ".join(lines).split())

    assert "No trade: " in text
    assert "strategy.entry_bps = 500" in text
    assert "win rate" not in text
    assert max(map(cell_len, lines)) <= width


def test_with_a_trade_it_does_not(ran: Any) -> None:
    assert "No trade" not in "\n".join(printed(ran.report, 80))


def test_problems_and_residuals_stand_out(run: Callable[..., Any]) -> None:
    ran = run("session.max_iterations=3")
    ended = CampaignEnded(ended_by=EndedBy.ERROR, problems=("BTCUSDT: 0.1 could not be closed in time",))
    ran.campaign.state.apply(Record(len(ran.events) + 1, ran.campaign.ended_ns, ended))
    ran.campaign.error = "market data of a: it ended"
    out = io.StringIO()
    print_summary(Console(file=out, width=80, force_terminal=True, color_system="standard"), ran.report)

    assert "\x1b[1;31mProblem:" in out.getvalue()
    assert "\x1b[1;31mError:" in out.getvalue()
    assert "exit code \x1b[1;31m1" in out.getvalue()


def test_many_symbols_are_cut_to_the_busiest(ran: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trioarb.report.table._MOST_SYMBOLS", 3)
    lines = printed(ran.report, 140)

    traded = {trade.closed.symbol for trade in ran.campaign.state.statistics.recent}
    shown = [symbol for symbol in ran.campaign.symbols if any(line.startswith(f"{symbol} ") for line in lines)]
    assert len(shown) == 3
    assert len(traded & set(shown)) == min(3, len(traded))
    assert any("and 7 less active symbols" in line for line in lines)
    (total,) = (line for line in lines if line.startswith("total"))
    assert signed_usd(ran.campaign.state.statistics.pnl_usd).plain in total


def test_columns_give_way_by_rank_and_never_wrap() -> None:
    columns = [
        Column(header="symbol", cells=["BTCUSDT"], left=True),
        Column(header="rare", cells=["1"], rank=2),
        Column(header="often\nshown", cells=["1,234,567"], rank=1),
    ]

    def shown(width: int) -> list[str]:
        out = io.StringIO()
        Console(file=out, width=width).print(fitted_table(columns, width))
        return out.getvalue().splitlines()

    assert "rare" in shown(30)[1]
    assert "rare" not in shown(20)[1]
    assert "often" in shown(20)[0]
    assert "1,234,567" in shown(18)[-1]
    assert "1,234,567" not in shown(17)[-1]
    assert shown(5)[-1] == "BTCU…"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0.00 s"), (24.86, "24.86 s"), (59.999, "60.00 s"), (120, "2:00 min"), (11525, "3:12:05"), (-1, "0.00 s")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_a_loss_too_small_to_show_has_no_sign() -> None:
    assert signed_usd(Decimal("-0.00001")).plain == "0.0000"
    assert signed_usd(Decimal("-0.0001")).plain == "-0.0001"
