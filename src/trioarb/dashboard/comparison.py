"""Two campaigns beside each other: figures, settings that differ, and how each went from its beginning."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from trioarb.config.stored import differences
from trioarb.dashboard.message import Compared, Comparison, Series
from trioarb.dashboard.view import Viewed
from trioarb.model.number import text
from trioarb.report.trades import win_rate

__all__ = ["compare"]

_MOST_SETTINGS = 200


def compare(a: Viewed, b: Viewed) -> Comparison:
    """Return both, as far as their journals were read."""
    figures_a, figures_b = dict(_figures(a)), dict(_figures(b))
    return Comparison(
        a=a.row(),
        b=b.row(),
        figures=tuple(
            Compared(what=what, unit=unit, a=value, b=figures_b.get((what, unit), ""))
            for (what, unit), value in figures_a.items()
        ),
        settings=tuple(_settings(a, b)),
        series=(_from_its_beginning("a", a), _from_its_beginning("b", b)),
    )


def _figures(viewed: Viewed) -> Iterator[tuple[tuple[str, str], str]]:
    state, report = viewed.follower.state, viewed.report()
    statistics = state.statistics
    row = viewed.row()
    yield ("verdict", ""), row.verdict or ""
    yield ("runtime", "s"), "" if report is None else f"{float(report.runtime_seconds):.1f}"
    yield ("equity change", "USD"), _money(row.equity_change_usd)
    yield ("realised PnL", "USD"), _money(row.pnl_usd)
    yield ("unrealised", "USD"), _money(state.unrealised_usd)
    yield ("fees", "USD"), _money(statistics.fees_usd)
    yield ("drawdown of PnL", "USD"), _money(row.drawdown_usd)
    yield ("peak exposure", "USD"), _money(state.equity.peak_exposure_usd)
    yield ("closed trades", ""), f"{statistics.closed}"
    rate = win_rate(statistics)
    yield ("win rate", "%"), "" if rate is None else f"{rate * 100:.2f}"
    yield ("residuals", ""), f"{len(state.trades.residuals)}"
    yield ("rejected orders", ""), f"{statistics.orders['rejected']}"
    yield from _funnel(viewed)


def _funnel(viewed: Viewed) -> Iterator[tuple[tuple[str, str], str]]:
    for step, count in viewed.funnel().steps.items():
        yield (f"funnel: {step.replace('_', ' ')}", ""), f"{count}"


def _money(amount: Decimal | None) -> str:
    return "" if amount is None else text(amount)


def _settings(a: Viewed, b: Viewed) -> Iterator[Compared]:
    if a.config is None or b.config is None:
        return
    for one in differences(a.config, b.config)[:_MOST_SETTINGS]:
        yield Compared(what=one.key, unit="", a=one.stored or "absent", b=one.given or "absent")


def _from_its_beginning(name: str, viewed: Viewed) -> Series:
    """Return what it was worth beyond its start, by milliseconds since it began."""
    began = viewed.follower.first_ns // 1_000_000
    series = next(one for one in viewed.series() if one.name == "worth")
    if not series.at_ms:
        series = next(one for one in viewed.series() if one.name == "pnl")
    return Series(name=name, unit="USD", at_ms=tuple(at - began for at in series.at_ms), values=series.values)
