"""What a real venue says otherwise than what stands in for it is configured with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import attrs

from trioarb.config.schema import PluginTable
from trioarb.engine.real_venues import RealVenue
from trioarb.model.market import Instrument, InstrumentStatus
from trioarb.model.number import ZERO, text
from trioarb.model.rules import TradingRules
from trioarb.settings.key import join_key

__all__ = ["balance_differences", "differences"]

#: So many symbols are named; of more it is said how many.
_MOST_NAMED = 5
_STEPS = {"tick_size": "price step", "lot_size": "size step"}
_LEASTS = {"min_notional": "least order value", "min_quantity": "least order size"}


def differences(
    venue: str, table: PluginTable, standing_in: Mapping[str, Instrument], real: RealVenue
) -> Iterator[str]:
    """Yield what a real venue says otherwise of the symbols that are traded, and the key that would make it the same.

    ``table`` is that of what stands in, ``standing_in`` what that lists, by symbol.
    """
    listed = [(one, real.instruments[symbol]) for symbol, one in standing_in.items() if symbol in real.instruments]
    trading = {theirs.symbol for _, theirs in listed if theirs.status is InstrumentStatus.TRADING}
    if untraded := [symbol for symbol in standing_in if symbol not in trading]:
        yield (
            f"{venue}: the account can't trade {_names(untraded)} there now; leave out what it never can: "
            "universe.blacklist"
        )
    taker = [(one.symbol, one.taker_fee_bps, theirs.taker_fee_bps) for one, theirs in listed]
    # Where both take the same fee either way, one key says it.
    maker = [
        (one.symbol, one.maker_fee_bps, theirs.maker_fee_bps)
        for one, theirs in listed
        if (one.maker_fee_bps, theirs.maker_fee_bps) != (one.taker_fee_bps, theirs.taker_fee_bps)
    ]
    yield from _fee_differences(venue, taker, "as a taker", _key(table, "taker_fee"))
    yield from _fee_differences(venue, maker, "as a maker", _key(table, "maker_fee"))
    assets = {theirs.fee_asset: None for one, theirs in listed if theirs.fee_asset not in (None, one.fee_asset)}
    for asset in assets:
        yield f'{venue}: the account pays its fees in {asset}; set {_key(table, "fee_asset")} = "{asset}"'
    for one, theirs in listed:
        yield from _rule_differences(venue, table, one.symbol, one.rules, theirs.rules)


def _fee_differences(venue: str, fees: Iterable[tuple[str, Decimal, Decimal]], kind: str, key: str) -> Iterator[str]:
    """Yield of symbols, each with the model's fee and the venue's, where these differ."""
    found = defaultdict[tuple[Decimal, Decimal], list[str]](list)
    for symbol, model, charged in fees:
        if model != charged:
            found[model, charged].append(symbol)
    for (model, charged), symbols in found.items():
        yield (
            f"{venue}: the account pays {text(charged)} bps {kind} ({_names(symbols)}), and the paper model "
            f"{text(model)}; set {key} = {text(charged)}"
        )


def _rule_differences(
    venue: str, table: PluginTable, symbol: str, ours: TradingRules, theirs: TradingRules
) -> Iterator[str]:
    for name, what in {**_STEPS, **_LEASTS}.items():
        model, real = getattr(ours, name), getattr(theirs, name)
        key = _key(table, "rules", symbol, name)
        if name == "tick_size" and (ours.ticks or theirs.ticks):
            if ours.ticks != theirs.ticks:
                yield f"{venue}: the price steps of {symbol} are others than the paper model's; see {key}"
        elif model != real and (real or (name in _LEASTS and model)):
            yield (
                f"{venue}: the {what} of {symbol} is {_shown(real)}, and the paper model's {_shown(model)}; "
                f'set {key} = "{text(real or ZERO)}"'
            )


def balance_differences(
    venue: str, table: PluginTable, begins_with: Mapping[str, Decimal], real: RealVenue, granted: Sequence[str]
) -> Iterator[str]:
    """Yield what the model begins with and the account doesn't hold; ``granted``: base assets of which it is granted
    some, how much follows from their first quotes.
    """
    for asset, amount in sorted(begins_with.items()):
        held = real.balances.get(asset, ZERO)
        if held < amount:
            yield (
                f"{venue}: the account holds {text(held)} {asset}, and the paper model begins with {text(amount)}: it "
                f"trades what the account couldn't; lower {_key(table, 'balance', asset)}"
            )
    if lacking := [asset for asset in granted if not real.balances.get(asset)]:
        yield (
            f"{venue}: the account holds no {_names(lacking)}, of which the paper model is granted some; see "
            f"{_key(table, 'inventory')}"
        )


def _key(table: PluginTable, concern: str, *below: str) -> str:
    """Return the key of the setting of what stands in, or of what that wraps, that concerns this; without one, where
    it would be.
    """
    found: PluginTable | None = table
    while found is not None:
        for field in attrs.fields(type(found.settings)):
            if field.metadata.get("concerns") == concern:
                return join_key(found.key, field.name, *below)
        found = found.wraps
    return f"what [{table.key}] has for it"


def _shown(amount: Decimal | None) -> str:
    return "none" if amount is None else text(amount)


def _names(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:_MOST_NAMED])} and {more} more"
