"""How accounts with contracts stand: their margins, how far liquidation is, and what venues closed by force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import attrs
from rich.text import Text

from trioarb.model.contract import ContractTerms
from trioarb.model.number import EXACT, text
from trioarb.report.figures import usd
from trioarb.state.state import State

__all__ = ["described", "liquidation_lines", "liquidations", "margin_lines", "margins"]

_PRICE_STEP, _PCT_STEP = Decimal("1e-8"), Decimal("0.01")


def described(terms: ContractTerms) -> str:
    """Return how contracts are margined, and what is paid for holding them."""
    funding = "no funding is charged"
    if terms.funding_interval_hours is not None:
        rate = "at rates that change" if terms.funding_bps is None else f"of {text(terms.funding_bps)} bps"
        funding = f"funding {rate} each {text(terms.funding_interval_hours)} h"
    kept = text(terms.maintenance_margin_bps)
    return f"perpetual contracts at leverage {text(terms.leverage)}, {kept} bps to be kept; {funding}"


def margins(state: State) -> dict[str, dict[str, Any]]:
    """Return by venue and quote asset how each account with contracts stands, at the marks that were looked at last.

    ``balance`` is its wallet and what its contracts would realise, ``initial`` and ``maintenance`` are the margins of
    what is open, ``used`` = ``balance`` − ``free`` is bound by it and by orders. Of each contract that is held:
    ``quantity`` (below zero: short), ``mark``, ``liquidation_price`` (absent: none is low or high enough), and by how
    many percent the mark is away from it.
    """
    found: dict[str, dict[str, Any]] = {}
    for venue in state.margins.venues:
        for quote in state.margins.quotes(venue):
            stands = state.margins.standing(venue, quote)
            found.setdefault(venue, {})[quote] = {
                "balance": stands.balance,
                "value": stands.value,
                "initial": stands.initial,
                "maintenance": stands.maintenance,
                "used": EXACT.subtract(stands.balance, stands.free),
                "free": stands.free,
                "contracts": dict(_contracts(state, venue, quote)),
            }
    return found


def _contracts(state: State, venue: str, quote: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for symbol, held in sorted(state.ledger.contracts_at(venue).items()):
        if state.margins.quote(venue, symbol) != quote:
            continue
        price = state.margins.liquidation_price(venue, symbol)
        distance = state.margins.distance_pct(venue, symbol)
        one = {"quantity": held.quantity, "mark": state.margins.mark(venue, symbol)}
        if price is not None and distance is not None:
            one |= {"liquidation_price": price.quantize(_PRICE_STEP)}
            one |= {"liquidation_distance_pct": distance.quantize(_PCT_STEP)}
        yield symbol, one


def liquidations(state: State) -> list[dict[str, Any]]:
    """Return what venues closed by force: of each contract how often, how much, for what, and the fees of it."""
    return [
        {"venue": venue, "symbol": symbol, **attrs.asdict(one)}
        for (venue, symbol), one in sorted(state.statistics.liquidated.items())
    ]


def margin_lines(state: State) -> Iterator[tuple[str, str | Text]]:
    """Yield the same as `margins`, to be read."""
    for venue, by_asset in margins(state).items():
        for asset, one in by_asset.items():
            yield f"{venue}, {asset}", usd(one["balance"])
            for name in ("initial", "maintenance", "used", "free"):
                yield f"  {name}", usd(one[name])
            for symbol, held in one["contracts"].items():
                way = "long" if held["quantity"] > 0 else "short"
                yield f"  {way} {text(abs(held['quantity']))} {symbol}", _far(held)


def _far(held: Mapping[str, Any]) -> str:
    if "liquidation_price" not in held:
        return "never liquidated"
    return f"liquidated at {held['liquidation_price']:.8g}, {held['liquidation_distance_pct']} % away"


def liquidation_lines(state: State) -> Iterator[str]:
    """Yield what venues closed by force, one line a contract."""
    for one in liquidations(state):
        times = "once" if one["count"] == 1 else f"{one['count']:,} times"
        yield (
            f"{one['venue']} closed {text(one['quantity'])} {one['symbol']} by force, {times}, for "
            f"{usd(one['value'])} {one['asset']} and fees of {usd(one['fees'])}"
        )
