"""Rates as figures: what converted quote assets were worth, how they were relied on, and what is at stake in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from rich.text import Text

from trioarb.model.fx import FxState
from trioarb.model.number import EXACT, ZERO, text
from trioarb.report.figures import duration, number_of, signed_usd
from trioarb.state.fx import RateFigures
from trioarb.state.state import State
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["fx", "premiums", "rate_lines"]

_STEP = Decimal("0.01")


def fx(state: State) -> dict[str, dict[str, Any]]:
    """Return figures by converted quote asset; empty if there is none.

    ``bid`` and ``ask`` are what one unit brings and costs in ``common``, ``exposure`` how much more of it is held than
    was put in, all venues together, valued as ``exposure_usd``. ``seconds`` by state are those between records.
    """
    return {asset: _figures(state, asset, one) for asset, one in sorted(state.fx.rates.items())}


def premiums(state: State) -> dict[str, dict[str, Any]]:
    """Return by ``SYMBOL@VENUE`` how far converted prices stood above the others, in bps, each time it was recorded."""
    return {
        place: {
            "first": one.first,
            "last": one.last,
            "least": one.least,
            "most": one.most,
            "mean": one.mean.quantize(_STEP),
            "count": one.count,
        }
        for place, one in sorted(state.fx.premiums.items())
    }


def rate_lines(state: State) -> Iterator[tuple[str, str | Text]]:
    """Yield what converted quote assets were worth, how much of them is held beyond the start, and premiums."""
    for asset, figures in fx(state).items():
        yield f"{asset} in {figures['common']}", _rate_text(figures)
        for how, seconds in (figures["seconds"] or {}).items():
            if how != FxState.GOOD.value:
                yield f"  {how}", duration(seconds)
        if figures["exposure_usd"] is not None:
            yield "  held beyond the start (USD)", signed_usd(figures["exposure_usd"])
        if figures["fills_in_doubt"]:
            yield "  fills at a doubtful rate", number_of(figures["fills_in_doubt"])
    for place, one in premiums(state).items():
        yield f"premium {place} (bps)", f"{one['mean']:,.0f} ({one['least']:,.0f} to {one['most']:,.0f})"


def _rate_text(figures: Mapping[str, Any]) -> str:
    if figures["constant"]:
        return f"{text(figures['bid'])}, a constant"
    if figures["bid"] is None:
        return "never known"
    return f"{figures['bid']:.4g}, {figures['state'].value}"


def _figures(state: State, asset: str, one: RateFigures) -> dict[str, Any]:
    last, exposure = one.last, ZERO
    for by_asset in state.ledger.balances().values():
        if (balance := by_asset.get(asset)) is not None:
            exposure = EXACT.add(exposure, EXACT.subtract(balance.final, balance.initial))
    constant = state.fx.constant(asset)
    return {
        "common": one.common,
        "constant": last is None,
        "state": None if last is None else last.state,
        "bid": constant if last is None else last.bid,
        "ask": constant if last is None else last.ask,
        "lowest": one.lowest,
        "highest": one.highest,
        "age_seconds": None if last is None or last.age_ns is None else last.age_ns / SECOND_NS,
        "sources": None if last is None else sorted(last.bids),
        "outliers": None if last is None else last.outliers,
        "old": None if last is None else last.old,
        "seconds": {which.value: ns / SECOND_NS for which, ns in one.ns.items()} or None,
        "exposure": exposure,
        "exposure_usd": state.fx.usd_of(asset, exposure),
        "fills": one.fills,
        "fills_in_doubt": one.doubtful,
    }
